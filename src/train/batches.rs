use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use ndarray::ArrayD;
use rand::seq::SliceRandom;

use crate::io::Pairs;
use crate::problem::{Experiment, PairSource, Set, Training};
use crate::random::{Purpose, stream};
use crate::train::TrainError;

/// Batches that wait to be used: this many are prepared ahead.
const AHEAD: usize = 4;

/// The pairs of one step.
pub struct Batch {
    pub step: u64,
    pub x: ArrayD<f32>,
    pub y: ArrayD<f32>,
}

/// Where the batches of a training run come from. Batch k is a function of the seed and of k.
#[derive(Clone)]
pub struct Batches {
    experiment: Experiment,
    stored: Option<Arc<Pairs>>,
}

impl Batches {
    /// Batches as the problem says: simulated on the fly, or stored under `pairs`.
    ///
    /// # Errors
    /// Stored pairs that cannot be read, or are fewer than one batch.
    pub fn new(experiment: &Experiment, pairs: &Path) -> Result<Self, TrainError> {
        let training = &experiment.problem().training;
        let stored = match training.source {
            PairSource::OnTheFly => None,
            PairSource::Stored => {
                let stored = Pairs::open(pairs)?;
                if stored.len() < training.batch {
                    return Err(TrainError::TooFewPairs {
                        path: pairs.into(),
                        found: stored.len(),
                        needed: training.batch,
                    });
                }
                Some(Arc::new(stored))
            }
        };
        Ok(Self {
            experiment: experiment.clone(),
            stored,
        })
    }

    /// The batch of a step.
    pub fn batch(&self, step: u64) -> Result<Batch, TrainError> {
        let size = self.experiment.problem().training.batch;
        let first = step * size as u64;
        let (x, y) = match &self.stored {
            None => {
                let (x, mut y) = self
                    .experiment
                    .clean_pairs(Set::Training, first..first + size as u64)?;
                self.experiment.add_noise(Set::Training, first, &mut y);
                (x, y)
            }
            Some(pairs) => {
                let (x, mut y) = pairs.read(&self.shuffled(pairs.len(), step, size))?;
                if pairs.clean() {
                    self.experiment.add_fresh_noise(first, &mut y);
                }
                (x, y)
            }
        };
        Ok(Batch { step, x, y })
    }

    /// Which stored pairs a step sees: each epoch goes through all whole batches in an order of its own.
    fn shuffled(&self, pairs: usize, step: u64, size: usize) -> Vec<usize> {
        let per_epoch = (pairs / size) as u64;
        let (epoch, within) = (step / per_epoch, (step % per_epoch) as usize);
        let mut order: Vec<usize> = (0..pairs).collect();
        order.shuffle(&mut stream(
            self.experiment.problem().seed,
            Purpose::Shuffle,
            epoch,
        ));
        order[within * size..(within + 1) * size].to_vec()
    }

    /// Batches from `first` on, in order, prepared in a thread of their own while others are used.
    pub fn stream(&self, first: u64) -> Receiver<Result<Batch, TrainError>> {
        let (send, receive) = sync_channel(AHEAD);
        let batches = self.clone();
        let Training { steps, .. } = batches.experiment.problem().training;
        std::thread::spawn(move || {
            for step in first..steps {
                let batch = batches.batch(step);
                let failed = batch.is_err();
                // A closed channel: nobody wants more.
                if send.send(batch).is_err() || failed {
                    return;
                }
            }
        });
        receive
    }
}
