//! A batch that a flow walks in lanes, against the same batch in one and against its samples one by one.

use burn::tensor::{DType, Device, Tensor};
use posteria::flow::{
    ConvolutionalConditioner, ConvolutionalConfig, Field, Glow, GlowConfig, LikelihoodGradient, Plan, map_parameters,
    parameters, standard_normal,
};
use posteria::random::{Purpose, stream};

/// Its halves are not alike.
const BATCH: usize = 5;
const X: [usize; 4] = [3, 1, 16, 8];
const C: [[usize; 4]; 2] = [[2, 1, 8, 4], [1, 1, 4, 2]];

fn random(batch: usize, [c, d, h, w]: [usize; 4], index: u64) -> Field {
    let rng = &mut stream(41, Purpose::Diagnostic, index);
    standard_normal([batch, c, d, h, w], rng, DType::F32, &Device::flex())
}

fn batch() -> (Field, Vec<Field>) {
    (random(BATCH, X, 0), vec![random(BATCH, C[0], 1), random(BATCH, C[1], 2)])
}

/// A flow with random parameters, each coupling's own.
fn flow() -> Glow {
    let config = GlowConfig { scales: 2, steps: 3, conditioner: conditioner(), ..GlowConfig::default() };
    shaken(config.conditional_glow(X, &C.map(|c| c[0]), &mut stream(41, Purpose::Weights, 0), &Device::flex()).unwrap())
}

/// One in which the couplings of a scale share theirs.
fn sharing() -> Glow {
    let config = GlowConfig { scales: 2, steps: 3, conditioner: conditioner(), ..GlowConfig::default() };
    let mut made: Vec<ConvolutionalConditioner> = Vec::new();
    let rng = &mut stream(41, Purpose::Weights, 0);
    let glow = config.build(X, &C.map(|c| c[0]), rng, &Device::flex(), &mut |shape, rng| {
        if made.len().is_multiple_of(3) {
            made.push(conditioner().init(shape, rng, &Device::flex()));
        } else {
            made.push(made[made.len() - 1].clone());
        }
        made[made.len() - 1].clone()
    });
    // Moved alike, whoever holds it.
    map_parameters(glow.unwrap(), &mut |_, value| {
        let [length] = value.dims();
        value + random(1, [1, 1, 1, length], length as u64).reshape([-1]) * 0.03
    })
}

fn conditioner() -> ConvolutionalConfig {
    ConvolutionalConfig { hidden: 12, ..ConvolutionalConfig::default() }
}

fn shaken(flow: Glow) -> Glow {
    let mut index = 100;
    map_parameters(flow, &mut |_, value| {
        index += 1;
        let [length] = value.dims();
        value + random(1, [1, 1, 1, length], index).reshape([-1]) * 0.03
    })
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

fn gradient(flow: &Glow, plan: Plan) -> LikelihoodGradient {
    let (x, c) = batch();
    flow.likelihood_gradient(x, &c, true, plan).unwrap()
}

#[test]
fn maps_do_to_a_sample_what_they_do_to_it_alone() {
    let (flow, (x, c)) = (flow(), batch());
    let (z, log_det) = flow.forward(x.clone(), &c).unwrap();
    let (back, log_det_back) = flow.inverse(x.clone(), &c).unwrap();
    for sample in 0..BATCH {
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
    for (name, flow) in [("own conditioners", flow()), ("shared conditioners", sharing())] {
        for plan in [Plan::least(), Plan::within(1 << 30)] {
            let found = gradient(&flow, plan);
            assert!(found.reconstruction_error < 1e-5, "{name}: {}", found.reconstruction_error);
            // A gradient that is one of several has one lane.
            let expected = everything(&flow, gradient(&flow, plan.shared(2)));
            let found = everything(&flow, found);
            assert!(found.len() > 40 && found.len() == expected.len());
            for ((what, found), (_, expected)) in found.into_iter().zip(expected) {
                let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                let size = norm(&mut expected.iter().copied());
                let off = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
                assert!(size > 0.0 && off < 1e-5 * size, "{name}: {what} is off by {off:.1e} of {size:.1e}");
            }
        }
    }
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads_nor_on_who_is_first() {
    let flow = sharing();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| everything(&flow, gradient(&flow, Plan::least())))
    };
    let one = run(1);
    for _ in 0..20 {
        assert!(run(2) == one);
    }
    assert!(run(5) == one);
}
