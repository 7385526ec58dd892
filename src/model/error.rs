use std::path::PathBuf;

use thiserror::Error;

use crate::flow::FlowError;
use crate::io::IoError;
use crate::model::{Source, Values};
use crate::summary::SummaryError;

/// Why a model cannot be made, used, saved or loaded.
#[derive(Debug, Error)]
#[allow(missing_docs)] // the messages say it
pub enum ModelError {
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Summary(#[from] SummaryError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("{what} has shape {found:?}; this model takes {expected:?} after the sample axis")]
    Shape { what: &'static str, expected: Vec<usize>, found: Vec<usize> },
    #[error("{x} samples of x and {y} of y: a batch pairs each x with its y")]
    Batch { x: usize, y: usize },
    #[error("samples of {axes} spatial axes: a model takes vectors, traces, images and volumes (0 to 3 axes)")]
    Rank { axes: usize },
    #[error(
        "the observation {y:?} has not the extents of x {x:?}: condition on the adjoint image, sources = [\"adjoint\"], where there is an operator, or on what a network learns to make of it, sources = [\"reduced\"]"
    )]
    ObservationExtents { x: Vec<usize>, y: Vec<usize> },
    #[error("[condition] sources names {0} twice: once is enough")]
    RepeatedSource(Source),
    #[error(
        "[condition.reducer] says how \"reduced\" is made, and sources does not name it: add \"reduced\", or leave the table out"
    )]
    UnusedReducer,
    #[error("[condition] sources is empty: name \"observation\", \"adjoint\", \"reduced\" or several")]
    NoSource,
    #[error(
        "sources has \"adjoint\" and there is no operator: give the problem an [operator], or condition on the observation"
    )]
    NoOperator,
    #[error("the operator failed: {0}")]
    Operator(String),
    #[error("[unknown] {key} = {value} is not possible: {remedy}")]
    Unknown { key: &'static str, value: String, remedy: &'static str },
    #[error(
        "x[{sample}] at {index:?} is {value}; [unknown] values says that it is {values}: correct x, or widen the bounds"
    )]
    Values { sample: usize, index: Vec<usize>, value: f32, values: Values },
    #[error(
        "x[{sample}] at {index:?} is {value}; [unknown] fixed says that it is {expected} in every x: correct x, or leave NaN there"
    )]
    Fixed { sample: usize, index: Vec<usize>, value: f32, expected: f32 },
    #[error("{path}: {what}; train the model again, or load it with the version of posteria that wrote it", path = path.display())]
    File { path: PathBuf, what: String },
    #[error("the model gave numbers that are not finite for {what}: {remedy}")]
    NotFinite { what: &'static str, remedy: &'static str },
    #[error("the device did not return its numbers: {0}")]
    Device(String),
}
