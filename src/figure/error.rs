use crate::io::IoError;
use crate::operator::OperatorError;
use crate::uq::UqError;

/// An error of this room. The message says what was found and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Ranks and bands do not belong together.
    #[error(transparent)]
    Uq(#[from] UqError),
    /// The operator does not belong to the draws.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// Values that no panel can show.
    #[error("{place}: values of shape {found:?} cannot be drawn; give {expected}")]
    Shape {
        /// Which values: a panel's title, or `file:/dataset`.
        place: String,
        /// Their shape.
        found: Vec<usize>,
        /// What can be drawn.
        expected: String,
    },
    /// There is nothing to draw.
    #[error("{what}: nothing to draw; {remedy}")]
    Empty {
        /// Of what.
        what: String,
        /// What to do next.
        remedy: &'static str,
    },
    /// The picture would take too much memory.
    #[error("a picture of {width} × {height} pixels is too large; draw fewer panels in one figure")]
    TooLarge {
        /// Pixels across.
        width: u64,
        /// Pixels down.
        height: u64,
    },
    /// The drawing or the encoder refused.
    #[error("the picture cannot be made: {0}; draw fewer or smaller panels, and report this if it stays")]
    Backend(String),
}
