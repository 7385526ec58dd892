//! The kernels against loops written from their definitions, and against each other as adjoints.

use burn::tensor::{DType, Device, Tensor, TensorData};
use posteria::flow::standard_normal;
use posteria::kernels::{
    Field, Pad, Padding, checkerboard, checkerboard_inverse, convolve, convolve_input_adjoint, convolve_weight_adjoint,
    gram, haar, haar_inverse, reflect, reflection_gradients, wrap, wrap_adjoint,
};
use posteria::random::{Purpose, stream};
use proptest::prelude::*;

fn random(shape: [usize; 5], index: u64) -> Field {
    standard_normal(shape, &mut stream(5, Purpose::Diagnostic, index), DType::F64, &Device::flex())
}

fn values<const D: usize>(x: &Tensor<D>) -> Vec<f64> {
    x.clone().into_data().try_to_vec().expect("an f64 tensor")
}

fn dot(a: &Field, b: &Field) -> f64 {
    values(a).iter().zip(values(b)).map(|(a, b)| a * b).sum()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-11 * (1.0 + a.abs() + b.abs())
}

/// The convolution as its definition reads.
fn convolve_by_definition(x: &Field, weight: &Field, padding: Padding) -> Field {
    let ([n, ci, d, h, w], [co, _, kd, kh, kw]) = (x.dims(), weight.dims());
    let (xs, ws) = (values(x), values(weight));
    let out = [padding[0].convolved(d, kd), padding[1].convolved(h, kh), padding[2].convolved(w, kw)];
    let mut y = Vec::new();
    for (b, o) in (0..n).flat_map(|b| (0..co).map(move |o| (b, o))) {
        for (p, q, r) in positions(out) {
            let mut sum = 0.0;
            for (i, (a, c, e)) in (0..ci).flat_map(|i| positions([kd, kh, kw]).map(move |k| (i, k))) {
                let at = [(p + a, d), (q + c, h), (r + e, w)];
                let seen: [Option<usize>; 3] = std::array::from_fn(|axis| seen(at[axis].0, at[axis].1, padding[axis]));
                if let [Some(z), Some(s), Some(t)] = seen {
                    sum +=
                        xs[(((b * ci + i) * d + z) * h + s) * w + t] * ws[(((o * ci + i) * kd + a) * kh + c) * kw + e];
                }
            }
            y.push(sum);
        }
    }
    Tensor::from_data(TensorData::new(y, [n, co, out[0], out[1], out[2]]), (&Device::flex(), DType::F64))
}

/// Where the entry `at` of a continued axis comes from.
fn seen(at: usize, size: usize, pad: Pad) -> Option<usize> {
    let at = at as isize - pad.sides()[0] as isize;
    match pad {
        Pad::Periodic(_) => Some(at.rem_euclid(size as isize) as usize),
        Pad::Zeros(_) => usize::try_from(at).ok().filter(|&at| at < size),
    }
}

fn positions([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |p| (0..b).flat_map(move |q| (0..c).map(move |r| (p, q, r))))
}

