//! The laws of every invertible layer and network, over one named table; and the laws themselves, held against layers
//! with one broken gradient each.

mod bases;
mod broken;
mod laws;
mod network;
mod table;

use burn::tensor::{DType, Device, Tensor};
use laws::{Case, Direction, Laws};
use posteria::flow::{Invertible, Tapes};

/// Runs every law on every entry and gathers what fails.
struct All {
    failures: Vec<String>,
    entries: usize,
}

impl table::Visitor for All {
    fn entry<L: Invertible>(&mut self, name: &str, case: Case<L>) {
        self.entries += 1;
        if let Err(failure) = Laws::default().check(&case) {
            self.failures.push(format!("{name}: {failure}"));
        }
    }
}

#[test]
fn every_layer_and_network_obeys_the_laws() {
    let mut all = All { failures: Vec::new(), entries: 0 };
    table::visit(&Device::flex(), &mut all);
    assert!(all.entries >= 30, "the table has shrunk to {} entries", all.entries);
    assert!(all.failures.is_empty(), "{} failures:\n{}", all.failures.len(), all.failures.join("\n"));
}

/// Single precision recomputes well enough through 240 flow steps: the depth at which the gradients of others are noise.
#[test]
fn single_precision_holds_at_240_steps() {
    // eˡ x₁ + t at x₁ = 1 and at x₁ = 0 gives l: the test is worth what its scales are.
    let Case { layer, x, .. } = table::deep_coupling(&Device::flex());
    let at = |value: f64| {
        let active = x.clone().narrow(1, 0, 6).full_like(value);
        let x = burn::tensor::Tensor::cat(vec![active, x.clone().narrow(1, 6, 6)], 1);
        layer.forward(x, &[], &mut Tapes::none()).0.narrow(1, 0, 6)
    };
    let log_scale = laws::values(&(at(1.0) - at(0.0)).log());
    let rms = (log_scale.iter().map(|l| l * l).sum::<f64>() / log_scale.len() as f64).sqrt();
    println!("log-scales of a coupling: rms {rms:.3}");
    assert!(rms > 0.1, "the log-scales of the couplings have rms {rms}");

    let case = table::deep_glow(&Device::flex());
    let of_actnorm = posteria::flow::parameters(&case.layer).into_iter().filter(|(p, _)| p.path.ends_with("log_scale"));
    let all: Vec<f64> = of_actnorm.flat_map(|(_, value)| laws::values(&value)).collect();
    let rms = (all.iter().map(|l| l * l).sum::<f64>() / all.len() as f64).sqrt();
    println!("log-scales of ActNorm: rms {rms:.3}");
    let (round_trip, cosine) = laws::single_precision(&case, &Device::flex());
    println!("f32: round trip {round_trip:.1e}, 1 − cosine {:.1e}", 1.0 - cosine);
    assert!(round_trip < 1e-4, "f32 round trip {round_trip:.2e}");
    assert!(cosine > 0.9999, "cosine of the f32 gradient with the f64 one {cosine}");
    assert_eq!(case.layer_parameters_dtype(), DType::F64);
}

/// Where layers start: every ActNorm of a Glow sees its data with mean zero and variance one, and a channel that does not
/// vary stays finite.
#[test]
fn a_start_from_data_normalises_it() {
    use burn::tensor::Tensor;
    let device = Device::flex();
    let case = Case::new(posteria::flow::ActNorm::new(3, &device), [4, 3, 1, 5, 6], &[], &device);
    let constant = Tensor::full([4, 1, 1, 5, 6], 7.0, (&device, DType::F64));
    let x = Tensor::cat(vec![case.x.clone().narrow(1, 0, 2) * 3.0 + 5.0, constant], 1);
    let (layer, z) = case.layer.initialize(Direction::Forward, x.clone(), &[]);
    let (again, log_det) = layer.forward(x, &[], &mut Tapes::none());
    assert_eq!(laws::values(&again), laws::values(&z));
    assert!(laws::values(&log_det)[0].is_finite());
    for (channel, variance) in [(0, 1.0), (1, 1.0), (2, 0.0)] {
        let values = laws::values(&z.clone().narrow(1, channel, 1));
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let found = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 1e-10 && (found - variance).abs() < 1e-10, "channel {channel}: {mean}, {found}");
    }

    // The inverse of the layer starts as well: what it gives is normalised, and given again.
    use posteria::flow::{ActNorm, ConvolutionalConditioner, Layer, Reversed, Sequence};
    let layers: Vec<Layer<ConvolutionalConditioner>> = vec![Layer::ActNorm(ActNorm::new(3, &device))];
    let case = Case::new(Reversed::new(Sequence::new(layers)), [4, 3, 1, 5, 6], &[], &device);
    let x = case.x.clone() * 3.0 + 5.0;
    let (layer, z) = case.layer.initialize(Direction::Forward, x.clone(), &[]);
    let again = layer.forward(x, &[], &mut Tapes::none()).0;
    let off = laws::norm(&laws::values(&(again - z.clone()))) / laws::norm(&laws::values(&z));
    assert!(off < 1e-12, "{off}");
    for channel in 0..3 {
        let values = laws::values(&z.clone().narrow(1, channel, 1));
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!(
            mean.abs() < 1e-10 && (variance - 1.0).abs() < 1e-10,
            "reversed, channel {channel}: {mean}, {variance}"
        );
    }

    let config = posteria::flow::GlowConfig { scales: 2, steps: 2, ..Default::default() };
    let rng = &mut posteria::random::stream(3, posteria::random::Purpose::Weights, 0);
    let network = config.glow([1, 1, 8, 8], rng, &device).expect("a Glow");
    let x = posteria::flow::standard_normal([64, 1, 1, 8, 8], rng, DType::F32, &device) * 20.0 + 300.0;
    let (z, _) = network.initialize(x.clone(), &[]).expect("a start").forward(x, &[]).expect("latents");
    let values = laws::values(&z);
    let square = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
    assert!((square - 1.0).abs() < 0.05, "the latents of the start have mean square {square}");
}

