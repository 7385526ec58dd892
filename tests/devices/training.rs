//! A model trained for some steps from the same start, and draws from it.

use std::sync::Arc;

use burn::tensor::Device;
use ndarray::{ArrayD, IxDyn};
use posteria::flow::{Border, ConvolutionalConfig, GlowConfig};
use posteria::model::{Model, ModelConfig, host};
use posteria::random::{Purpose, stream};
use posteria::train::{
    BatchError, Batches, Norm, Optimiser, Silent, Task, Training, first_pairs, learning_rate, train,
};
use rand_distr::{Distribution, StandardNormal};

use crate::Found;
use crate::judge::{Judge, Kind};

const STEPS: u64 = 8;

/// y is x with noise, x smooth along rows.
struct Noisy;

impl Batches for Noisy {
    fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError> {
        let mut rng = stream(1, Purpose::Prior, step);
        let mut draw = || ArrayD::<f32>::from_shape_simple_fn(IxDyn(&[4, 1, 8, 8]), || StandardNormal.sample(&mut rng));
        let (mut x, e) = (draw(), draw());
        x.accumulate_axis_inplace(ndarray::Axis(3), |&before, now| *now += 0.8 * before);
        let y = &x + &(e * 0.5);
        Ok((x, y))
    }
}

/// What is told of a training run on one device.
struct Outcome {
    losses: Vec<f64>,
    weights: Vec<f64>,
    draws: Vec<f64>,
    log_probs: Vec<f64>,
}

pub fn check(found: &Found, judge: &mut Judge) {
    let expected = steps(&Device::flex()).expect("training on the processor");
    judge.attempt("steps", |judge| match steps(&found.device) {
        Ok(outcome) => {
            judge.compare(Kind::Map, "loss of the first step", &outcome.losses[..1], &expected.losses[..1], 1.0);
            judge.compare(Kind::Trained, "losses", &outcome.losses, &expected.losses, 1.0);
            judge.compare(Kind::Trained, "weights", &outcome.weights, &expected.weights, 1.0);
            judge.compare(Kind::Trained, "draws", &outcome.draws, &expected.draws, 1.0);
            judge.compare(Kind::Trained, "densities of draws", &outcome.log_probs, &expected.log_probs, 1.0);
        }
        Err(error) => unless_meaningless(judge, "steps", &error),
    });
    judge.attempt("a run", |judge| match (run(&found.device), run(&Device::flex())) {
        (Ok(found), Ok(expected)) => judge.compare(Kind::Trained, "densities of a run", &found, &expected, 1.0),
        (Err(error), _) | (_, Err(error)) => unless_meaningless(judge, "a run", &error),
    });
}

/// Numbers of a device that computes nothing need not be finite.
fn unless_meaningless(judge: &mut Judge, what: &str, error: &str) {
    if judge.reads_numbers() || !error.contains("finite") {
        judge.fail(format!("{what}: {error}"));
    }
}

fn fresh(device: &Device) -> Result<Model, String> {
    let conditioner = ConvolutionalConfig { hidden: 8, border: Border::Periodic, ..ConvolutionalConfig::default() };
    let network = GlowConfig { scales: 2, steps: 2, conditioner, ..GlowConfig::default() };
    let config = ModelConfig { network, ..ModelConfig::default() };
    let (x, y) = first_pairs(&Noisy, 32).map_err(|e| e.to_string())?;
    let model = Model::new(config, None, &[1, 8, 8], &[1, 8, 8], 1, device).map_err(|e| e.to_string())?;
    model.fit(&x, &y).map_err(|e| e.to_string())
}

fn settings() -> Training {
    Training { steps: STEPS, batch: 4, warm_up: 2, validate_every: 4, checkpoint_every: 4, ..Training::default() }
}

/// The model's gradient and the optimiser, step by step.
fn steps(device: &Device) -> Result<Outcome, String> {
    let (mut model, training) = (fresh(device)?, settings());
    let mut optimiser = Optimiser::new(&training);
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let (x, y) = Noisy.batch(step).map_err(|e| e.to_string())?;
        let gradient = model.gradient(&x, &y).map_err(|e| e.to_string())?;
        losses.push(gradient.nll.iter().sum::<f64>() / x.len() as f64);
        let norm = match Optimiser::norm(&model, &gradient.parameters).map_err(|e| e.to_string())? {
            Norm::Finite(norm) => norm,
            Norm::NotFinite(_) => f64::NAN,
        };
        let rate = learning_rate(&training, step);
        model = optimiser.step(model, &gradient.parameters, norm, rate).map_err(|e| e.to_string())?;
    }
    let mut weights = Vec::new();
    for (_, value) in model.parameters() {
        weights.extend(host(value).map_err(|e| e.to_string())?.into_iter().map(f64::from));
    }
    let (_, y) = Noisy.batch(STEPS).map_err(|e| e.to_string())?;
    let y = y.slice_axis(ndarray::Axis(0), (0..1).into()).to_owned();
    let sampler = model.sampler(&y).map_err(|e| e.to_string())?;
    let draws = sampler.draw(20, &mut stream(1, Purpose::Latent, 0)).map_err(|e| e.to_string())?;
    let x = draws.x.iter().map(|&v| f64::from(v)).collect();
    Ok(Outcome { losses, weights, draws: x, log_probs: draws.log_prob })
}

/// Training as the command does it, in two lanes and with checkpoints, from the first step to the saved model; the
/// densities that the model gives to pairs.
fn run(device: &Device) -> Result<Vec<f64>, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let validation = Noisy.batch(1 << 40).map_err(|e| e.to_string())?;
    let task = Task {
        model: fresh(device)?,
        batches: Arc::new(Noisy),
        validation: validation.clone(),
        training: Training { lanes: 2, ..settings() },
    };
    train(task, folder.path(), device, &mut Silent).map_err(|e| e.to_string())?;
    let model = Model::load(&folder.path().join("model"), device).map_err(|e| e.to_string())?;
    model.log_prob(&validation.0, &validation.1).map_err(|e| e.to_string())
}
