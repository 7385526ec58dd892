use std::collections::BTreeMap;

use burn::optim::{Adam, AdamConfig, AdamState, AdaptiveMomentumState, Optimizer};
use burn::tensor::Tensor;

use crate::flow::ParameterGradients;
use crate::model::{Model, ModelError, host};
use crate::train::Training;

/// Adam (Kingma and Ba 2015, arXiv:1412.6980) with the gradient clipped by its norm over all parameters.
///
/// The moments are kept by the path of a parameter, which is the same in every process.
pub struct Optimiser {
    adam: Adam,
    clip: f64,
    moments: BTreeMap<String, AdamState<1>>,
}

/// Both moments of a parameter, and the steps they saw.
pub struct Moments {
    pub time: usize,
    pub first: Tensor<1>,
    pub second: Tensor<1>,
}

/// The size of a gradient.
#[derive(Clone, Debug, PartialEq)]
pub enum Norm {
    /// The norm.
    Finite(f64),
    /// The path of the first parameter whose gradient is not finite.
    NotFinite(String),
}

impl Optimiser {
    /// Before the first step.
    pub fn new(training: &Training) -> Self {
        let adam = AdamConfig::new().with_beta_2(training.beta_2 as f32).with_epsilon(1e-8).build();
        Self { adam, clip: training.clip, moments: BTreeMap::new() }
    }

    /// Continues from the moments of a checkpoint.
    pub fn resume(training: &Training, moments: BTreeMap<String, Moments>) -> Self {
        let state = |m: Moments| AdamState::new(AdaptiveMomentumState::new(m.time, m.first, m.second));
        let moments = moments.into_iter().map(|(path, m)| (path, state(m))).collect();
        Self { moments, ..Self::new(training) }
    }

    /// The moments of every parameter that was stepped, by path.
    pub fn moments(&self) -> BTreeMap<String, Moments> {
        let of = |state: &AdamState<1>| {
            let m = &state.momentum;
            Moments { time: m.time, first: m.moment_1.clone(), second: m.moment_2.clone() }
        };
        self.moments.iter().map(|(path, state)| (path.clone(), of(state))).collect()
    }

    /// The Euclidean norm of a gradient over all parameters. It decides about clipping, so it is summed in one order on
    /// every machine and for any number of threads: on the host, in double precision.
    pub fn norm(model: &Model, gradient: &ParameterGradients) -> Result<Norm, ModelError> {
        let mut sum = 0.0;
        for (parameter, _) in model.parameters() {
            let Some(g) = gradient.get(&parameter.id) else {
                continue;
            };
            let square: f64 = host(g.clone())?.iter().map(|&v| f64::from(v).powi(2)).sum();
            if !square.is_finite() {
                return Ok(Norm::NotFinite(parameter.path));
            }
            sum += square;
        }
        Ok(Norm::Finite(sum.sqrt()))
    }

    /// One step against a gradient of the given norm.
    pub fn step(
        &mut self,
        model: Model,
        gradient: &ParameterGradients,
        norm: f64,
        rate: f64,
    ) -> Result<Model, ModelError> {
        let factor = if norm > self.clip { self.clip / norm } else { 1.0 };
        Ok(model.map_parameters(&mut |parameter, value| {
            let Some(g) = gradient.get(&parameter.id) else {
                return value;
            };
            let state = self.moments.remove(&parameter.path);
            let (value, state) = self.adam.step(rate, value, g.clone() * factor, state);
            if let Some(state) = state {
                self.moments.insert(parameter.path.clone(), state);
            }
            value
        }))
    }
}
