use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayD;
use rand::seq::SliceRandom;

use crate::io::Pairs;
use crate::problem::{Experiment, ProblemError, Set};
use crate::random::{Purpose, stream};
use crate::train::{BatchError, Batches, PairSource};

/// The training pairs of an experiment: batch k is a function of the seed and of k.
#[derive(Clone)]
pub struct ExperimentBatches {
    experiment: Experiment,
    stored: Option<Arc<Pairs>>,
}

impl ExperimentBatches {
    /// Batches as the problem says: simulated on the fly, or stored under `pairs`.
    ///
    /// # Errors
    /// Stored pairs that cannot be read, or are fewer than one batch.
    pub fn new(experiment: &Experiment, pairs: &Path) -> Result<Self, ProblemError> {
        let training = &experiment.problem().training;
        let stored = match training.source {
            PairSource::OnTheFly => None,
            PairSource::Stored => {
                let stored = Pairs::open(pairs)?;
                if stored.len() < training.batch {
                    return Err(ProblemError::TooFewPairs {
                        path: pairs.into(),
                        found: stored.len(),
                        needed: training.batch,
                    });
                }
                Some(Arc::new(stored))
            }
        };
        Ok(Self { experiment: experiment.clone(), stored })
    }

    fn pairs_of(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        let size = self.experiment.problem().training.batch;
        let first = step * size as u64;
        match &self.stored {
            None => {
                let (x, mut y) = self.experiment.clean_pairs(Set::Training, first..first + size as u64)?;
                self.experiment.add_noise(Set::Training, first, &mut y);
                Ok((x, y))
            }
            Some(pairs) => {
                let (x, mut y) = pairs.read(&self.shuffled(pairs.len(), step, size))?;
                if pairs.clean() {
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
}
