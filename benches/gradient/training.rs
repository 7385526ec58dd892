//! A short training, so that precision is not judged at the start, where everything is easy.

use std::collections::HashMap;

use anyhow::ensure;
use burn::module::ParamId;
use burn::optim::{AdamConfig, AdamState, Optimizer};
use posteria::flow::{ParameterGradients, map_parameters, parameters};
use posteria::train::{Training, learning_rate};

use crate::arguments::Point;
use crate::subject::{Subject, images};

const STEPS: u64 = 100;

/// A tenth of the default: networks of hundreds of steps whose couplings do not start at zero diverge at more.
const LEARNING_RATE: f64 = 2e-4;

/// The network after the first hundred steps of a training, on fresh images, and the last batch of them.
pub fn trained(mut subject: Subject, point: &Point) -> anyhow::Result<Subject> {
    let training = Training { learning_rate: LEARNING_RATE, ..Training::default() };
    let adam = AdamConfig::new().with_beta_2(training.beta_2 as f32).with_epsilon(1e-8).build();
    let mut moments: HashMap<ParamId, AdamState<1>> = HashMap::new();
    let scale = 1.0 / (point.batch * subject.glow.dimension()) as f64;
    for step in 0..STEPS {
        subject.x = images(point, step)?;
        let gradients = subject.gradient(point.memory)?.parameters.scale(scale);
        let norm = norm(&subject, &gradients);
        ensure!(norm.is_finite(), "training diverged at step {step}: there is no gradient to judge");
        let clip = (training.clip / norm).min(1.0);
        subject.glow = map_parameters(subject.glow, &mut |parameter, value| {
            let Some(gradient) = gradients.get(&parameter.id) else { return value };
            let state = moments.remove(&parameter.id);
            let (value, state) = adam.step(learning_rate(&training, step), value, gradient.clone() * clip, state);
            moments.extend(state.map(|state| (parameter.id, state)));
            value
        });
    }
    Ok(subject)
}

fn norm(subject: &Subject, gradients: &ParameterGradients) -> f64 {
    let square = |gradient: &burn::tensor::Tensor<1>| gradient.clone().square().sum().into_scalar::<f64>();
    let walked = parameters(&subject.glow);
    walked.iter().filter_map(|(parameter, _)| gradients.get(&parameter.id)).map(square).sum::<f64>().sqrt()
}
