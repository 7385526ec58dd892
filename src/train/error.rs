use std::path::PathBuf;

use thiserror::Error;

use crate::io::IoError;
use crate::model::ModelError;
use crate::train::{BatchError, ImpossibleSetting};

/// Why training stopped.
#[derive(Debug, Error)]
#[allow(missing_docs)] // the messages say it
pub enum TrainError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Setting(#[from] ImpossibleSetting),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(
        "step {step}: {what} is not finite; {kept}. Try a smaller learning_rate or clip, or a smaller bound of the \
         transform; a training that has begun keeps its settings: begin anew in another folder (--out)"
    )]
    NotFinite { step: u64, what: String, kept: String },
    #[error("step {step}: {source}; {kept}")]
    Step { step: u64, source: ModelError, kept: String },
    #[error("{path}: {what}; delete the folder to train from the start", path = path.display())]
    Checkpoint { path: PathBuf, what: String },
    #[error(
        "{path}: it was begun with other pairs: mean and deviation of the first are not what they were; put them back, or give --out another folder", path = path.display()
    )]
    OtherPairs { path: PathBuf },
    #[error("step {step}: no batch: {source}")]
    Batch { step: u64, source: BatchError },
    #[error("held-out record {index}: {source}")]
    HeldOut { index: u64, source: BatchError },
    #[error("a worker thread stopped without a word; run the command again: it goes on from the last checkpoint")]
    Worker,
}
