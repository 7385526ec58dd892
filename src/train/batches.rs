use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use ndarray::{ArrayD, Axis};

use crate::train::TrainError;

/// Batches that wait to be used: this many are prepared ahead.
const AHEAD: usize = 4;

/// Why there is no batch: an error of whoever makes them.
pub type BatchError = Box<dyn std::error::Error + Send + Sync>;

/// Where the batches of a training run come from: files, a simulator, memory.
pub trait Batches: Send + Sync {
    /// x and y `[pair, channel, axes…]` of a step, a function of the step alone: a run that is resumed asks again.
    fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError>;
}

/// `count` pairs or a few more, of the first steps: for what is set from data before training.
pub fn first_pairs(batches: &dyn Batches, count: usize) -> Result<(ArrayD<f32>, ArrayD<f32>), TrainError> {
    let batch = |step: u64| batches.batch(step).map_err(|source| TrainError::Batch { step: step + 1, source });
    let (mut x, mut y) = batch(0)?;
    let append = |all: &mut ArrayD<f32>, more: ArrayD<f32>| {
        all.append(Axis(0), more.view()).map_err(|e| TrainError::Batch { step: 1, source: e.into() })
    };
    for step in 1.. {
        if x.len_of(Axis(0)) >= count {
            break;
        }
        let (more_x, more_y) = batch(step)?;
        append(&mut x, more_x)?;
        append(&mut y, more_y)?;
    }
    Ok((x, y))
}

/// The pairs of one step.
pub(super) struct Batch {
    pub step: u64,
    pub x: ArrayD<f32>,
    pub y: ArrayD<f32>,
}

/// The batches of these steps, in order, prepared in a thread of their own while others are used.
pub(super) fn prefetch(batches: Arc<dyn Batches>, steps: std::ops::Range<u64>) -> Receiver<Result<Batch, TrainError>> {
    let (send, receive) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        for step in steps {
            let batch = match batches.batch(step) {
                Ok((x, y)) => Ok(Batch { step, x, y }),
                Err(source) => Err(TrainError::Batch { step: step + 1, source }),
            };
            let failed = batch.is_err();
            // A closed channel: nobody wants more.
            if send.send(batch).is_err() || failed {
                return;
            }
        }
    });
    receive
}
