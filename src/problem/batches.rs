use std::path::Path;

use ndarray::ArrayD;
use rand::seq::SliceRandom;

use crate::io::Pairs;
use crate::problem::pair_origin::Portion;
use crate::problem::{Experiment, ProblemError, Set};
use crate::random::{Purpose, stream};
use crate::train::{BatchError, Batches, PairSource};

/// The training pairs of an experiment: batch k is a function of the seed and of k.
#[derive(Clone)]
pub struct ExperimentBatches {
    experiment: Experiment,
    stored: Option<Portion>,
}

impl ExperimentBatches {
    /// Batches as the problem says: simulated on the fly, stored under `pairs`, or of the user's own files.
    ///
    /// # Errors
    /// Stored pairs that cannot be read, or are fewer than one batch.
    pub fn new(experiment: &Experiment, pairs: &Path) -> Result<Self, ProblemError> {
        let training = &experiment.problem().training;
        let stored = match (experiment.own_training_pairs(), training.source) {
            (Some(own), _) => Some(own.clone()),
            (None, PairSource::OnTheFly) => None,
            (None, PairSource::Stored) => Some(Portion::whole(Pairs::open(pairs)?)),
        };
        if let Some(found) = stored.as_ref().map(Portion::len).filter(|found| *found < training.batch) {
            return Err(ProblemError::TooFewPairs { path: pairs.into(), found, needed: training.batch });
        }
        Ok(Self { experiment: experiment.clone(), stored })
    }

    fn pairs_of(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        let size = self.experiment.problem().training.batch;
        let first = step * size as u64;
        match &self.stored {
            None => self.experiment.noisy_pairs(Set::Training, first..first + size as u64),
            Some(pairs) => {
                let (x, mut y) = pairs.read(&self.shuffled(pairs.len(), step, size))?;
                if pairs.is_clean() {
                    self.experiment.add_fresh_noise(first, &mut y);
                }
                Ok((x, y))
            }
        }
    }

    /// Which stored pairs a step sees: each epoch goes through all whole batches in an order of its own.
    fn shuffled(&self, pairs: usize, step: u64, size: usize) -> Vec<usize> {
        let per_epoch = (pairs / size) as u64;
        let (epoch, within) = (step / per_epoch, (step % per_epoch) as usize);
        let mut order: Vec<usize> = (0..pairs).collect();
        order.shuffle(&mut stream(self.experiment.problem().seed, Purpose::Shuffle, epoch));
        order[within * size..(within + 1) * size].to_vec()
    }
}

impl Batches for ExperimentBatches {
    fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError> {
        self.pairs_of(step).map_err(Into::into)
    }

    fn held_out(&self, index: u64) -> Result<Option<ArrayD<f32>>, BatchError> {
        if self.experiment.count(Set::Validation).is_some_and(|count| index >= count as u64) {
            return Ok(None);
        }
        Ok(Some(self.experiment.noisy_pairs(Set::Validation, index..index + 1)?.1))
    }
}
