//! A `problem.toml` as validated types, and the experiment it describes.

mod axes_in_doubt;
mod batches;
mod checks;
pub mod cost;
mod error;
mod experiment;
mod file;
mod folder;
mod lock;
mod named_files;
mod origin;
mod overlay;
mod own_pairs;
mod pair_origin;
mod simulate;
mod simulator;
pub mod survey;
pub mod template;

pub use crate::operator::Noise;
pub use batches::ExperimentBatches;
pub use error::ProblemError;
pub use experiment::{Experiment, Set};
pub use file::{AxisConfig, Evaluation, Interval, PairFiles, Problem, QuantityConfig, Simulation, Skip};
pub use folder::{Claim, RunFolder};
pub use named_files::NamedFiles;
pub use origin::Origin;
pub use overlay::Size;
pub use simulate::simulate;
