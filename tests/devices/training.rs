//! A model trained for some steps from the same start, and draws from it.

use std::sync::Arc;

use burn::tensor::{DType, Device};
use ndarray::{ArrayD, Axis, IxDyn};
use posteria::flow::{Border, ConvolutionalConfig, GlowConfig, Plan};
use posteria::model::{Draws, Model, ModelConfig};
use posteria::random::{Purpose, stream};
use posteria::train::{
    BatchError, Batches, Norm, Optimiser, Silent, Task, Training, first_pairs, learning_rate, train,
};
use rand_distr::{Distribution, StandardNormal};

use crate::Found;
use crate::judge::{Judge, Kind};
use crate::laws::{on, values};

const STEPS: u64 = 8;

/// y is x with noise, x smooth along rows.
struct Noisy;

impl Batches for Noisy {
    fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError> {
        let mut rng = stream(1, Purpose::Prior, step);
        let mut draw = || ArrayD::<f32>::from_shape_simple_fn(IxDyn(&[4, 1, 8, 8]), || StandardNormal.sample(&mut rng));
        let (mut x, e) = (draw(), draw());
        x.accumulate_axis_inplace(Axis(3), |&before, now| *now += 0.8 * before);
        let y = &x + &(e * 0.5);
        Ok((x, y))
    }
}

/// What is told of training on one device.
struct Trained {
    model: Model,
    losses: Vec<f64>,
}

pub fn check(found: &Found, judge: &mut Judge) {
    let flex = Device::flex();
    let expected = steps(&flex).expect("training on the processor");
    judge.attempt("steps", |judge| match steps(&found.device) {
        Ok(Trained { model, losses }) => {
            judge.compare(Kind::Map, "loss of the first step", &losses[..1], &expected.losses[..1], 1.0);
            judge.compare(Kind::Trained, "losses", &losses, &expected.losses, 1.0);
            judge.compare(Kind::Trained, "weights", &weights(&model), &weights(&expected.model), 1.0);
        }
        Err(error) => judge.fail(format!("steps: {error}")),
    });
    judge.attempt("sampling", |judge| match (sample(found, &expected.model), draw(&expected.model)) {
        (Ok(found), Ok(expected)) => {
            let (x, expected_x) = (found.x.mapv(f64::from).into_raw_vec_and_offset().0, expected.x.mapv(f64::from));
            judge.compare(Kind::Map, "draws", &x, expected_x.as_slice().unwrap_or_default(), 1.0);
            judge.compare(Kind::Map, "densities of draws", &found.log_prob, &expected.log_prob, 1.0);
        }
        (Err(error), _) | (_, Err(error)) => unless_meaningless(judge, "sampling", &error),
    });
    judge.attempt("a run", |judge| match (run(&found.device), run(&flex)) {
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
    let network = GlowConfig { scales: 2, steps: 2, conditioner, ..GlowConfig::default() }.into();
    let config = ModelConfig { network, ..ModelConfig::default() };
    let (x, y) = first_pairs(&Noisy, 32).map_err(|e| e.to_string())?;
    let model = Model::new(config, None, &[1, 8, 8], &[1, 8, 8], 1, device).map_err(|e| e.to_string())?;
    model.fit(&x, &y).map_err(|e| e.to_string())
}

fn settings() -> Training {
    Training { steps: STEPS, batch: 4, warm_up: 2, validate_every: 4, checkpoint_every: 4, ..Training::default() }
}

/// The model's gradient and the optimiser, step by step.
fn steps(device: &Device) -> Result<Trained, String> {
    let (mut model, training) = (fresh(device)?, settings());
    let mut optimiser = Optimiser::new(&training);
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let (x, y) = Noisy.batch(step).map_err(|e| e.to_string())?;
        let gradient = model.gradient(&x, &y, 0, Plan::default()).map_err(|e| e.to_string())?;
        losses.push(gradient.nll.iter().sum::<f64>() / x.len() as f64);
        let norm = match Optimiser::norm(&model, &gradient.parameters).map_err(|e| e.to_string())? {
            Norm::Finite(norm) => norm,
            Norm::NotFinite(_) => f64::NAN,
        };
        let rate = learning_rate(&training, step);
        model = optimiser.step(model, &gradient.parameters, norm, rate).map_err(|e| e.to_string())?;
    }
    Ok(Trained { model, losses })
}

fn weights(model: &Model) -> Vec<f64> {
    model.parameters().iter().flat_map(|(_, value)| values(value)).collect()
}

/// Draws from the same weights on another device.
fn sample(found: &Found, model: &Model) -> Result<Draws, String> {
    let mut values = model.parameters().into_iter().map(|(_, value)| on(&value, &found.device, DType::F32));
    let moved = fresh(&found.device)?.map_parameters(&mut |_, value| values.next().unwrap_or(value));
    draw(&moved)
}

fn draw(model: &Model) -> Result<Draws, String> {
    let (_, y) = Noisy.batch(STEPS).map_err(|e| e.to_string())?;
    let sampler = model.sampler(&y.slice_axis(Axis(0), (0..1).into()).to_owned()).map_err(|e| e.to_string())?;
    sampler.draw(20, &mut stream(1, Purpose::Latent, 0)).map_err(|e| e.to_string())
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
        plan: Plan::default(),
    };
    train(task, folder.path(), device, &mut Silent).map_err(|e| e.to_string())?;
    let model = Model::load(&folder.path().join("model"), device).map_err(|e| e.to_string())?;
    model.log_prob(&validation.0, &validation.1).map_err(|e| e.to_string())
}
