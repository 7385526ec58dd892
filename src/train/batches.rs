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

    /// y `[1, channel, axes…]` of record `index` among those that are in no batch; none behind the last. Where there is
    /// not even a first, the validation pairs serve.
    fn held_out(&self, _index: u64) -> Result<Option<ArrayD<f32>>, BatchError> {
        Ok(None)
    }
}

/// Each x with the y of the next pair of its batch: what a model learns of them, it knows of x without y.
///
/// A batch needs two pairs at least.
pub struct Shuffled(pub Arc<dyn Batches>);

impl Batches for Shuffled {
    fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError> {
        let (x, y) = self.0.batch(step)?;
        Ok((x, of_the_next(&y)))
    }
}

/// The observations of the pairs, each handed to the pair before, the first to the last.
pub fn of_the_next(y: &ArrayD<f32>) -> ArrayD<f32> {
    let pairs = y.len_of(Axis(0));
    let next: Vec<usize> = (0..pairs).map(|i| (i + 1) % pairs).collect();
    y.select(Axis(0), &next)
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbered;

    impl Batches for Numbered {
        fn batch(&self, step: u64) -> Result<(ArrayD<f32>, ArrayD<f32>), BatchError> {
            let x = ArrayD::from_shape_fn(vec![4, 1, 2], |i| (10 * step as usize + i[0]) as f32);
            Ok((x.clone(), x))
        }
    }

    #[test]
    fn shuffled_observations_are_those_of_other_pairs() {
        let (x, y) = Shuffled(Arc::new(Numbered)).batch(3).unwrap();
        let of = |a: &ArrayD<f32>| a.iter().step_by(2).copied().collect::<Vec<f32>>();
        assert_eq!(of(&x), [30.0, 31.0, 32.0, 33.0]);
        assert_eq!(of(&y), [31.0, 32.0, 33.0, 30.0]);
    }
}
