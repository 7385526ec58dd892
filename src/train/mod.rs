//! Training: batches, loss, optimiser, schedule, checkpoints.
//!
//! The loss is the negative log-likelihood in nats per dimension. Step k of a run is a function of the problem file and
//! of k alone (its batch, its noise, its learning rate), so that a run that was killed and resumed from a checkpoint
//! gives the same weights, byte for byte, as one that was never stopped.

mod batches;
mod checkpoint;
mod config;
mod error;
mod log;
mod optimiser;
mod run;
mod schedule;

pub use batches::{BatchError, Batches, Shuffled, first_pairs, of_the_next};
pub use config::{ImpossibleSetting, PairSource, Training};
pub use error::TrainError;
pub use log::{Entry, read_log};
pub use optimiser::{Norm, Optimiser};
pub use run::{Observer, Outcome, Silent, Task, train};
pub use schedule::learning_rate;