/// Extents and kernel of one axis, and padding that leaves at least one output.
fn axis() -> impl Strategy<Value = (usize, usize, Pad)> {
    let kernel = prop_oneof![Just(1usize), Just(3), Just(5)];
    (1usize..6, kernel, any::<bool>(), 0usize..3, 0usize..3).prop_map(|(size, kernel, periodic, before, after)| {
        let missing = kernel.saturating_sub(size + before + after);
        let pad = match periodic {
            true => Pad::Periodic(before.max(kernel.saturating_sub(size).div_ceil(2))),
            false => Pad::Zeros([before + missing, after]),
        };
        (size, kernel, pad)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolution_is_its_definition_and_has_both_adjoints(
        batch in 1usize..4, inputs in 1usize..4, outputs in 1usize..4,
        flat in any::<bool>(), depth in axis(), height in axis(), width in axis(),
    ) {
        let depth = if flat { (1, 1, Pad::NONE) } else { depth };
        let padding = [depth.2, height.2, width.2];
        let x = random([batch, inputs, depth.0, height.0, width.0], 0);
        let weight = random([outputs, inputs, depth.1, height.1, width.1], 1);
        let y = convolve(x.clone(), weight.clone(), None, padding);
        let expected = convolve_by_definition(&x, &weight, padding);
        prop_assert_eq!(y.dims(), expected.dims());
        prop_assert!(values(&y).iter().zip(values(&expected)).all(|(&a, b)| close(a, b)));

        let dy = random(y.dims(), 2);
        let whole = dot(&y, &dy);
        let dx = convolve_input_adjoint([depth.0, height.0, width.0], weight.clone(), dy.clone(), padding);
        prop_assert_eq!(dx.dims(), x.dims());
        prop_assert!(close(dot(&dx, &x), whole));
        let dw = convolve_weight_adjoint(x, dy, [depth.1, height.1, width.1], padding);
        prop_assert_eq!(dw.dims(), weight.dims());
        prop_assert!(close(dot(&dw, &weight), whole));
    }

    /// Single precision runs on the fast kernels, double precision on the portable ones.
    #[test]
    fn single_precision_is_double_precision_rounded(
        batch in 1usize..4, inputs in 1usize..30, outputs in 1usize..30,
        flat in any::<bool>(), depth in axis(), height in axis(), width in axis(),
    ) {
        let depth = if flat { (1, 1, Pad::NONE) } else { depth };
        let padding = [depth.2, height.2, width.2];
        let [x, weight] = [
            random([batch, inputs, depth.0, height.0, width.0], 0),
            random([outputs, inputs, depth.1, height.1, width.1], 1),
        ];
        let y = convolve(x.clone(), weight.clone(), None, padding);
        let dy = random(y.dims(), 2);
        let extent = [depth.0, height.0, width.0];
        let dx = convolve_input_adjoint(extent, weight.clone(), dy.clone(), padding);
        let dw = convolve_weight_adjoint(x.clone(), dy.clone(), [depth.1, height.1, width.1], padding);
        let [x, weight, dy] = [x, weight, dy].map(|t| t.cast(DType::F32));
        let pairs = [
            (y, convolve(x.clone(), weight.clone(), None, padding)),
            (dx, convolve_input_adjoint(extent, weight, dy.clone(), padding)),
            (dw, convolve_weight_adjoint(x, dy, [depth.1, height.1, width.1], padding)),
        ];
        for (double, single) in pairs {
            prop_assert_eq!(single.dtype(), DType::F32);
            let (double, single) = (values(&double), values(&single.cast(DType::F64)));
            let largest = double.iter().fold(0f64, |m, v| m.max(v.abs()));
            prop_assert!(double.iter().zip(single).all(|(a, b)| (a - b).abs() <= 1e-5 * largest.max(1.0)));
        }
    }

    #[test]
    fn wrapping_repeats_the_image_and_has_its_adjoint(
        d in 1usize..4, h in 1usize..5, w in 1usize..5, halo in proptest::array::uniform3(0usize..4),
    ) {
        let x = random([2, 2, d, h, w], 3);
        let y = wrap(x.clone(), halo);
        let [_, _, yd, yh, yw] = y.dims();
        prop_assert_eq!([yd, yh, yw], [d + 2 * halo[0], h + 2 * halo[1], w + 2 * halo[2]]);
        let (xs, ys) = (values(&x), values(&y));
        let back = |at: usize, halo: usize, n: usize| (at + n * halo - halo) % n;
        for (k, (p, q, r)) in positions([yd, yh, yw]).enumerate() {
            let source = (back(p, halo[0], d) * h + back(q, halo[1], h)) * w + back(r, halo[2], w);
            prop_assert_eq!(ys[k], xs[source]);
        }
        let dy = random(y.dims(), 4);
        prop_assert!(close(dot(&y, &dy), dot(&x, &wrap_adjoint(dy.clone(), halo))));
    }

    #[test]
    fn squeezes_are_orthonormal(
        axes in proptest::array::uniform3(any::<bool>()), channels in 1usize..4, size in proptest::array::uniform3(1usize..4),
    ) {
        let even: [usize; 3] = std::array::from_fn(|a| if axes[a] { 2 * size[a] } else { size[a] });
        let x = random([2, channels, even[0], even[1], even[2]], 5);
        for (squeeze, inverse) in [
            (checkerboard as fn(Field, [bool; 3]) -> Field, checkerboard_inverse as fn(Field, [bool; 3]) -> Field),
            (haar, haar_inverse),
        ] {
            let z = squeeze(x.clone(), axes);
            prop_assert_eq!(&z.dims()[2..], &size);
            prop_assert!(close(dot(&z, &z), dot(&x, &x)));
            prop_assert!(values(&inverse(z, axes)).iter().zip(values(&x)).all(|(&a, b)| close(a, b)));
        }
    }

    /// The gradient of Σ ⟨dy, W x⟩ in every entry of every vector, against differences.
    #[test]
    fn reflections_are_orthogonal_and_their_gradient_follows_from_one_gram_matrix(
        channels in 1usize..6, count in 1usize..5,
    ) {
        let x = random([2, channels, 1, 2, 3], 6);
        let dy = random([2, channels, 1, 2, 3], 7);
        let vectors = random([1, 1, 1, count, channels], 8).reshape([count, channels]);
        let loss = |v: Tensor<2>| dot(&reflect(x.clone(), v, (0..count).rev()), &dy);
        let y = reflect(x.clone(), vectors.clone(), (0..count).rev());
        prop_assert!(close(dot(&y, &y), dot(&x, &x)));
        let back = reflect(y, vectors.clone(), 0..count);
        prop_assert!(values(&back).iter().zip(values(&x)).all(|(&a, b)| close(a, b)));

        let gradient = values(&reflection_gradients(vectors.clone(), gram(dy.clone(), x.clone())));
        let base = values(&vectors);
        for (k, g) in gradient.iter().enumerate() {
            let h = 1e-5 * (1.0 + base[k].abs());
            let at = |step: f64| {
                let mut moved = base.clone();
                moved[k] += step;
                loss(Tensor::from_data(TensorData::new(moved, [count, channels]), (&Device::flex(), DType::F64)))
            };
            let numerical = (at(h) - at(-h)) / (2.0 * h);
            let smallest = (0..count).map(|i| base[i * channels..(i + 1) * channels].iter().map(|v| v * v).sum::<f64>());
            let curvature = 1.0 / smallest.fold(1.0, f64::min);
            prop_assert!((numerical - g).abs() < 1e-6 * (1.0 + curvature * curvature), "{numerical} {g}");
        }
    }
}
