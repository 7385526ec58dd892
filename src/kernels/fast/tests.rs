//! Every fast kernel against its portable version in f64, for every instruction set of the machine and any number of
//! threads.

use burn::tensor::{DType, Device, Tensor};
use proptest::prelude::*;
use rand_distr::{Distribution, StandardNormal};

use super::InstructionSet;
use crate::kernels::{Field, Pad, Padding, portable};
use crate::random::{Purpose, stream};

mod channels;
mod products;
mod squeezes;
mod sweeps;

/// Relative to the largest value.
const TOLERANCE: f64 = 1e-5;

fn random<const D: usize>(shape: [usize; D], index: u64) -> Tensor<D> {
    let mut rng = stream(11, Purpose::Diagnostic, index);
    let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(&mut rng)).collect();
    super::view::tensor(values, shape)
}

/// A field as one of many layouts: contiguous, some channels of more, some rows of more, or with axes exchanged.
fn field(shape: [usize; 5], layout: usize, index: u64) -> Field {
    let [n, c, d, h, w] = shape;
    match layout {
        0 => random(shape, index),
        1 => random([n, c + 3, d, h, w], index).narrow(1, 2, c),
        2 => random([n, c, d, h + 2, w], index).narrow(3, 1, h),
        3 => random([n, c, d, w, h], index).swap_dims(3, 4),
        _ => random([n + 1, c, d, h, w], index).narrow(0, 1, n),
    }
}

fn values<const D: usize>(x: &Tensor<D>) -> Vec<f64> {
    x.clone().cast(DType::F64).into_data().try_to_vec().expect("floats")
}

/// The largest error relative to the largest value, or to the `terms` standard normal numbers that are summed up in each
/// where these happen to cancel.
fn difference<const D: usize>(fast: &Tensor<D>, portable: &Tensor<D>, terms: usize) -> f64 {
    assert_eq!(fast.dims(), portable.dims());
    let (fast, portable) = (values(fast), values(portable));
    let largest = portable.iter().fold((terms as f64).sqrt(), |m: f64, v| m.max(v.abs()));
    let errors = fast.iter().zip(&portable).map(|(a, b)| (a - b).abs());
    // The greater of a number and of none is the number.
    errors.fold(0.0, |m: f64, error| if error.is_nan() { f64::INFINITY } else { m.max(error) }) / largest
}

fn wide<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    x.clone().cast(DType::F64)
}

/// Extent, kernel and padding of one axis, with at least one output.
fn axis(size: usize) -> impl Strategy<Value = (usize, usize, Pad)> {
    let zeros = (0usize..4, 0usize..4).prop_map(|(before, after)| Pad::Zeros([before, after]));
    let pad = prop_oneof![zeros, (0usize..4).prop_map(Pad::Periodic)];
    let same = prop_oneof![Just(true), Just(false)];
    (1usize..size, prop_oneof![Just(1usize), Just(3), Just(5)], pad, same).prop_map(|(size, kernel, pad, same)| {
        let pad = match pad {
            Pad::Zeros(_) if same => Pad::Zeros([kernel / 2; 2]),
            Pad::Periodic(_) if same => Pad::Periodic(kernel / 2),
            Pad::Zeros([before, after]) => Pad::Zeros([before + kernel.saturating_sub(size + before + after), after]),
            Pad::Periodic(halo) => Pad::Periodic(halo.max(kernel.saturating_sub(size).div_ceil(2))),
        };
        (size, kernel, pad)
    })
}

#[derive(Clone, Debug)]
struct Case {
    x: [usize; 5],
    outputs: usize,
    kernel: [usize; 3],
    padding: Padding,
    layouts: [usize; 3],
}

fn case() -> impl Strategy<Value = Case> {
    let channels = || prop_oneof![1usize..8, 1usize..50];
    let flat = any::<bool>();
    (1usize..4, channels(), channels(), flat, axis(4), axis(20), axis(36), [0usize..5, 0usize..5, 0usize..5]).prop_map(
        |(batch, inputs, outputs, flat, depth, height, width, layouts)| {
            let depth = if flat { (1, 1, Pad::NONE) } else { depth };
            Case {
                x: [batch, inputs, depth.0, height.0, width.0],
                outputs,
                kernel: [depth.1, height.1, width.1],
                padding: [depth.2, height.2, width.2],
                layouts,
            }
        },
    )
}

