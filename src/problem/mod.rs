//! A `problem.toml` as validated types, and the experiment it describes.

mod batches;
mod error;
mod experiment;
mod file;
mod overlay;

pub use batches::ExperimentBatches;
pub use error::ProblemError;
pub use experiment::{Experiment, Set};
pub use file::{AxisConfig, Evaluation, Interval, Noise, Problem, QuantityConfig, Simulation};
pub use overlay::Size;
