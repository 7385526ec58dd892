//! A `problem.toml` as validated types, and the experiment it describes.

mod batches;
mod checks;
mod error;
mod experiment;
mod file;
mod folder;
mod overlay;
mod simulate;

pub use batches::ExperimentBatches;
pub use error::ProblemError;
pub use experiment::{Experiment, Set};
pub use file::{AxisConfig, Evaluation, Interval, Noise, Problem, QuantityConfig, Simulation};
pub use folder::{Claim, RunFolder};
pub use overlay::Size;
pub use simulate::simulate;
