use std::path::PathBuf;

use thiserror::Error;

use crate::io::IoError;
use crate::model::ModelError;
use crate::operator::OperatorError;
use crate::posterior::PosteriorError;
use crate::prior::PriorError;

/// What is wrong with a problem file.
#[derive(Debug, Error)]
#[allow(missing_docs)] // the messages say it
pub enum ProblemError {
    #[error("{path}: cannot open: {source}; name a folder with a problem.toml, such as problems/deblur", path = path.display())]
    Missing { path: PathBuf, source: std::io::Error },
    /// The message of the TOML parser has line, column and a caret.
    #[error("{path}: {message}", path = path.display())]
    Syntax { path: PathBuf, message: String },
    #[error("{path}, line {line}: {key} = {value} is not possible: {remedy}", path = path.display())]
    Value { path: PathBuf, line: usize, key: String, value: String, remedy: String },
    #[error("{path} holds {found} pairs, training needs {needed}: simulate more, or use a smaller batch", path = path.display())]
    TooFewPairs { path: PathBuf, found: usize, needed: usize },
    #[error("{0}")]
    Origin(&'static str),
    #[error("{path}: {what}; {remedy}", path = path.display())]
    OwnPairs { path: PathBuf, what: String, remedy: String },
    #[error(
        "{folder} is the run of another problem ({keys} differ): give --out another folder, or delete this one", folder = folder.display()
    )]
    OtherRun { folder: PathBuf, keys: String },
    #[error(
        "{folder} was begun with other files: what {keys} names was changed since; put it back, or give --out another folder", folder = folder.display()
    )]
    OtherFiles { folder: PathBuf, keys: String },
    #[error(
        "values that are NaN, infinite, missing (_FillValue, missing_value) or beyond the range of 32-bit floats in {count} of the pairs ({sets}): {places}; mend the files, which the run then goes on with, or leave these pairs out: skip = \"not-finite\" below [pairs]"
    )]
    NotFinite { count: usize, sets: String, places: String },
    #[error(
        "{quantity} {found:?} is read as {channels} channels of {extents:?}, and nothing says that they are channels: an image of one channel is stored as [sample, 1, axes…]; MATLAB and Julia count axes from the last, where that is (…axes, 1, sample). If they are channels, say so: [{quantity}] channels = [{{ name = \"…\" }}, …], or describe the other axes, {extents:?}, in [{quantity}] axes"
    )]
    AxesInDoubt { quantity: &'static str, found: Vec<usize>, channels: usize, extents: Vec<usize> },
    #[error("{folder} holds files and is no run: give --out a folder of its own", folder = folder.display())]
    Foreign { folder: PathBuf },
    #[error(
        "{folder}: its problem.toml was changed after its model was trained ({keys} differ): put it back, or give --out another folder", folder = folder.display()
    )]
    OtherModel { folder: PathBuf, keys: String },
    #[error("another posteria is working in {folder}: wait for it, or give --out another folder", folder = folder.display())]
    Busy { folder: PathBuf },
    #[error("{path} has no [{table}] table: leave out --{table}, or say there what is to be otherwise", path = path.display())]
    NoOverlay { path: PathBuf, table: &'static str },
    #[error("[{quantity}] axes has {found} entries, its images have {needed} axes; describe each of them, or none")]
    Axes { quantity: &'static str, found: usize, needed: usize },
    #[error(
        "{quantity} has {needed} channels, {found} are described in [{quantity}] channels or by the attribute channel_names of its file: describe each, or none"
    )]
    Channels { quantity: &'static str, found: usize, needed: usize },
    #[error(
        "[{quantity}] axes: {axis} has a spacing of {said} {unit}, by [operator] it is {known} {unit}: correct one of them, or leave out [{quantity}] axes"
    )]
    Spacing { quantity: &'static str, axis: String, unit: String, said: f64, known: f64 },
    #[error("[operator] gives observations of shape {range:?}, y has {y:?}: correct it, or leave it out")]
    OtherRange { range: Vec<usize>, y: Vec<usize> },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Prior(#[from] PriorError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error(transparent)]
    Posterior(#[from] PosteriorError),
    #[error(transparent)]
    Io(#[from] IoError),
}
