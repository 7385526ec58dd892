//! The laws of base distributions: densities that integrate to one, gradients that are theirs, draws that follow them.

use burn::tensor::{DType, Device, Tensor, TensorData};
use posteria::flow::{
    AnyBase, Base, BaseConfig, Border, ConvolutionalConfig, Field, Flow, GlowConfig, Plan, cast, map_parameters,
    parameters, standard_normal,
};
use posteria::random::{Purpose, stream};

use crate::laws::values;

const KINDS: [BaseConfig; 4] = [
    BaseConfig::Normal,
    BaseConfig::Diagonal,
    BaseConfig::StudentT { freedom: 4.5 },
    BaseConfig::Mixture { components: 3 },
];

/// In f64, with parameters far from their start.
fn base(kind: BaseConfig, shape: [usize; 4]) -> AnyBase {
    let device = Device::flex();
    let base = kind.build(shape, &mut stream(3, Purpose::Weights, 0), &device).expect("a base");
    let mut rng = stream(3, Purpose::Weights, 1);
    map_parameters(cast(base, DType::F64), &mut |_, value| {
        let count = value.dims()[0];
        standard_normal([1, 1, 1, 1, count], &mut rng, DType::F64, &device).reshape([-1]) * 0.7
    })
}

fn column(numbers: Vec<f64>) -> Field {
    let count = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [count, 1, 1, 1, 1]), (&Device::flex(), DType::F64))
}

/// Of one number, by the midpoint rule over z = sinh t, which reaches far into the tails.
#[test]
fn densities_integrate_to_one_at_every_temperature() {
    let (steps, reach) = (4000, 12.0);
    let h = 2.0 * reach / steps as f64;
    let t: Vec<f64> = (0..steps).map(|k| -reach + (k as f64 + 0.5) * h).collect();
    for kind in KINDS {
        for temperature in [1.0, 0.6, 1.7] {
            let z = column(t.iter().map(|t| t.sinh()).collect());
            let density = values(&base(kind, [1, 1, 1, 1]).log_density(z, temperature));
            let all: f64 = density.iter().zip(&t).map(|(p, t)| p.exp() * t.cosh() * h).sum();
            assert!((all - 1.0).abs() < 1e-6, "{kind:?} at {temperature}: {all}");
        }
    }
}

/// Of n numbers, a density at temperature τ is that of numbers whose distances from the middle are τ times as large.
#[test]
fn a_temperature_stretches_every_number() {
    let shape = [1, 1, 1, 3];
    let one = base(BaseConfig::Mixture { components: 1 }, shape);
    for base in [base(BaseConfig::Normal, shape), base(KINDS[1], shape), base(KINDS[2], shape), one] {
        let device = Device::flex();
        // Without temperature, draws lie in the middle.
        let middle = base.sample([4, 1, 1, 1, 3], 1e-300, &mut stream(8, Purpose::Latent, 0), DType::F64, &device);
        let z = base.sample([4, 1, 1, 1, 3], 1.0, &mut stream(8, Purpose::Latent, 0), DType::F64, &device);
        let stretched = middle.clone() + (z.clone() - middle) * 0.6;
        let again = base.sample([4, 1, 1, 1, 3], 0.6, &mut stream(8, Purpose::Latent, 0), DType::F64, &device);
        assert!(values(&(again - stretched.clone())).iter().all(|v| v.abs() < 1e-12));
        let (found, expected) = (values(&base.log_density(stretched, 0.6)), values(&base.log_density(z, 1.0)));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - (expected - 3.0 * 0.6_f64.ln())).abs() < 1e-9, "{base:?}: {found} {expected}");
        }
    }
}

/// The share of draws below some numbers is that of the density.
#[test]
fn draws_follow_the_density_at_every_temperature() {
    let count = 40_000;
    for kind in KINDS {
        let base = base(kind, [1, 1, 1, 1]);
        for temperature in [1.0, 0.6] {
            let rng = &mut stream(3, Purpose::Diagnostic, 0);
            let draws = values(&base.sample([count, 1, 1, 1, 1], temperature, rng, DType::F64, &Device::flex()));
            for end in [-1.0, 0.2, 1.1] {
                // From −e¹² to `end`, over z = end − e^t + 1e-9.
                let (steps, h) = (6000, 24.0 / 6000.0);
                let t: Vec<f64> = (0..steps).map(|k| -12.0 + (k as f64 + 0.5) * h).collect();
                let density = values(&base.log_density(column(t.iter().map(|t| end - t.exp()).collect()), temperature));
                let expected: f64 = density.iter().zip(&t).map(|(p, t)| (p + t).exp() * h).sum();
                let found = draws.iter().filter(|&&z| z < end).count() as f64 / count as f64;
                let deviation = (expected * (1.0 - expected) / count as f64).sqrt();
                assert!(
                    (found - expected).abs() < 4.5 * deviation + 1e-4,
                    "{kind:?} at {temperature}, below {end}: {found} of draws, {expected} of the density"
                );
            }
        }
    }
}

