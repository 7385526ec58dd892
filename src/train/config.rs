use serde::{Deserialize, Serialize};

/// Where training pairs come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairSource {
    /// Simulated once and read from disk, in a new order every epoch.
    #[default]
    Stored,
    /// Simulated while training; no pair is seen twice.
    OnTheFly,
}

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Where pairs come from.
    pub source: PairSource,
    /// Optimiser steps.
    pub steps: u64,
    /// Pairs of one step.
    pub batch: usize,
    /// Parts of a batch that are computed in parallel. A part of the recipe, not of the machine: the sum over parts is
    /// the same for any number of threads.
    pub lanes: usize,
    /// Of Adam, after the warm-up.
    pub learning_rate: f64,
    /// At the end of the cosine.
    pub final_learning_rate: f64,
    /// Steps of linear rise.
    pub warm_up: u64,
    /// Largest norm of the gradient (of the loss in nats per dimension).
    pub clip: f64,
    /// Decay of Adam's average of squared gradients.
    pub beta_2: f64,
    /// Decay of the moving average of the weights; what is validated, saved and used.
    pub average: f64,
    /// Pairs held out while training.
    pub validation_pairs: usize,
    /// Steps between two validations.
    pub validate_every: u64,
    /// Validations without a better one after which training stops; 0: never.
    pub patience: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            source: PairSource::default(),
            steps: 4000,
            batch: 16,
            lanes: 2,
            learning_rate: 2e-3,
            final_learning_rate: 2e-5,
            warm_up: 100,
            clip: 10.0,
            beta_2: 0.99,
            average: 0.99,
            validation_pairs: 128,
            validate_every: 250,
            patience: 0,
            checkpoint_every: 250,
        }
    }
}
