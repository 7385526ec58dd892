//! A `problem.toml` as validated types, and the experiment it describes.

mod error;
mod experiment;
mod file;
mod overlay;

pub use error::ProblemError;
pub use experiment::{Experiment, Set};
pub use file::{
    AxisConfig, Evaluation, Interval, Noise, PairSource, Problem, QuantityConfig, Simulation, Training,
};
pub use overlay::Size;
