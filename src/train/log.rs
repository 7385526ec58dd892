//! The training log: one JSON object a line, for machines and for the training curve.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::io::IoError;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Steps done.
    pub step: u64,
    /// Mean over the steps since the last entry: nats per dimension.
    pub nll: f64,
    /// Of the averaged weights on the validation pairs: nats per dimension.
    pub validation: f64,
    pub learning_rate: f64,
    /// Before clipping; mean over the steps since the last entry.
    pub gradient_norm: f64,
    /// ‖x recomputed − x‖ / ‖x‖; largest since the last entry.
    pub reconstruction_error: f64,
}

/// A log being written. It is cut back to the checkpoint a run resumes from.
pub struct Log {
    path: PathBuf,
    file: std::fs::File,
}

impl Log {
    /// Opens a log and keeps the entries up to `step`.
    pub fn resume(path: &Path, step: u64) -> Result<Self, IoError> {
        let kept = if path.exists() { read_log(path)? } else { Vec::new() };
        let lines: String = kept.iter().filter(|e| e.step <= step).map(line).collect();
        crate::io::replace(path, lines.as_bytes())?;
        let file = std::fs::OpenOptions::new().append(true).open(path).map_err(|e| system(path, "open", e))?;
        Ok(Self { path: path.into(), file })
    }

    pub fn add(&mut self, entry: &Entry) -> Result<(), IoError> {
        self.file.write_all(line(entry).as_bytes()).map_err(|e| system(&self.path, "write", e))
    }
}

fn system(path: &Path, action: &'static str, source: std::io::Error) -> IoError {
    IoError::System { path: path.into(), action, source }
}

fn line(entry: &Entry) -> String {
    // Numbers alone: there is nothing in an entry that JSON cannot hold.
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}

/// The entries of a log. A last line that was cut off by a crash is left out.
pub fn read_log(path: &Path) -> Result<Vec<Entry>, IoError> {
    let text = std::fs::read_to_string(path).map_err(|e| system(path, "read", e))?;
    Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect())
}
