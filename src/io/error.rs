//! What can go wrong with a file, and what to do about it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// An error of this room. The message names the file, says what is wrong and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    /// The operating system refused.
    #[error("{path}: cannot {action}: {source}; {remedy}", path = path.display(), remedy = system_remedy(source))]
    System {
        /// File or folder.
        path: PathBuf,
        /// What was tried: "open", "write", …
        action: &'static str,
        /// Its answer.
        source: std::io::Error,
    },
    /// The bytes are not what was once written, or are no file of a known kind.
    #[error("{path}: damaged: {what}; {remedy}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What shows it.
        what: String,
        /// What to do next.
        remedy: String,
    },
    /// The dataset asked for is not there.
    #[error("{path}: no dataset {dataset:?}; {present}", path = path.display(), present = listing(present))]
    NoDataset {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        dataset: String,
        /// What is there.
        present: Vec<String>,
    },
    /// The file is sound, its content cannot be used for what was asked.
    #[error("{place}: {what}; {remedy}")]
    Content {
        /// `file` or `file:/dataset`.
        place: String,
        /// What is wrong.
        what: String,
        /// What to do next.
        remedy: String,
    },
}

/// Shorthand of this room.
pub type Result<T> = std::result::Result<T, IoError>;

impl IoError {
    pub(crate) fn system(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::System { path: path.into(), action, source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.into(),
            what: what.into(),
            remedy: "restore it from a copy, or delete it and make it again".into(),
        }
    }

    pub(crate) fn content(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Content { place: place.into(), what: what.into(), remedy: remedy.into() }
    }

    /// An error of libhdf5 while reading: the seal was right or absent, so either the disk fails or a foreign file is damaged.
    /// Unless another program has locked the file.
    pub(super) fn reading(path: &Path, source: &hdf5::Error) -> Self {
        let kind = errno(source).map(|code| std::io::Error::from_raw_os_error(code).kind());
        if kind == Some(ErrorKind::WouldBlock) {
            let what = "is open in another program, which may still be writing it";
            return Self::content(path.display().to_string(), what, "close it there, or wait, and try again");
        }
        Self::damaged(path, reason(source))
    }

    /// An error of libhdf5 while writing: nearly always the disk.
    pub(super) fn writing(path: &Path, source: &hdf5::Error) -> Self {
        match errno(source) {
            Some(code) => Self::system(path, "write", std::io::Error::from_raw_os_error(code)),
            None => {
                let what = format!("cannot be written: {}", reason(source));
                Self::content(path.display().to_string(), what, "give every dataset a name and a shape of its own")
            }
        }
    }
}

/// The innermost message of libhdf5's error stack: the one that says why.
fn reason(error: &hdf5::Error) -> String {
    let innermost = error.stack().and_then(|stack| stack.iter().next().map(|frame| frame.desc().to_owned()));
    innermost.unwrap_or_else(|| error.to_string())
}

/// libhdf5 reports the operating system's error as text ("…, errno = 28, …").
fn errno(error: &hdf5::Error) -> Option<i32> {
    let stack = error.stack()?;
    stack.iter().find_map(|frame| {
        let (_, rest) = frame.desc().split_once("errno = ")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

fn system_remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "check the path",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "check who may read and write there, or choose another place"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there, or choose another disk",
        ErrorKind::IsADirectory => "name a file in it",
        ErrorKind::NotADirectory => "a part of the path is a file: choose another place",
        _ => "check the disk and try again",
    }
}

fn listing(present: &[String]) -> String {
    match present {
        [] => "the file holds no datasets".into(),
        names => format!("the file holds {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let full = IoError::system(Path::new("/d/f"), "write", std::io::Error::from_raw_os_error(28));
        let text = full.to_string();
        assert!(text.contains("/d/f") && text.contains("free some space"), "{text}");
        let none =
            IoError::NoDataset { path: "a.h5".into(), dataset: "z".into(), present: vec!["x".into(), "y".into()] };
        assert_eq!(none.to_string(), "a.h5: no dataset \"z\"; the file holds x, y");
    }
}
