use crate::io::IoError;
use crate::model::ModelError;
use crate::operator::OperatorError;
use crate::posterior::PosteriorError;

/// An error of the diagnostics. The message says what was found, what is expected and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum UqError {
    /// Two arrays do not fit together.
    #[error(
        "the {what} has shape {found:?}, but {expected:?} is expected; check that samples and truth belong together"
    )]
    Shape {
        /// Which array.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// There is too little to say anything.
    #[error("{what}: {found} given, at least {needed} needed; use more")]
    TooFew {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// The model cannot be used so.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The posterior cannot be made.
    #[error(transparent)]
    Posterior(#[from] PosteriorError),
    /// The operator cannot be applied.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A parameter lies outside its domain.
    #[error("`{name}` is {value}; {remedy}")]
    Parameter {
        /// Which parameter.
        name: &'static str,
        /// Value found.
        value: String,
        /// What to do next.
        remedy: &'static str,
    },
}

/// An error unless `found` is `expected`.
pub(super) fn check_shape(what: &'static str, found: &[usize], expected: &[usize]) -> Result<(), UqError> {
    if found == expected {
        return Ok(());
    }
    Err(UqError::Shape { what, found: found.to_vec(), expected: expected.to_vec() })
}

/// An error unless there are `needed`.
pub(super) fn check_enough(what: &'static str, found: usize, needed: usize) -> Result<(), UqError> {
    if found >= needed { Ok(()) } else { Err(UqError::TooFew { what, found, needed }) }
}