/// 3×3 – 1×1 – 3×3 with five hidden channels, by hand: 4 → 5 → 5 → 4 channels on 16 pixels, then 8 → 5 → 5 → 8 on 4.
#[test]
fn work_is_the_multiply_adds_of_all_couplings() {
    let conditioner = posteria::flow::ConvolutionalConfig { hidden: 5, ..Default::default() };
    let config = posteria::flow::GlowConfig { scales: 2, steps: 3, conditioner, ..Default::default() };
    let expected = 3 * (16 * (4 * 5 * 9 + 5 * 5 + 5 * 4 * 9) + 4 * (8 * 5 * 9 + 5 * 5 + 5 * 8 * 9));
    assert_eq!(config.multiply_adds([1, 1, 8, 8], &[2, 4]), expected);
    // Every weight of a convolution is multiplied once at every pixel: of images, volumes, traces.
    let config = posteria::flow::GlowConfig { scales: 1, ..config };
    for (shape, pixels) in [([3, 1, 8, 6], 12), ([1, 4, 8, 4], 16), ([1, 1, 1, 16], 8), ([4, 1, 1, 1], 1)] {
        let rng = &mut posteria::random::stream(3, posteria::random::Purpose::Weights, 0);
        let glow = config.conditional_glow(shape, &[3], rng, &Device::flex()).expect("a Glow");
        let all = posteria::flow::parameters(&glow);
        let weights = all.iter().map(|(parameter, _)| &parameter.shape).filter(|shape| shape.len() == 5);
        let expected = pixels * weights.map(|shape| shape.iter().product::<usize>()).sum::<usize>() as u64;
        assert_eq!(config.multiply_adds(shape, &[3]), expected, "{shape:?}");
    }
}

#[test]
fn a_flow_refuses_what_it_cannot_compute() {
    use posteria::flow::{FlowError, GlowConfig, Plan};
    let (device, rng) = (Device::flex(), &mut posteria::random::stream(3, posteria::random::Purpose::Weights, 0));
    let config = GlowConfig { scales: 1, steps: 1, ..GlowConfig::default() };
    let glow = config.conditional_glow([1, 1, 4, 4], &[1], rng, &device).expect("a Glow");
    let field = |batch, dtype| Tensor::<5>::zeros([batch, 1, 1, 4, 4], (&device, dtype));
    let condition = |batch, dtype| [Tensor::<5>::zeros([batch, 1, 1, 2, 2], (&device, dtype))];
    let (single, double) = (DType::F32, DType::F64);
    let error = |x: Tensor<5>, c: [Tensor<5>; 1]| {
        let forward = glow.forward(x.clone(), &c).map(drop).expect_err("no map");
        let gradient = glow.likelihood_gradient(x, &c, true, Plan::least()).map(drop).expect_err("no gradient");
        assert_eq!(forward, gradient);
        forward
    };
    assert_eq!(error(field(0, single), condition(0, single)), FlowError::EmptyBatch);
    let nice = posteria::flow::NiceConfig { scales: 1, ..Default::default() };
    for shape in [[1, 1, 1, 1], [0, 1, 4, 4], [1, 1, 4, 0]] {
        let refused = [config.glow(shape, rng, &device).map(drop), nice.build(shape, &[], rng, &device).map(drop)];
        let expected = |e: &FlowError| matches!(e, FlowError::TooFewChannels { .. } | FlowError::EmptySample { .. });
        assert!(refused.iter().all(|found| found.as_ref().is_err_and(expected)), "{shape:?}: {refused:?}");
    }
    let mixed = FlowError::FloatType { expected: single, found: double };
    assert_eq!(error(field(2, double), condition(2, double)), mixed);
    assert_eq!(error(field(2, single), condition(2, double)), mixed);
    assert!(glow.forward(field(2, single), &condition(2, single)).is_ok());
}
