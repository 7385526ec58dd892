//! Sums, scales, shifts, replacements and reflections of channels.

use burn::tensor::Tensor;
use proptest::prelude::*;

use super::super::channel::*;
use super::super::sums::*;
use super::super::{convolve, convolve_input_adjoint, convolve_weight_adjoint, coupling, gram};
use super::*;
use crate::kernels::PerSample;
use portable::channel as reference;

/// Whether sums agree at the scale of the sum of their terms' sizes.
fn agree(fast: Option<Tensor<1>>, expected: Tensor<1>, sizes: Tensor<1>) -> bool {
    let fast = values(&fast.expect("floats"));
    let all = fast.iter().zip(values(&expected)).zip(values(&sizes));
    fast.len() == expected.dims()[0] && all.into_iter().all(|((a, b), size)| (a - b).abs() <= 1e-6 * size)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_equal_the_portable_ones((shape, layouts) in fields()) {
        let (a, b) = (field(shape, layouts[0], 0), field(shape, layouts[1], 1));
        let (a64, b64) = (wide(&a), wide(&b));
        let (product, distance) = (a64.clone() * b64.clone(), (a64.clone() - b64.clone()).square());
        let channels = |x: &Field| reference::channel_sums(x.clone().abs());
        let samples = |x: &Field| reference::sample_sums(x.clone().abs());
        for set in InstructionSet::available() {
            prop_assert!(agree(channel_sums(set, &a), reference::channel_sums(a64.clone()), channels(&a64)));
            prop_assert!(agree(channel_dots(set, &a, &b), reference::channel_dots(&a64, &b64), channels(&product)));
            let dots: Option<PerSample> = sample_terms(set, &a, &b, Product);
            prop_assert!(agree(dots, reference::sample_dots(&a64, &b64), samples(&product)));
            let distances: Option<PerSample> = sample_terms(set, &a, &b, SquaredDifference);
            prop_assert!(agree(distances, reference::sample_distances(&a64, &b64), samples(&distance)));
        }
    }

    #[test]
    fn scales_and_shifts_equal_the_portable_ones((shape, layouts) in fields()) {
        let (factor, shift): (Tensor<1>, Tensor<1>) = (random([shape[1]], 1), random([shape[1]], 2));
        let (factor64, shift64) = (wide(&factor), wide(&shift));
        let shared = field(shape, layouts[0], 0);
        let x64 = wide(&shared);
        let expected = [
            reference::scale_channels(x64.clone(), factor64.clone()),
            reference::shift_channels(x64.clone(), shift64.clone()),
            reference::scale_then_shift(x64.clone(), factor64.clone(), shift64.clone()),
            reference::shift_then_scale(x64.clone(), shift64, factor64),
        ];
        for set in InstructionSet::available() {
            for owned in [false, true] {
                let x = || if owned { field(shape, layouts[0], 0) } else { shared.clone() };
                let found = [
                    scale_then_shift(set, x(), Some(&factor), None),
                    scale_then_shift(set, x(), None, Some(&shift)),
                    scale_then_shift(set, x(), Some(&factor), Some(&shift)),
                    shift_then_scale(set, x(), &shift, &factor),
                ];
                for (found, expected) in found.into_iter().zip(&expected) {
                    prop_assert!(difference(&found.expect("floats"), expected, 1) < TOLERANCE);
                }
            }
        }
        // What is shared is not overwritten.
        prop_assert!(values(&shared) == values(&x64));
    }

    #[test]
    fn replaced_channels_equal_the_portable_ones(
        (shape, layouts) in fields(), first in any::<proptest::sample::Index>(), count in any::<proptest::sample::Index>(),
    ) {
        let first = first.index(shape[1]);
        let count = 1 + count.index(shape[1] - first);
        let part = field([shape[0], count, shape[2], shape[3], shape[4]], layouts[1], 1);
        let shared = field(shape, layouts[0], 0);
        let expected = values(&reference::replace_channels(wide(&shared), first, wide(&part)));
        for x in [field(shape, layouts[0], 0), shared.clone()] {
            let found = replace_channels(x, first, &part).expect("floats");
            prop_assert_eq!(found.dims(), shape);
            prop_assert!(values(&found) == expected);
        }
        // A field may be given a part of itself.
        let own = shared.clone().narrow(1, first, count);
        let found = replace_channels(shared.clone(), first, &own).expect("floats");
        prop_assert!(values(&found) == values(&shared));
    }

    #[test]
    fn reflections_equal_the_portable_ones((shape, layouts) in fields(), count in 1usize..5) {
        let x = field(shape, layouts[0], 0);
        let vectors: Tensor<2> = random([count, shape[1]], 3);
        let order: Vec<usize> = (0..count).rev().collect();
        let expected = reference::reflect(wide(&x), wide(&vectors), order.iter().copied());
        for set in InstructionSet::available() {
            let reflected = reflect(set, x.clone(), &vectors, &order).expect("floats");
            prop_assert!(difference(&reflected, &expected, 1) < TOLERANCE);
        }
        // One channel has one reflection, whatever the vector: the gradient is zero.
        prop_assume!(shape[1] > 1);
        let dw: Tensor<2> = random([shape[1], shape[1]], 4);
        let gradients = reflection_gradients(&vectors, &dw).expect("floats");
        let expected = reference::reflection_gradients(wide(&vectors), wide(&dw));
        prop_assert!(difference(&gradients, &expected, shape[1]) < TOLERANCE);
    }
}

