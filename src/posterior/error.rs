use crate::io::IoError;
use crate::model::ModelError;
use crate::operator::OperatorError;

/// An error of this room. The message says what was found, what is expected and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum PosteriorError {
    /// An array has the wrong shape.
    #[error("the {what} has shape {found:?}, but {expected:?} is expected; check that the files belong together")]
    Shape {
        /// Which array.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape expected.
        expected: Vec<usize>,
    },
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
    /// Images of a file that are not those of the model.
    #[error(
        "{place} has shape {found:?}; the model takes one {what} of shape {shape:?}, or several along a first axis"
    )]
    Images {
        /// "observation" or "image".
        what: &'static str,
        /// `file:/dataset`.
        place: String,
        /// Its shape.
        found: Vec<usize>,
        /// Channel and axes of one.
        shape: Vec<usize>,
    },
    /// Images whose axes are in the order of another program.
    #[error(
        "{place} has shape {found:?}, which is right from the last axis to the first, {reversed:?}: MATLAB and Julia reverse axes; \
         write it with permutedims or permute, or transpose it in Python (numpy.transpose)"
    )]
    Reversed {
        /// `file:/dataset`.
        place: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it is meant to have.
        reversed: Vec<usize>,
    },
    /// Images in another unit, or on other axes, than those of training.
    #[error("{place}: {what}; convert it, or correct what the file says of itself")]
    Disagree {
        /// `file:/dataset`.
        place: String,
        /// Both sides.
        what: String,
    },
    /// 64-bit draws whose differences 32 bits cannot hold.
    #[error(
        "{place}: draws differ by {most:.1e} at most, {} than 32-bit floats hold: choose another unit, in which it is near 1",
        if *most < 1.0 { "less" } else { "more" }
    )]
    Unheld {
        /// `file:/dataset`.
        place: String,
        /// The largest difference of two.
        most: f64,
    },
    /// Draws along an axis that nobody names.
    #[error(
        "{place} has axes {axes}, none of which is called draw: name the axis of the draws with --draw-axis, counted from 0"
    )]
    WhichAxis {
        /// `file:/dataset`.
        place: String,
        /// Names and sizes.
        axes: String,
    },
    /// A file without images.
    #[error("{place} holds no {what}; write one or more")]
    NoImages {
        /// "observation" or "image".
        what: &'static str,
        /// `file:/dataset`.
        place: String,
    },
    /// A dataset whose draw axis is too short.
    #[error(
        "{place} has shape {shape:?} and draws along axis {axis}: give two draws or more, or name their axis with --draw-axis"
    )]
    TooFewDraws {
        /// `file:/dataset`.
        place: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The axis taken for that of the draws.
        axis: usize,
    },
    /// The model cannot be used so.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The operator cannot be applied.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// There was nothing to reduce.
    #[error("no draws were given; sample the posterior first, or check the axis that is reduced")]
    Empty,
}

/// An error unless `found` is `expected`.
pub(super) fn check_shape(what: &'static str, found: &[usize], expected: &[usize]) -> Result<(), PosteriorError> {
    if found == expected {
        return Ok(());
    }
    Err(PosteriorError::Shape { what, found: found.to_vec(), expected: expected.to_vec() })
}