fn check(case: Case, sets: &[InstructionSet]) -> Result<(), TestCaseError> {
    let Case { x: shape, outputs, kernel, padding, layouts } = case;
    let [kd, kh, kw] = kernel;
    let x = field(shape, layouts[0], 0);
    let weight = field([outputs, shape[1], kd, kh, kw], layouts[1], 1);
    let bias: Tensor<1> = random([outputs], 2);
    let y = portable::convolution::convolve(wide(&x), wide(&weight), Some(wide(&bias)), padding);
    let dy = field(y.dims(), layouts[2], 3);
    let extent = [shape[2], shape[3], shape[4]];
    let dx = portable::convolution::convolve_input_adjoint(extent, wide(&weight), wide(&dy), padding);
    let dw = portable::convolution::convolve_weight_adjoint(wide(&x), wide(&dy), kernel, padding);
    for &set in sets {
        let fast = super::convolve(set, &x, &weight, Some(&bias), &padding).expect("any convolution");
        let taps: usize = kernel.iter().product();
        let error = difference(&fast, &y, shape[1] * taps);
        prop_assert!(error < TOLERANCE, "{set:?}: y {error:e}");
        let fast = super::convolve_weight_adjoint(set, &x, &dy, kernel, &padding).expect("any convolution");
        let error = difference(&fast, &dw, dy.dims()[2..].iter().product::<usize>() * shape[0]);
        prop_assert!(error < TOLERANCE, "{set:?}: dw {error:e}");
        let circular = padding.iter().zip(kernel).all(|(pad, k)| match pad {
            Pad::Zeros(_) => true,
            Pad::Periodic(halo) => 2 * halo + 1 == k,
        });
        let fast = super::convolve_input_adjoint(set, extent, &weight, &dy, &padding);
        prop_assert_eq!(fast.is_some(), circular);
        if let Some(fast) = fast {
            let error = difference(&fast, &dx, outputs * taps);
            prop_assert!(error < TOLERANCE, "{set:?}: dx {error:e}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_equal_the_portable_ones(case in case()) {
        check(case, &InstructionSet::available())?;
    }

    #[test]
    fn gram_matrices_equal_the_portable_ones(
        batch in 1usize..4, ca in 1usize..20, cb in 1usize..20,
        h in 1usize..9, w in 1usize..40, layouts in [0usize..5, 0usize..5],
    ) {
        let (a, b) = (field([batch, ca, 1, h, w], layouts[0], 0), field([batch, cb, 1, h, w], layouts[1], 1));
        let expected = portable::channel::gram(wide(&a), wide(&b));
        for set in InstructionSet::available() {
            let found = super::gram(set, &a, &b).expect("floats");
            prop_assert!(difference(&found, &expected, batch * h * w) < TOLERANCE, "{set:?}");
        }
    }
}

/// Shapes of a field, large ones among them, and the layouts of four tensors.
fn fields() -> impl Strategy<Value = ([usize; 5], [usize; 4])> {
    let shape = (1usize..4, 1usize..9, 1usize..3, 1usize..9, 1usize..40).prop_map(|(n, c, d, h, w)| [n, c, d, h, w]);
    let shape = prop_oneof![30 => shape, 1 => Just([2, 5, 1, 240, 250])];
    (shape, proptest::array::uniform4(0usize..5))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn activations_equal_the_portable_ones((shape, layouts) in fields(), slope in 0.0..1.0) {
        let (u, dy) = (field(shape, layouts[0], 0), field(shape, layouts[1], 1));
        for set in InstructionSet::available() {
            use super::activation::{LeakyRelu, LeakyReluPull, Silu, SiluPull, map, map_with};
            use portable::activation::{leaky_relu, leaky_relu_pull, silu, silu_pull};
            let (u64, dy64) = (wide(&u), wide(&dy));
            let slope32 = slope as f32;
            let pairs = [
                (map(set, u.clone(), LeakyRelu(slope32)), leaky_relu(u64.clone(), slope)),
                (map_with(set, dy.clone(), &u, LeakyReluPull(slope32)), leaky_relu_pull(u64.clone(), dy64.clone(), slope)),
                (map(set, u.clone(), Silu), silu(u64.clone())),
                (map_with(set, dy.clone(), &u, SiluPull), silu_pull(u64, dy64)),
            ];
            for (fast, expected) in pairs {
                prop_assert!(difference(&fast.expect("floats"), &expected, 1) < TOLERANCE);
            }
        }
        // What is shared is not overwritten.
        prop_assert!(difference(&u, &wide(&field(shape, layouts[0], 0)), 1) == 0.0);
    }

    #[test]
    fn couplings_equal_the_portable_ones((shape, layouts) in fields(), bound in 0.5f64..4.0) {
        use super::coupling::{Forward, ForwardPull, Inverse, InversePull, couple};
        use portable::coupling as reference;
        let [x, dx, a, t] = std::array::from_fn(|i| field(shape, layouts[i], i as u64));
        let d: Tensor<1> = random([shape[0]], 5);
        let [x64, dx64, a64, t64] = [&x, &dx, &a, &t].map(wide);
        let d64 = wide(&d);
        for set in InstructionSet::available() {
            let ([y], log_det) = couple(set, Forward, &x, None, &a, &t, bound).expect("floats");
            let (expected, expected_log_det) = reference::affine_forward(x64.clone(), a64.clone(), t64.clone(), bound);
            prop_assert!(difference(&y, &expected, 1) < TOLERANCE);
            prop_assert!(difference(&log_det, &expected_log_det, shape[1..].iter().product()) < TOLERANCE);
            let ([y], log_det) = couple(set, Inverse, &x, None, &a, &t, bound).expect("floats");
            let (expected, expected_log_det) = reference::affine_inverse(x64.clone(), a64.clone(), t64.clone(), bound);
            prop_assert!(difference(&y, &expected, 1) < TOLERANCE);
            prop_assert!(difference(&log_det, &expected_log_det, shape[1..].iter().product()) < TOLERANCE);
            let gradients = Some((&dx, &d));
            let ([p, q, r], _) = couple(set, ForwardPull, &x, gradients, &a, &t, bound).expect("floats");
            let (x64, a64, t64, dx64) = (x64.clone(), a64.clone(), t64.clone(), dx64.clone());
            let expected = reference::affine_forward_vjp(x64.clone(), dx64.clone(), &d64, a64.clone(), t64.clone(), bound);
            for (fast, expected) in [(&p, &expected.0), (&q, &expected.1), (&r, &expected.2)] {
                prop_assert!(difference(fast, expected, 1) < TOLERANCE);
            }
            let ([p, q, r], _) = couple(set, InversePull, &x, gradients, &a, &t, bound).expect("floats");
            let expected = reference::affine_inverse_vjp(x64, dx64, &d64, a64, t64, bound);
            for (fast, expected) in [(&p, &expected.0), (&q, &expected.1), (&r, &expected.2)] {
                prop_assert!(difference(fast, expected, 1) < TOLERANCE);
            }
        }
    }
}

/// Large enough to be cut into many pieces, in every way there is.
fn large() -> Vec<Case> {
    let same = [Pad::NONE, Pad::Zeros([1, 1]), Pad::Periodic(1)];
    let case = |x: [usize; 5], outputs, kernel, padding| Case { x, outputs, kernel, padding, layouts: [0, 0, 1] };
    vec![
        case([2, 32, 1, 48, 50], 40, [1, 3, 3], same),
        case([8, 96, 1, 32, 32], 6, [1, 3, 3], same),
        case([1, 64, 1, 96, 96], 66, [1, 1, 1], [Pad::NONE; 3]),
        case([1, 12, 9, 30, 31], 16, [3, 3, 3], [Pad::Zeros([1, 1]); 3]),
    ]
}

#[test]
fn large_convolutions_equal_the_portable_ones() {
    for case in large() {
        check(case.clone(), &[InstructionSet::best()]).unwrap_or_else(|error| panic!("{case:?}: {error}"));
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| -> Vec<Vec<f64>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            large()
                .into_iter()
                .flat_map(|Case { x: shape, outputs, kernel, padding, .. }| {
                    let set = InstructionSet::best();
                    let (x, weight) = (random(shape, 0), {
                        let [kd, kh, kw] = kernel;
                        random([outputs, shape[1], kd, kh, kw], 1)
                    });
                    let y = super::convolve(set, &x, &weight, None, &padding).expect("floats");
                    let extent = [shape[2], shape[3], shape[4]];
                    let dx = super::convolve_input_adjoint(set, extent, &weight, &y, &padding).expect("floats");
                    let dw = super::convolve_weight_adjoint(set, &x, &y, kernel, &padding).expect("floats");
                    [values(&y), values(&dx), values(&dw)]
                })
                .collect()
        })
    };
    let one = run(1);
    for threads in [2, 5] {
        assert!(run(threads) == one);
    }
}

