//! Trading resolution for channels: every chosen axis is halved, the channels doubled once for each.

use burn::tensor::Tensor;

use crate::kernels::Field;

/// See [`crate::kernels::checkerboard`].
pub fn checkerboard(x: Field, axes: [bool; 3]) -> Field {
    let [batch, channels, d, h, w] = x.dims();
    let [(d1, d2), (h1, h2), (w1, w2)] = halves([d, h, w], axes);
    x.reshape([batch, channels, d1, d2, h1, h2, w1, w2]).permute([0, 3, 5, 7, 1, 2, 4, 6]).reshape([
        batch,
        d2 * h2 * w2 * channels,
        d1,
        h1,
        w1,
    ])
}

/// The inverse of [`checkerboard`].
pub fn checkerboard_inverse(x: Field, axes: [bool; 3]) -> Field {
    let [batch, channels, d, h, w] = x.dims();
    let [d2, h2, w2] = axes.map(|chosen| if chosen { 2 } else { 1 });
    let channels = channels / (d2 * h2 * w2);
    x.reshape([batch, d2, h2, w2, channels, d, h, w]).permute([0, 4, 5, 1, 6, 2, 7, 3]).reshape([
        batch,
        channels,
        d * d2,
        h * h2,
        w * w2,
    ])
}

/// See [`crate::kernels::haar`].
pub fn haar(x: Field, axes: [bool; 3]) -> Field {
    butterflies(checkerboard(x, axes), axes)
}

/// The inverse of [`haar`].
pub fn haar_inverse(x: Field, axes: [bool; 3]) -> Field {
    checkerboard_inverse(butterflies(x, axes), axes)
}

/// (a, b) → ((a + b)/√2, (a − b)/√2) between groups that differ in one bit; its own inverse.
fn butterflies(x: Field, axes: [bool; 3]) -> Field {
    let dims = x.dims();
    let levels = axes.iter().filter(|&&chosen| chosen).count();
    let groups = 1usize << levels;
    let per_group = dims[1] / groups * dims[2] * dims[3] * dims[4];
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let mut x = x.reshape([dims[0], 1, groups, per_group]);
    for level in 0..levels {
        let outer = 1 << level;
        let inner = groups / (2 * outer) * per_group;
        let pairs: Tensor<4> = x.reshape([dims[0], outer, 2, inner]);
        let a = pairs.clone().narrow(2, 0, 1);
        let b = pairs.narrow(2, 1, 1);
        x = Tensor::cat(vec![a.clone() + b.clone(), a - b], 2) * half;
    }
    x.reshape(dims)
}

/// Each axis as (coarse, fine): a chosen one is split in two.
fn halves(size: [usize; 3], axes: [bool; 3]) -> [(usize, usize); 3] {
    core::array::from_fn(|a| if axes[a] { (size[a] / 2, 2) } else { (size[a], 1) })
}