/// Numbers of one sign, whose sum one after the other in f32 would lose half of its digits.
#[test]
fn long_sums_keep_their_digits() {
    let x: Field = random([1, 1, 1, 1024, 1536], 0).abs() + 1.0;
    let exact: f64 = values(&x).iter().sum();
    for set in InstructionSet::available() {
        let found = values(&channel_sums(set, &x).expect("floats"))[0];
        assert!((found / exact - 1.0).abs() < 1e-6, "{set:?}: {found} {exact}");
    }
}

/// Operands that do not fit each other are left to Burn, which says so.
#[test]
fn operands_of_other_shapes_are_left_to_the_portable_version() {
    let set = InstructionSet::best();
    let (a, b): (Field, Field) = (random([2, 3, 1, 4, 4], 0), random([2, 3, 1, 4, 5], 1));
    let one: Tensor<1> = random([1], 2);
    assert!(channel_dots(set, &a, &b).is_none() && sample_terms(set, &a, &b, Product).is_none());
    assert!(replace_channels(a.clone(), 0, &b).is_err() && replace_channels(a.clone(), 1, &a).is_err());
    assert!(scale_then_shift(set, a.clone(), Some(&one), None).is_err());
    let map = coupling::Forward;
    assert!(coupling::couple(set, map, &a, None, &a, &b, 1.0).is_none());
    assert!(coupling::couple(set, coupling::ForwardPull, &a, Some((&a, &one)), &a, &a, 1.0).is_none());
    let padding = [Pad::NONE; 3];
    let (weight, other): (Field, Field) = (random([2, 3, 1, 1, 1], 3), random([2, 4, 1, 1, 1], 4));
    assert!(convolve(set, &a, &weight, None, &padding).is_some());
    assert!(convolve(set, &a, &other, None, &padding).is_none());
    assert!(convolve(set, &a, &weight, Some(&one), &padding).is_none());
    assert!(convolve_input_adjoint(set, [1, 4, 4], &weight, &a, &padding).is_none());
    assert!(convolve_input_adjoint(set, [1, 4, 5], &other, &random([2, 2, 1, 4, 4], 5), &padding).is_none());
    assert!(convolve_weight_adjoint(set, &a, &b, [1; 3], &padding).is_none() && gram(set, &a, &b).is_none());
}

/// Where the numbers of a field stand in memory.
fn address(x: &Field) -> *const f32 {
    super::super::view::Values::of(x).expect("floats").get().as_ptr()
}

#[test]
fn what_nobody_shares_is_overwritten_in_place() {
    let set = InstructionSet::best();
    let (x, part): (Field, Field) = (random([2, 3, 1, 40, 50], 0), random([2, 1, 1, 40, 50], 1));
    let factor: Tensor<1> = random([3], 2);
    let before = address(&x);
    let x = scale_then_shift(set, x, Some(&factor), None).expect("floats");
    let x = shift_then_scale(set, x, &factor, &factor).expect("floats");
    let x = replace_channels(x, 1, &part).expect("floats");
    assert_eq!(address(&x), before);
}