#[test]
fn passes_do_not_depend_on_the_number_of_threads() {
    let shape = [3, 6, 1, 200, 210];
    let [x, dx, a, t] = [0, 1, 2, 3].map(|i| random(shape, i));
    let (factor, d): (Tensor<1>, Tensor<1>) = (random([6], 4), random([3], 5));
    let run = |threads: usize| -> Vec<Vec<f64>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let set = InstructionSet::best();
            let map = super::coupling::ForwardPull;
            let (results, log_det) =
                super::coupling::couple(set, map, &x, Some((&dx, &d)), &a, &t, 2.0).expect("floats");
            let dots = [
                super::sums::channel_dots(set, &x, &dx),
                super::sums::sample_terms(set, &x, &dx, super::sums::SquaredDifference),
            ];
            let scaled =
                super::channel::scale_then_shift(set, x.clone(), Some(&factor), Some(&factor)).expect("floats");
            let squeezed = super::squeeze::squeeze(set, x.clone(), [false, true, true], true).expect("floats");
            let vectors = dots.into_iter().flatten().chain([log_det]).map(|v| values(&v));
            results.iter().chain([&scaled, &squeezed]).map(values).chain(vectors).collect()
        })
    };
    let one = run(1);
    for threads in [2, 5] {
        assert!(run(threads) == one);
    }
}

#[test]
fn other_tensors_are_left_to_the_portable_version() {
    let set = InstructionSet::best();
    let (x, weight): (Field, Field) = (random([1, 2, 1, 4, 4], 0), random([3, 2, 1, 3, 3], 1));
    let padding = [Pad::NONE; 3];
    assert!(super::convolve(set, &x, &weight, None, &padding).is_some());
    assert!(super::convolve(set, &wide(&x), &wide(&weight), None, &padding).is_none());
    assert!(super::convolve(set, &x.clone().autodiff(), &weight, None, &padding).is_none());
    assert!(super::convolve(set, &x, &weight.autodiff(), None, &padding).is_none());
    assert_eq!(x.device(), Device::flex());
}