/// A flow over each base: the gradient of its likelihood in x, in the layers and in the base, by differences.
#[test]
fn gradients_of_the_likelihood_are_those_of_its_density() {
    let device = Device::flex();
    let conditioner = ConvolutionalConfig {
        hidden: 4,
        kernels: vec![3, 1, 3],
        activation: posteria::flow::Activation::Silu,
        border: Border::Zeros,
    };
    for kind in KINDS {
        let config =
            GlowConfig { scales: 2, steps: 1, base: kind, conditioner: conditioner.clone(), ..GlowConfig::default() };
        let rng = &mut stream(5, Purpose::Weights, 0);
        let flow = config.glow([1, 1, 4, 8], rng, &device).expect("a Glow");
        let flow = map_parameters(cast(flow, DType::F64), &mut |_, value| {
            let count = value.dims()[0];
            standard_normal([1, 1, 1, 1, count], rng, DType::F64, &device).reshape([-1]) * 0.3
        });
        let x = standard_normal([3, 1, 1, 4, 8], rng, DType::F64, &device);
        let found = flow.likelihood_gradient(x.clone(), &[], false, Plan::least()).expect("a gradient");
        let nll = |flow: &Flow<_>, x: Field| -> f64 {
            flow.log_prob(x, &[]).expect("densities").neg().sum().into_scalar::<f64>()
        };
        let h = 1e-5;
        let differs = |up: f64, down: f64, gradient: f64, what: &str| {
            let numerical = (up - down) / (2.0 * h);
            let error = (numerical - gradient).abs() / (1.0 + gradient.abs());
            assert!(error < 1e-7, "{kind:?}: {what}: {numerical} by differences, {gradient} found");
        };
        let d = standard_normal(x.dims(), rng, DType::F64, &device);
        let slope = (found.x * d.clone()).sum().into_scalar::<f64>();
        differs(nll(&flow, x.clone() + d.clone() * h), nll(&flow, x.clone() - d * h), slope, "x");
        let names: Vec<String> = parameters(&flow).into_iter().map(|(parameter, _)| parameter.path).collect();
        let of_base = names.iter().filter(|name| name.starts_with("base")).count();
        let expected = match kind {
            BaseConfig::Diagonal => 2,
            BaseConfig::Mixture { .. } => 3,
            _ => 0,
        };
        assert_eq!(of_base, expected, "{names:?}");
        for (parameter, value) in parameters(&flow) {
            let d = standard_normal([1, 1, 1, 1, value.dims()[0]], rng, DType::F64, &device).reshape([-1]);
            let gradient = found.parameters.get(&parameter.id).expect("a gradient").clone();
            let moved = |step: f64| {
                let flow = map_parameters(flow.clone(), &mut |p, value| {
                    if p.id == parameter.id { value + d.clone() * step } else { value }
                });
                nll(&flow, x.clone())
            };
            let slope = (gradient * d.clone()).sum().into_scalar::<f64>();
            differs(moved(h), moved(-h), slope, &parameter.path);
        }
    }
}

/// Draws of a flow know their densities: at temperature 1 those that the flow gives them, whatever the base.
#[test]
fn draws_know_their_density() {
    for kind in KINDS {
        let config = GlowConfig { scales: 1, steps: 2, base: kind, ..GlowConfig::default() };
        let rng = &mut stream(6, Purpose::Weights, 0);
        let flow = cast(config.glow([2, 1, 4, 4], rng, &Device::flex()).expect("a Glow"), DType::F64);
        let (x, density) = flow.draw(5, &[], 1.0, rng).expect("draws");
        let again = values(&flow.log_prob(x, &[]).expect("densities"));
        assert!(values(&density).iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-9), "{kind:?}");
        let (x, cold) = flow.draw(5, &[], 0.6, rng).expect("draws");
        let (z, log_det) = flow.forward(x, &[]).expect("latents");
        let expected = values(&(flow.base().log_density(z, 0.6) + log_det));
        assert!(values(&cold).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{kind:?} at 0.6");
        assert!(flow.sample(0, &[], rng).is_err(), "no draws");
        assert!(flow.draw(1, &[], 0.0, rng).is_err() && flow.draw(1, &[], f64::NAN, rng).is_err());
    }
}

/// Parameters that start from data: of a learned diagonal, latents then have mean zero and variance one.
#[test]
fn a_diagonal_starts_from_its_data() {
    let device = Device::flex();
    let z = standard_normal([500, 2, 1, 1, 1], &mut stream(7, Purpose::Diagnostic, 0), DType::F32, &device) * 3.0 + 5.0;
    let base = BaseConfig::Diagonal
        .build([2, 1, 1, 1], &mut stream(7, Purpose::Weights, 0), &device)
        .expect("a base")
        .initialize(&z);
    let standard = values(&base.standardised(z).expect("normal numbers"));
    for entry in 0..2 {
        let of_entry: Vec<f64> = standard.iter().skip(entry).step_by(2).copied().collect();
        let mean = of_entry.iter().sum::<f64>() / 500.0;
        let variance = of_entry.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 500.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
    }
}
