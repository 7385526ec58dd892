//! The nodes against the portable versions as Burn differentiates them.

use burn::tensor::{DType, Device, Tensor};
use proptest::prelude::*;

use super::*;
use crate::flow::standard_normal;
use crate::kernels::{Pad, checkerboard, checkerboard_inverse, haar, haar_inverse, leaky_relu, portable, silu};
use crate::random::{Purpose, stream};

fn random(shape: [usize; 5], index: u64, dtype: DType) -> Field {
    standard_normal(shape, &mut stream(17, Purpose::Diagnostic, index), dtype, &Device::flex())
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.cast(DType::F64).into_data().try_to_vec().expect("floats")
}

/// The value of a map and the gradients of ⟨y, dy⟩ in all inputs.
fn differentiate<const N: usize>(inputs: &[Field; N], map: impl Fn([Field; N]) -> Field) -> Vec<Vec<f64>> {
    let inputs = inputs.clone().map(|x| x.autodiff().require_grad());
    let y = map(inputs.clone());
    let dy = random(y.dims(), 9, y.dtype());
    let gradients = (y.clone() * dy.autodiff()).sum().backward();
    let gradients = inputs.iter().map(|x| values(x.grad(&gradients).expect("a gradient of every input")));
    std::iter::once(values(y.inner())).chain(gradients).collect()
}

/// Whether two differentiations agree, each result relative to its largest value.
fn agree(found: &[Vec<f64>], expected: &[Vec<f64>], dtype: DType) -> bool {
    let tolerance = if dtype == DType::F64 { 1e-12 } else { 1e-5 };
    found.iter().zip(expected).all(|(found, expected)| {
        let largest = expected.iter().fold(1f64, |m, v| m.max(v.abs()));
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance * largest)
    })
}

fn dtype() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::F32), Just(DType::F64)]
}

/// Extent, kernel and padding of an axis.
fn axis() -> impl Strategy<Value = (usize, usize, Pad)> {
    let kernel = prop_oneof![Just(1usize), Just(3), Just(5)];
    (1usize..9, kernel, any::<bool>()).prop_map(|(size, kernel, periodic)| {
        let half = kernel / 2;
        (size, kernel, if periodic { Pad::Periodic(half) } else { Pad::Zeros([half; 2]) })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_have_the_gradients_of_the_portable_ones(
        dtype in dtype(), batch in 1usize..4, inputs in 1usize..7, outputs in 1usize..7, has_bias in any::<bool>(),
        flat in any::<bool>(), depth in axis(), height in axis(), width in axis(),
    ) {
        let depth = if flat { (1, 1, Pad::NONE) } else { depth };
        let padding = [depth.2, height.2, width.2];
        let x = random([batch, inputs, depth.0, height.0, width.0], 0, dtype);
        let weight = random([outputs, inputs, depth.1, height.1, width.1], 1, dtype);
        let bias = random([1, outputs, 1, 1, 1], 2, dtype);
        let own = |bias: Field| has_bias.then(|| bias.reshape([outputs]));
        // Without a bias, its gradient is that of a sum with zeros.
        let add = |y: Field, bias: Field| if has_bias { y } else { y + bias * 0.0 };
        let found = differentiate(&[x.clone(), weight.clone(), bias.clone()], |[x, weight, bias]| {
            add(crate::kernels::convolve(x, weight, own(bias.clone()), padding), bias)
        });
        let expected = differentiate(&[x, weight, bias], |[x, weight, bias]| {
            add(portable::convolution::convolve(x, weight, own(bias.clone()), padding), bias)
        });
        prop_assert!(agree(&found, &expected, dtype));
    }

    #[test]
    fn activations_have_the_gradients_of_the_portable_ones(
        dtype in dtype(), batch in 1usize..4, channels in 1usize..5, size in proptest::array::uniform3(1usize..6),
        slope in 0.0..1.0,
    ) {
        let x = [random([batch, channels, size[0], size[1], size[2]], 0, dtype)];
        let found = differentiate(&x, |[x]| leaky_relu(x, slope));
        let expected = differentiate(&x, |[x]| portable::activation::leaky_relu(x, slope));
        prop_assert!(agree(&found, &expected, dtype));
        let found = differentiate(&x, |[x]| silu(x));
        let expected = differentiate(&x, |[x]| portable::activation::silu(x));
        prop_assert!(agree(&found, &expected, dtype));
    }

    #[test]
    fn squeezes_have_the_gradients_of_the_portable_ones(
        dtype in dtype(), channels in 1usize..4, size in proptest::array::uniform3(1usize..5),
        axes in proptest::array::uniform3(any::<bool>()),
    ) {
        use portable::squeeze as reference;
        let [d, h, w]: [usize; 3] = std::array::from_fn(|axis| if axes[axis] { 2 * size[axis] } else { size[axis] });
        let groups = 1 << axes.iter().filter(|&&chosen| chosen).count();
        let x = [random([2, channels, d, h, w], 0, dtype)];
        let z = [random([2, channels * groups, size[0], size[1], size[2]], 1, dtype)];
        let pairs = [
            (differentiate(&x, |[x]| checkerboard(x, axes)), differentiate(&x, |[x]| reference::checkerboard(x, axes))),
            (differentiate(&x, |[x]| haar(x, axes)), differentiate(&x, |[x]| reference::haar(x, axes))),
            (
                differentiate(&z, |[z]| checkerboard_inverse(z, axes)),
                differentiate(&z, |[z]| reference::checkerboard_inverse(z, axes)),
            ),
            (differentiate(&z, |[z]| haar_inverse(z, axes)), differentiate(&z, |[z]| reference::haar_inverse(z, axes))),
        ];
        prop_assert!(pairs.iter().all(|(found, expected)| agree(found, expected, dtype)));
    }
}

const PADDING: Padding = [Pad::NONE, Pad::Zeros([1, 1]), Pad::Periodic(1)];

/// As in a network: several layers, parameters that are used twice, an input that is a constant.
#[test]
fn nodes_work_together_and_beside_constants() {
    for dtype in [DType::F64, DType::F32] {
        let x = random([2, 4, 1, 6, 8], 0, dtype);
        let parameters = [random([4, 4, 1, 3, 3], 1, dtype), random([4, 4, 1, 3, 3], 2, dtype)];
        type Convolve = fn(Field, Field, Option<Tensor<1>>, Padding) -> Field;
        let network = |convolve: Convolve, silu: fn(Field) -> Field, [a, b]: [Field; 2]| {
            let h = silu(convolve(x.clone(), a.clone(), None, PADDING));
            let h = silu(convolve(h, b, None, PADDING));
            convolve(h, a, None, PADDING)
        };
        let found = differentiate(&parameters, |p| network(crate::kernels::convolve, silu, p));
        let expected =
            differentiate(&parameters, |p| network(portable::convolution::convolve, portable::activation::silu, p));
        assert!(agree(&found, &expected, dtype), "{dtype:?}");
    }
}

#[test]
fn only_what_is_tracked_becomes_a_node() {
    let (x, weight) = (random([1, 2, 1, 4, 4], 0, DType::F32), random([3, 2, 1, 3, 3], 1, DType::F32));
    assert!(convolve(&x, &weight, None, PADDING).is_none());
    assert!(convolve(&x.clone().autodiff(), &weight, None, PADDING).is_some_and(|y| y.is_autodiff()));
    assert!(convolve(&x, &weight.clone().autodiff(), None, PADDING).is_some_and(|y| y.is_autodiff()));
    assert!(!crate::kernels::convolve(x, weight, None, PADDING).is_autodiff());
}
