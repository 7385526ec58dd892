//! The training log: one JSON object a line, for machines and for the training curve.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::io::{IoError, sums};

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

/// A log being written. Whoever trains has all of it in memory: what a run resumes from keeps it.
pub struct Log {
    path: PathBuf,
    file: std::fs::File,
    entries: Vec<Entry>,
}

impl Log {
    /// Begins a log with the entries of the steps that were done before.
    pub fn begin(path: &Path, entries: Vec<Entry>) -> Result<Self, IoError> {
        let (folder, name) = place(path);
        sums::forget(folder, &[name])?;
        crate::io::replace(path, text(&entries).as_bytes())?;
        let file = std::fs::OpenOptions::new().append(true).open(path).map_err(|e| IoError::system(path, "open", e))?;
        Ok(Self { path: path.into(), file, entries })
    }

    /// One entry more.
    pub fn add(&mut self, entry: Entry) -> Result<(), IoError> {
        self.file.write_all(line(&entry).as_bytes()).map_err(|e| IoError::system(&self.path, "write", e))?;
        self.entries.push(entry);
        Ok(())
    }

    /// All entries, once they are on the disk.
    pub fn on_disk(&self) -> Result<&[Entry], IoError> {
        self.file.sync_data().map_err(|e| IoError::system(&self.path, "sync", e))?;
        Ok(&self.entries)
    }

    /// The end of it: from here on it has a digest.
    pub fn finish(self) -> Result<(), IoError> {
        let (folder, name) = place(&self.path);
        let entries = text(self.on_disk()?);
        sums::add(folder, name, entries.as_bytes())
    }
}

fn place(path: &Path) -> (&Path, &str) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    (path.parent().unwrap_or(Path::new("")), name)
}

/// A log as it stands in a file.
pub fn text(entries: &[Entry]) -> String {
    entries.iter().map(line).collect()
}

fn line(entry: &Entry) -> String {
    // Numbers alone; what is infinite becomes null.
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}

/// The entries of a log. A last line that was cut off by a crash is left out.
///
/// # Errors
/// Any other line is no entry, or the log of a finished training differs from its digest.
pub fn read_log(path: &Path) -> Result<Vec<Entry>, IoError> {
    parse(&sums::read(path)?).map_err(|what| IoError::damaged(path, what))
}

/// The entries in the content of a log.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(&[][..], |end| &bytes[..end]);
    let whole = std::str::from_utf8(whole).map_err(|e| e.to_string())?;
    let entry =
        |(number, line): (usize, &str)| serde_json::from_str(line).map_err(|e| format!("line {}: {e}", number + 1));
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
    fn a_log_begins_with_what_was_kept_and_ends_with_a_digest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("training.jsonl");
        let mut log = Log::begin(&path, Vec::new()).unwrap();
        (1..=4).for_each(|k| log.add(entry(10 * k)).unwrap());
        drop(log);
        let mut log = Log::begin(&path, vec![entry(10), entry(20)]).unwrap();
        log.add(entry(25)).unwrap();
        assert_eq!(log.on_disk().unwrap(), read_log(&path).unwrap());
        log.finish().unwrap();
        assert_eq!(read_log(&path).unwrap(), [entry(10), entry(20), entry(25)]);
        let whole = std::fs::read_to_string(&path).unwrap();
        for damaged in [whole.replacen("0.15", "0.16", 1), line(&entry(10)) + &line(&entry(25))] {
            assert_ne!(damaged, whole);
            std::fs::write(&path, damaged).unwrap();
            let error = read_log(&path).unwrap_err().to_string();
            assert!(error.contains("training.jsonl") && error.contains("differs from its digest"), "{error}");
        }
        Log::begin(&path, vec![entry(10)]).unwrap();
        assert_eq!(read_log(&path).unwrap(), [entry(10)]);
    }

    #[test]
    fn an_inverse_that_is_lost_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("training.jsonl");
        let lost = Entry { reconstruction_error: f64::INFINITY, ..entry(3) };
        Log::begin(&path, Vec::new()).unwrap().add(lost.clone()).unwrap();
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
