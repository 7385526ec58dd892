//! A file appears whole or not at all: written under a temporary name, synced, renamed.

use super::error::{IoError, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Writes a small file of any kind as a whole: under a temporary name, synced, renamed.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = partial_name(path)?;
    let write = || {
        let mut file = std::fs::File::create(&partial)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    };
    if let Err(e) = write() {
        let _ = std::fs::remove_file(&partial);
        return Err(IoError::system(&partial, "write", e));
    }
    publish(&partial, path)
}

/// Reads a small JSON file.
///
/// # Errors
/// It is not there, is no JSON, or says something else than a `T`.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|e| IoError::system(path, "read", e))?;
    serde_json::from_slice(&bytes).map_err(|e| IoError::damaged(path, format!("JSON: {e}")))
}

/// Makes a folder, and those it lies in, where they are not there.
pub fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| IoError::system(path, "create the folder", e))
}

/// Where a file stands until it is whole: `NAME.partial` beside it.
pub(super) fn partial_name(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| IoError::content(path.display().to_string(), "is no file name", "name a file"))?;
    let mut partial = OsString::from(name);
    partial.push(".partial");
    Ok(path.with_file_name(partial))
}

/// A rename outlives a power cut only when the folder it happened in is synced; not every system lets a folder be opened.
pub(super) fn sync_parent(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Gives a finished file its name, for good.
pub(super) fn publish(partial: &Path, path: &Path) -> Result<()> {
    std::fs::rename(partial, path).map_err(|e| IoError::system(path, "rename the finished file to", e))?;
    sync_parent(path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replace_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for text in ["one", "two"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("absent/a.json");
        let message = replace(&place, b"text").unwrap_err().to_string();
        assert!(message.contains(&place.display().to_string()), "{message}");
        assert!(replace(Path::new("/"), b"text").is_err());
    }
}
