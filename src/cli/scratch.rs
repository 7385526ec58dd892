//! A folder for the moment: gone when the work is done, when Ctrl-C ends the program in the middle of it, and after a kill when
//! the next one is made.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{Builder, TempDir};

/// The folder, and its lock.
static FOLDER: Mutex<Option<(TempDir, File)>> = Mutex::new(None);
const PREFIX: &str = "posteria-check-";

/// The one folder of this kind, until it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Where the system keeps such things, under a name that nobody has, for nobody else to read.
    pub fn new() -> std::io::Result<Self> {
        remove_leftovers();
        let (folder, lock) = locked()?;
        let path = folder.path().to_path_buf();
        *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some((folder, lock));
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// A folder that is locked as long as it is in use.
fn locked() -> std::io::Result<(TempDir, File)> {
    loop {
        let mut builder = Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.tempdir()?;
        let lock = lock_of(folder.path())?;
        // Before it was locked, another process may have taken it for a leftover.
        if lock.try_lock().is_ok() && folder.path().exists() {
            return Ok((folder, lock));
        }
    }
}

#[cfg(unix)]
fn lock_of(folder: &Path) -> std::io::Result<File> {
    File::open(folder)
}

#[cfg(not(unix))]
fn lock_of(folder: &Path) -> std::io::Result<File> {
    File::create(folder.join("lock"))
}

/// Removes what killed processes left, as far as it may be removed.
fn remove_leftovers() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let is_one = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|found| found.is_dir());
        if is_one
            && let Ok(lock) = lock_of(&entry.path())
            && lock.try_lock().is_ok()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
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
