//! Sums and products over channels: the pieces of ActNorm, channel mixing and biases.

use burn::tensor::Tensor;

use crate::kernels::{Field, PerSample};

/// Pixels in one channel of one sample.
pub fn pixels(x: &Field) -> usize {
    let [_, _, d, h, w] = x.dims();
    d * h * w
}

/// Σ over batch and pixels: `[channel]`.
pub fn channel_sums(x: Field) -> Tensor<1> {
    let channels = x.dims()[1];
    sums(x, [4, 3, 2, 0]).reshape([channels])
}

/// Σ over channels and pixels: `[batch]`.
pub fn sample_sums(x: Field) -> PerSample {
    let batch = x.dims()[0];
    sums(x, [4, 3, 2, 1]).reshape([batch])
}

/// Σ over one axis after the other: short sums, which keep f32 exact to its rounding where a device adds in sequence, and
/// many at a time.
fn sums<const N: usize>(x: Field, axes: [usize; N]) -> Field {
    axes.into_iter().fold(x, |x, axis| if x.dims()[axis] == 1 { x } else { x.sum_dim(axis) })
}

/// Σ over batch and pixels of a·b: `[channel]`.
pub fn channel_dots(a: &Field, b: &Field) -> Tensor<1> {
    channel_sums(a.clone() * b.clone())
}

/// Σ over channels and pixels of a·b: `[batch]`.
pub fn sample_dots(a: &Field, b: &Field) -> PerSample {
    sample_sums(a.clone() * b.clone())
}

/// Σ over channels and pixels of (a − b)²: `[batch]`.
pub fn sample_distances(a: &Field, b: &Field) -> PerSample {
    sample_sums((a.clone() - b.clone()).square())
}

/// The log-determinant of a map that keeps volumes: zero for each sample.
pub fn no_log_det(x: &Field) -> PerSample {
    Tensor::zeros([x.dims()[0]], (&x.device(), x.dtype()))
}

/// x multiplied by one factor a channel.
pub fn scale_channels(x: Field, factor: Tensor<1>) -> Field {
    let channels = factor.dims()[0];
    x * factor.reshape([1, channels, 1, 1, 1])
}

/// x plus one number a channel.
pub fn shift_channels(x: Field, shift: Tensor<1>) -> Field {
    let channels = shift.dims()[0];
    x + shift.reshape([1, channels, 1, 1, 1])
}

/// factor·x + shift, one of each a channel.
pub fn scale_then_shift(x: Field, factor: Tensor<1>, shift: Tensor<1>) -> Field {
    shift_channels(scale_channels(x, factor), shift)
}

/// (x + shift)·factor, one of each a channel.
pub fn shift_then_scale(x: Field, shift: Tensor<1>, factor: Tensor<1>) -> Field {
    scale_channels(shift_channels(x, shift), factor)
}

/// x with its channels from `first` on overwritten by those of `part`.
pub fn replace_channels(x: Field, first: usize, part: Field) -> Field {
    let [batch, channels, d, h, w] = part.dims();
    x.slice_assign([0..batch, first..first + channels, 0..d, 0..h, 0..w], part)
}

/// Products held at a time by [`gram`], where one row of it needs no more.
const PRODUCTS: usize = 1 << 22;

/// The Gram matrix Σ_{sample, pixel} a bᵀ: `[channels of a, channels of b]`.
///
/// In products and sums, as [`reflect`]: the gradient of a channel mixing is a small difference of large entries of this
/// matrix, and TF32 would leave little of it.
pub fn gram(a: Field, b: Field) -> Tensor<2> {
    let ([batch, ca, d, h, w], [_, cb, ..]) = (a.dims(), b.dims());
    let a = a.reshape([batch, ca, 1, d * h, w]);
    let b = b.reshape([batch, 1, cb, d * h, w]);
    let at_once = (PRODUCTS / (batch * cb * d * h * w).max(1)).clamp(1, ca.max(1));
    let rows = (0..ca).step_by(at_once).map(|first| {
        let count = at_once.min(ca - first);
        let products = a.clone().narrow(1, first, count) * b.clone();
        sums(products, [4, 3, 0]).reshape([count, cb])
    });
    Tensor::cat(rows.collect(), 0)
}

/// Householder reflections applied one after the other: x ← x − 2 v (v·x)/(v·v) at every pixel, for each row v of
/// `vectors` in the given order.
///
/// Written in products and sums, never as a matrix product: those may run in TF32 on a GPU, and the map would no
/// longer be orthogonal.
pub fn reflect(x: Field, vectors: Tensor<2>, order: impl Iterator<Item = usize>) -> Field {
    let channels = x.dims()[1];
    order.fold(x, |x, i| {
        let v = vectors.clone().narrow(0, i, 1);
        let norm = v.clone().square().sum_dim(1);
        let scaled = (v.clone() * 2.0 / norm).reshape([1, channels, 1, 1, 1]);
        let along = (x.clone() * v.reshape([1, channels, 1, 1, 1])).sum_dim(1);
        x - along * scaled
    })
}

/// ∂L/∂vectors `[reflection, channel]` of W = H₁ H₂ … H_r from ∂L/∂W.
///
/// With Hᵢ = I − 2 vᵢvᵢᵀ/nᵢ, nᵢ = vᵢᵀvᵢ, and Gᵢ = ∂L/∂Hᵢ = (H₁…H_{i−1})ᵀ ∂L/∂W (H_{i+1}…H_r)ᵀ:
///
///   ∂L/∂vᵢ = −(2/nᵢ)(Gᵢ + Gᵢᵀ)vᵢ + (4/nᵢ²)(vᵢᵀGᵢvᵢ) vᵢ.
///
/// G₁ = ∂L/∂W · (H₂…H_r)ᵀ is formed once; then Gᵢ₊₁ = Hᵢ Gᵢ Hᵢ₊₁, since every H is its own inverse and transpose.
pub fn reflection_gradients(vectors: Tensor<2>, dw: Tensor<2>) -> Tensor<2> {
    let [count, _] = vectors.dims();
    let rows: Vec<Tensor<2>> = (0..count).map(|i| vectors.clone().narrow(0, i, 1)).collect();
    let mut g = rows.iter().skip(1).rev().fold(dw, reflect_rows);
    let mut gradients = Vec::with_capacity(count);
    for (i, v) in rows.iter().enumerate() {
        let norm = v.clone().square().sum_dim(1);
        let left = product(g.clone(), v); // (G v)ᵀ
        let right = product(g.clone().transpose(), v); // (Gᵀ v)ᵀ
        let quadratic = (left.clone() * v.clone()).sum_dim(1);
        let first = (left + right) * -2.0 / norm.clone();
        gradients.push(first + v.clone() * (quadratic * 4.0 / norm.square()));
        if let Some(next) = rows.get(i + 1) {
            g = reflect_rows(reflect_rows(g.transpose(), v).transpose(), next);
        }
    }
    Tensor::cat(gradients, 0)
}

/// (A v)ᵀ as a row, for a row v.
fn product(a: Tensor<2>, v: &Tensor<2>) -> Tensor<2> {
    (a * v.clone()).sum_dim(1).transpose()
}

/// A H for the reflection H of the row v.
fn reflect_rows(a: Tensor<2>, v: &Tensor<2>) -> Tensor<2> {
    let norm = v.clone().square().sum_dim(1);
    let along = (a.clone() * v.clone()).sum_dim(1);
    a - along * (v.clone() * 2.0 / norm)
}
