use serde::{Deserialize, Serialize};
use thiserror::Error;

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
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Training {
    /// Where pairs come from.
    pub source: PairSource,
    /// Optimiser steps.
    pub steps: u64,
    /// Pairs of one step.
    pub batch: usize,
    /// Parts of a batch that are computed in parallel. A part of the recipe, not of the machine: the sum over parts is
    /// the same for any number of threads. Each has at least one pair: beyond the size of the batch there are no more.
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

/// More pairs than this at once are a slip of the keyboard, and would not fit into memory.
const MANY: usize = 1_000_000;

/// A setting with which nothing can be trained.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("training.{key} = {value} is not possible: {remedy}")]
pub struct ImpossibleSetting {
    /// Which one.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What to do next.
    pub remedy: &'static str,
}

impl Training {
    /// The first setting that is not possible is the error.
    pub fn validate(&self) -> Result<(), ImpossibleSetting> {
        const POSITIVE: &str = "give a positive number";
        const UP_TO_MANY: &str = "give 1 to a million";
        const SHARE: &str = "give a number between 0 and 1";
        let that = |key, value: &dyn ToString, good: bool, remedy| match good {
            true => Ok(()),
            false => Err(ImpossibleSetting { key, value: value.to_string(), remedy }),
        };
        let (rate, last) = (self.learning_rate, self.final_learning_rate);
        that("steps", &self.steps, self.steps > 0, POSITIVE)?;
        that("batch", &self.batch, (1..=MANY).contains(&self.batch), UP_TO_MANY)?;
        that("lanes", &self.lanes, (1..=MANY).contains(&self.lanes), UP_TO_MANY)?;
        that("learning_rate", &rate, rate > 0.0 && rate.is_finite(), POSITIVE)?;
        that("final_learning_rate", &last, (0.0..=rate).contains(&last), "give 0 to the learning rate")?;
        that("clip", &self.clip, self.clip > 0.0, POSITIVE)?;
        that("beta_2", &self.beta_2, self.beta_2 > 0.0 && self.beta_2 < 1.0, SHARE)?;
        that("average", &self.average, (0.0..1.0).contains(&self.average), SHARE)?;
        let held_out = self.validation_pairs;
        that("validation_pairs", &held_out, (1..=MANY).contains(&held_out), UP_TO_MANY)?;
        that("validate_every", &self.validate_every, self.validate_every > 0, POSITIVE)?;
        that("checkpoint_every", &self.checkpoint_every, self.checkpoint_every > 0, POSITIVE)
    }
}
