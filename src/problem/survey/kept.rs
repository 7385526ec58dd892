//! What a run keeps of the look at its pairs, so that a run that goes on need not look again.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Reading, Survey, read_own};
use crate::io;
use crate::problem::{Experiment, NamedFiles, ProblemError, RunFolder};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The files that were looked at.
    files: NamedFiles,
    found: Survey,
}

impl Survey {
    /// What was found in the pairs of a run, where its files are still those that were looked at. Pairs that were not finite
    /// are looked at again: they may have been mended between the blocks that the digest of a large file sees.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of_run(folder: &RunFolder, experiment: &Experiment) -> Result<Option<Survey>, ProblemError> {
        let Some(Kept { files, found }) = read(folder)?.filter(|kept| kept.found.not_finite.is_empty()) else {
            return Ok(None);
        };
        Ok((files == NamedFiles::of(experiment.problem())?).then_some(found))
    }

    /// Keeps it in the folder of a run.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn keep(&self, folder: &RunFolder, experiment: &Experiment) -> Result<(), ProblemError> {
        let kept = Kept { files: NamedFiles::of(experiment.problem())?, found: self.clone() };
        let text = serde_json::to_string_pretty(&kept)
            .map_err(|e| ProblemError::Syntax { path: folder.survey(), message: e.to_string() })?;
        Ok(io::replace(&folder.survey(), text.as_bytes())?)
    }

    /// Whether the files of a run differ from those that were looked at in nothing but pairs that were not finite: then
    /// they were mended, and the run goes on.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn is_mended(folder: &RunFolder, experiment: &Experiment) -> Result<bool, ProblemError> {
        let Some(Kept { found, .. }) = read(folder)?.filter(|kept| !kept.found.not_finite.is_empty()) else {
            return Ok(false);
        };
        let mut reading = Reading::new(experiment);
        read_own(experiment, &mut reading, &found.not_finite, &mut |_, _| true)?;
        Ok(reading.digest() == found.digest)
    }
}

/// None where none is kept, or one that another version kept.
fn read(folder: &RunFolder) -> Result<Option<Kept>, ProblemError> {
    let path: PathBuf = folder.survey();
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io::IoError::system(&path, "read", source).into()),
    }
}
