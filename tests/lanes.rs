//! A batch that a flow walks in lanes, against the same batch in one and against its samples one by one.

use burn::tensor::{DType, Device, Tensor};
use posteria::flow::{
    Border, ConvolutionalConditioner, ConvolutionalConfig, Field, Glow, GlowConfig, LikelihoodGradient, Plan,
    map_parameters, parameters, standard_normal,
};
use posteria::random::{Purpose, stream};

/// A flow and a batch of so many images, with a condition at each scale; its halves are not alike.
struct Case {
    flow: Glow,
    x: Field,
    c: Vec<Field>,
}

fn random(shape: [usize; 5], index: u64) -> Field {
    standard_normal(shape, &mut stream(41, Purpose::Diagnostic, index), DType::F32, &Device::flex())
}

/// The couplings of a scale have conditioners of their own, or share one. The second scale may have no condition.
fn case(batch: usize, size: usize, hidden: usize, sharing: bool, condition: [usize; 2]) -> Case {
    const STEPS: usize = 3;
    let conditioner = ConvolutionalConfig { hidden, border: Border::Periodic, ..ConvolutionalConfig::default() };
    let config = GlowConfig { scales: 2, steps: STEPS, conditioner: conditioner.clone(), ..GlowConfig::default() };
    let mut made: Vec<ConvolutionalConditioner> = Vec::new();
    let rng = &mut stream(41, Purpose::Weights, 0);
    let flow = config.build([3, 1, size, size], &condition, rng, &Device::flex(), &mut |shape, rng| {
        if !sharing || made.len().is_multiple_of(STEPS) {
            made.push(conditioner.init(shape, rng, &Device::flex()));
        } else {
            made.push(made[made.len() - 1].clone());
        }
        made[made.len() - 1].clone()
    });
    // Who shares a parameter must be told the same.
    let mut index = 100;
    let flow = map_parameters(flow.unwrap(), &mut |_, value| {
        index += 1;
        let [length] = value.dims();
        let noise = random([1, 1, 1, 1, length], if sharing { length as u64 } else { index });
        value + noise.reshape([-1]) * (0.2 / hidden as f64)
    });
    let field = |(scale, channels): (usize, usize)| match channels {
        0 => random([1; 5], 0),
        _ => random([batch, channels, 1, size >> (scale + 1), size >> (scale + 1)], 1 + scale as u64),
    };
    let c = condition.into_iter().enumerate().map(field).collect();
    Case { flow, x: random([batch, 3, 1, size, size], 0), c }
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().expect("floats")
}

/// Everything that a gradient says, by name.
fn everything(flow: &Glow, gradient: LikelihoodGradient) -> Vec<(String, Vec<f32>)> {
    let mut all = vec![("nll".to_string(), values(gradient.nll)), ("x".to_string(), values(gradient.x))];
    let condition = gradient.condition.into_iter().flatten();
    all.extend(condition.enumerate().map(|(i, c)| (format!("condition {i}"), values(c))));
    for (parameter, _) in parameters(flow) {
        let sum = gradient.parameters.get(&parameter.id).expect("a gradient of every parameter");
        all.push((parameter.path, values(sum.clone())));
    }
    all
}

fn gradient(Case { flow, x, c }: &Case, plan: Plan) -> LikelihoodGradient {
    flow.likelihood_gradient(x.clone(), c, true, plan).unwrap()
}

#[test]
fn maps_do_to_a_sample_what_they_do_to_it_alone() {
    let Case { flow, x, c } = case(5, 8, 12, false, [2, 1]);
    let (z, log_det) = flow.forward(x.clone(), &c).unwrap();
    let (back, log_det_back) = flow.inverse(x.clone(), &c).unwrap();
    for sample in 0..5 {
        let alone = |field: &Field| field.clone().narrow(0, sample, 1);
        let c: Vec<Field> = c.iter().map(alone).collect();
        let one = |log_det: &Tensor<1>| log_det.clone().narrow(0, sample, 1);
        let (z1, log_det1) = flow.forward(alone(&x), &c).unwrap();
        assert_eq!((values(alone(&z)), values(one(&log_det))), (values(z1), values(log_det1)));
        let (x1, log_det1) = flow.inverse(alone(&x), &c).unwrap();
        assert_eq!((values(alone(&back)), values(one(&log_det_back))), (values(x1), values(log_det1)));
    }
}

#[test]
fn gradients_are_those_of_one_lane() {
    for sharing in [false, true] {
        for (condition, fields) in [([2, 1], 2), ([2, 0], 1)] {
            let case = case(5, 8, 12, sharing, condition);
            for plan in [Plan::least(), Plan::within(1 << 30)] {
                let found = gradient(&case, plan);
                assert!(found.reconstruction_error < 1e-5, "{sharing}: {}", found.reconstruction_error);
                assert_eq!(found.condition.iter().flatten().count(), fields);
                // The same in one lane.
                let expected = everything(&case.flow, gradient(&case, plan.in_lanes(1)));
                let found = everything(&case.flow, found);
                assert!(found.len() > 40 && found.len() == expected.len());
                for ((what, found), (_, expected)) in found.into_iter().zip(expected) {
                    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                    let size = norm(&mut expected.iter().copied());
                    let off = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
                    assert!(size > 0.0 && off < 1e-5 * size, "{sharing}: {what} is off by {off:.1e} of {size:.1e}");
                }
            }
        }
    }
}

/// Lanes of images that are cut into bands, and of samples that several threads share.
#[test]
fn results_do_not_depend_on_the_number_of_threads_nor_on_who_calls() {
    for case in [case(3, 64, 32, true, [2, 1]), case(9, 32, 48, false, [2, 1])] {
        let all = || {
            let Case { flow, x, c } = &case;
            let maps = [flow.forward(x.clone(), c).unwrap(), flow.inverse(x.clone(), c).unwrap()];
            let maps = maps.into_iter().map(|(y, log_det)| ("map".to_string(), [values(y), values(log_det)].concat()));
            maps.chain(everything(flow, gradient(&case, Plan::least()))).collect::<Vec<_>>()
        };
        let expected = all();
        for threads in [1, 2, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            assert!(pool.install(all) == expected, "{threads} threads");
        }
    }
}
