//! Whole couplings in every instruction set of the machine. Those in the best one are held against double precision
//! where flows are tested.

use proptest::prelude::*;

use super::super::swept::{Buffers, Direction, Swept};
use super::*;
use crate::kernels::{Activation, Border, Convolutions, Roles, Transform};

fn network(
    channels: [usize; 3],
    condition: usize,
    kernels: [usize; 3],
    activation: Activation,
    border: Border,
) -> Convolutions {
    let [active, passive, hidden] = channels;
    let widths = [passive + condition, hidden, hidden, 2 * active];
    let layers = (0..3).map(|l| {
        let (inputs, outputs, k) = (widths[l], widths[l + 1], kernels[l]);
        let size = ((inputs * k * k) as f64).sqrt().recip();
        let weight: Field = random([outputs, inputs, 1, k, k], 10 + l as u64);
        (weight * size, random::<1>([outputs], 20 + l as u64) * 0.3)
    });
    Convolutions { layers: layers.collect(), activation, border }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn couplings_are_the_same_in_every_instruction_set(
        batch in 1usize..4, channels in 2usize..7, condition in 0usize..3, hidden in 1usize..40,
        h in 1usize..20, w in 1usize..20, smooth in any::<bool>(), forward in any::<bool>(), keep in any::<bool>(),
        periodic in any::<bool>(), first in 0usize..3, last in 0usize..2,
    ) {
        let activation = if smooth { Activation::Silu } else { Activation::LeakyRelu };
        let direction = if forward { Direction::Forward } else { Direction::Inverse };
        let border = if periodic { Border::Periodic } else { Border::Zeros };
        let of_width = |hidden| {
            let widths = [channels / 2, channels - channels / 2, hidden];
            network(widths, condition, [2 * first + 1, 1, 2 * last + 1], activation, border)
        };
        let shape = [batch, channels, 1, h, w];
        let (x, dx): (Field, Field) = (random(shape, 0), random(shape, 1));
        let c: Option<Field> = (condition > 0).then(|| random([batch, condition, 1, h, w], 2));
        let dlog_det: Tensor<1> = random([batch], 3);
        let roles = Roles::halves(channels);
        let pulled = |set, network: &Convolutions, wanted: bool, buffers: &Buffers| {
            let swept = Swept::with(set, &x, &roles, network, Transform::default(), c.as_ref()).expect("a swept coupling");
            let (z, log_det, tapes) = swept.evaluate(direction, x.clone(), keep, buffers).expect("floats");
            assert_eq!(tapes.is_some(), keep);
            let state = (z.clone(), dx.clone());
            let Ok(pulled) = swept.pull(direction, state, &dlog_det, wanted, tapes, buffers) else {
                panic!("floats");
            };
            let fields = [z, pulled.x, pulled.dx].map(|f| f.reshape([-1]));
            let layers = pulled.layers.into_iter().flat_map(|(weight, bias)| [weight.reshape([-1]), bias]);
            let condition = pulled.condition.map(|f| f.reshape([-1]));
            fields.into_iter().chain([log_det]).chain(layers).chain(condition).collect::<Vec<Tensor<1>>>()
        };
        let network = of_width(hidden);
        let best = pulled(InstructionSet::best(), &network, condition > 0, &Buffers::default());
        // The others find buffers that a wider coupling has left.
        let used = Buffers::default();
        pulled(InstructionSet::best(), &of_width(hidden + 5), condition > 0, &used);
        let results = |set, wanted| pulled(set, &network, wanted, &used);
        let unwanted = results(InstructionSet::best(), false);
        prop_assert_eq!(unwanted.len() + usize::from(condition > 0), best.len());
        for (found, expected) in unwanted.iter().zip(&best) {
            prop_assert_eq!(values(found), values(expected), "without the gradient of the condition");
        }
        for set in InstructionSet::available() {
            for (i, (found, expected)) in results(set, condition > 0).iter().zip(&best).enumerate() {
                // Gradients jump where rounding puts a number on the other side of a kink: of few pixels, one is much.
                let of_one = 2.0 / ((batch * h * w) as f64).sqrt();
                let tolerance = if smooth || i < 2 { 1e-5 } else { of_one.max(1e-2) };
                let error = difference(found, &wide(expected), batch * h * w);
                prop_assert!(error < tolerance, "{set:?}: result {i} by {error:e}");
            }
        }
    }
}
