//! A folder for the moment: gone when the work is done, and when Ctrl-C ends the program in the middle of it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

static FOLDER: Mutex<Option<TempDir>> = Mutex::new(None);

/// The one folder of this kind, until it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Where the system keeps such things, under a name that nobody has.
    pub fn new() -> std::io::Result<Self> {
        let folder = TempDir::with_prefix("posteria-")?;
        let path = folder.path().to_path_buf();
        *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder);
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove();
    }
}

/// Removes it where there is one. What cannot be removed is left to the system, as all in that place.
pub fn remove() {
    drop(FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take());
}
