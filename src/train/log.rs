//! The training log: one JSON object a line, for machines and for the training curve.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

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
    /// Of the last step.
    pub learning_rate: f64,
    /// Before clipping; mean over the steps since the last entry.
    pub gradient_norm: f64,
    /// ‖x recomputed − x‖ / ‖x‖; largest since the last entry.
    #[serde(deserialize_with = "infinite_where_null")]
    pub reconstruction_error: f64,
}

/// JSON has no infinity: it is written as null.
fn infinite_where_null<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
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
        let file = std::fs::OpenOptions::new().append(true).open(path).map_err(|e| IoError::system(path, "open", e))?;
        Ok(Self { path: path.into(), file })
    }

    pub fn add(&mut self, entry: &Entry) -> Result<(), IoError> {
        self.file.write_all(line(entry).as_bytes()).map_err(|e| IoError::system(&self.path, "write", e))
    }
}

fn line(entry: &Entry) -> String {
    // Numbers alone; what is infinite becomes null.
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}

/// The entries of a log. A last line that was cut off by a crash is left out.
///
/// # Errors
/// Any other line is no entry.
pub fn read_log(path: &Path) -> Result<Vec<Entry>, IoError> {
    let text = std::fs::read_to_string(path).map_err(|e| IoError::system(path, "read", e))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let entry = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| IoError::damaged(path, format!("line {}: {e}", number + 1)))
    };
    whole.lines().enumerate().map(entry).collect()
}

/// What is averaged between two entries of the log. A checkpoint keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    steps: f64,
    nll: f64,
    norm: f64,
    #[serde(deserialize_with = "infinite_where_null")]
    reconstruction_error: f64,
}

impl Since {
    /// One more step.
    pub fn add(&mut self, nll: f64, norm: f64, reconstruction_error: f64) {
        self.steps += 1.0;
        self.nll += nll;
        self.norm += norm;
        self.reconstruction_error = self.reconstruction_error.max(reconstruction_error);
    }

    /// The entry of these steps.
    pub fn entry(&self, step: u64, validation: f64, learning_rate: f64) -> Entry {
        Entry {
            step,
            nll: self.nll / self.steps,
            validation,
            learning_rate,
            gradient_norm: self.norm / self.steps,
            reconstruction_error: self.reconstruction_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(step: u64) -> Entry {
        let nll = 1.5 / step as f64;
        Entry { step, nll, validation: nll, learning_rate: 1e-3, gradient_norm: 2.0, reconstruction_error: 1e-7 }
    }

    #[test]
    fn a_resumed_log_is_cut_back_to_its_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("training.jsonl");
        let mut log = Log::resume(&path, 0).unwrap();
        (1..=4).for_each(|k| log.add(&entry(10 * k)).unwrap());
        drop(log);
        let mut log = Log::resume(&path, 20).unwrap();
        log.add(&entry(25)).unwrap();
        assert_eq!(read_log(&path).unwrap(), [entry(10), entry(20), entry(25)]);
    }

    #[test]
    fn an_inverse_that_is_lost_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("training.jsonl");
        let lost = Entry { reconstruction_error: f64::INFINITY, ..entry(3) };
        Log::resume(&path, 0).unwrap().add(&lost).unwrap();
        assert_eq!(read_log(&path).unwrap(), [lost]);
        let mut since = Since::default();
        since.add(1.0, 2.0, f64::INFINITY);
        assert_eq!(serde_json::from_str::<Since>(&serde_json::to_string(&since).unwrap()).unwrap(), since);
    }

    #[test]
    fn only_the_last_line_may_be_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("training.jsonl");
        let text = line(&entry(1)) + &line(&entry(2));
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        assert_eq!(read_log(&path).unwrap(), [entry(1)]);
        std::fs::write(&path, text.replacen("step", "stop", 1)).unwrap();
        let error = read_log(&path).unwrap_err().to_string();
        assert!(error.contains("training.jsonl") && error.contains("line 1"), "{error}");
    }
}
