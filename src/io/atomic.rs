//! A file appears whole or not at all: written under a temporary name, synced, renamed.

use super::error::{IoError, Result};
use super::partial::Partial;
use super::sums;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Writes a small file of any kind as a whole: under a temporary name, synced, renamed.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = Partial::begin(path)?;
    let file = partial.file();
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| IoError::system(path, "write", e))?;
    partial.publish()
}

/// Reads a small JSON file.
///
/// # Errors
/// It is not there, differs from its digest where it has one, is no JSON, or says something else than a `T`.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&sums::read(path)?).map_err(|e| IoError::damaged(path, format!("JSON: {e}")))
}

/// Makes a folder, and those it lies in, where they are not there.
pub fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| IoError::system(path, "create the folder", e))
}

/// A rename outlives a power cut only when the folder it happened in is synced; not every system lets a folder be opened or
/// synced.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(open) = std::fs::File::open(folder) else { return Ok(()) };
    match open.sync_all() {
        Err(e)
            if !matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied) =>
        {
            Err(IoError::system(folder, "sync the folder", e))
        }
        _ => Ok(()),
    }
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
