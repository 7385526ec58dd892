//! Folders that are whole or not there: models and checkpoints.
//!
//! A folder is written under another name, with the digests of its files in `SHA256SUMS`, and renamed as one. While a new
//! one takes the place of an old one, the old one is `NAME.previous` for a moment: a reader who comes at that moment, or
//! after a crash at that moment, takes it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::atomic::sync_parent;
use super::error::{IoError, Result};
use super::partial::place_of;
use super::sums::{self, SUMS, Sums, digest};

/// Writes a folder of small files as a whole, in place of what is there.
pub fn write(folder: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let mut unfinished = Unfinished::begin(folder)?;
    for (name, bytes) in files {
        unfinished.add(name, bytes)?;
    }
    unfinished.finish()
}

/// A folder that is written file by file, so that no two files need be in memory together. Dropped before
/// [`finish`](Self::finish), it leaves nothing behind.
pub struct Unfinished<'a> {
    folder: &'a Path,
    place: PathBuf,
    sums: Sums,
}

impl<'a> Unfinished<'a> {
    /// Nothing at `folder` changes before [`finish`](Self::finish).
    pub fn begin(folder: &'a Path) -> Result<Self> {
        let place = place_of(folder)?;
        clear(&place)?;
        if let Some(parent) = folder.parent() {
            super::create_folder(parent)?;
        }
        std::fs::create_dir(&place).map_err(|e| IoError::system(folder, "create", e))?;
        Ok(Self { folder, place, sums: Sums::new() })
    }

    /// Writes one more file.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put(name, bytes)?;
        self.sums.insert(name.to_owned(), digest(bytes));
        Ok(())
    }

    /// Puts the folder in place of what is there.
    pub fn finish(self) -> Result<()> {
        self.put(SUMS, sums::text(&self.sums).as_bytes())?;
        sync_parent(&self.place.join(SUMS))?;
        let previous = previous(self.folder);
        if self.folder.exists() {
            clear(&previous)?;
            rename(self.folder, &previous)?;
        }
        rename(&self.place, self.folder)?;
        sync_parent(self.folder)?;
        clear(&previous)
    }

    /// The folder is whole or not there, and so is each of its files.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.place.join(name);
        let write = || {
            let mut file = std::fs::File::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|e| IoError::system(&self.folder.join(name), "write", e))
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // After `finish` there is none; elsewhere an error has been reported already.
        let _ = clear(&self.place);
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|e| IoError::system(to, "rename the finished folder to", e))
}

/// Whether there is such a folder, or one that was about to be replaced.
pub fn exists(folder: &Path) -> bool {
    folder.join(SUMS).is_file() || previous(folder).join(SUMS).is_file()
}

/// Removes a folder written by [`write()`], and what a crash left of it. It is gone at once, or wholly there.
pub fn remove(folder: &Path) -> Result<()> {
    let place = place_of(folder)?;
    clear(&previous(folder))?;
    clear(&place)?;
    if folder.exists() {
        rename(folder, &place)?;
    }
    clear(&place)
}

/// Removes what a crash left beside a folder of ours, but for what a reader would take in its place.
pub fn tidy(folder: &Path) -> Result<()> {
    let previous = previous(folder);
    if folder.join(SUMS).is_file() || !previous.join(SUMS).is_file() { clear(&previous) } else { Ok(()) }
}

/// Reads all files of a folder and holds each against its digest.
///
/// # Errors
/// The folder is not there, a file of it is missing or differs from its digest.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let previous = previous(folder);
    let folder = if !folder.exists() && previous.exists() { previous.as_path() } else { folder };
    let damaged = |name: &str, what| IoError::Damaged {
        path: folder.join(name),
        what,
        remedy: format!("restore it from a copy, or delete the folder {} and make it again", folder.display()),
    };
    let open = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound if folder.is_dir() => damaged(name, "it is missing".into()),
            _ => IoError::system(&path, "open", e),
        })
    };
    let sums = sums::parse(&open(SUMS)?)
        .filter(|sums| sums.keys().all(|name| !name.contains(['/', '\\'])))
        .ok_or_else(|| damaged(SUMS, "it is not a list of digests".into()))?;
    let mut files = BTreeMap::new();
    for (name, expected) in sums {
        let bytes = open(&name)?;
        if digest(&bytes) != expected {
            return Err(damaged(&name, format!("its content differs from its digest in {SUMS}")));
        }
        files.insert(name, bytes);
    }
    Ok(files)
}

/// Where the folder lies that a new one takes the place of.
fn previous(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(".previous");
    folder.with_file_name(name)
}

fn clear(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(IoError::system(path, "remove", e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_as_a_whole_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("model");
        write(&folder, &[("a.json", b"{}"), ("b.bin", b"12345")]).unwrap();
        write(&folder, &[("a.json", b"{1}")]).unwrap();
        assert_eq!(read(&folder).unwrap(), BTreeMap::from([("a.json".to_string(), b"{1}".to_vec())]));
        assert!(!previous(&folder).exists());

        std::fs::rename(&folder, previous(&folder)).unwrap();
        assert!(exists(&folder) && read(&folder).is_ok(), "a crash between the two renames loses nothing");
        std::fs::rename(previous(&folder), &folder).unwrap();

        std::fs::write(folder.join("a.json"), b"{2}").unwrap();
        let error = read(&folder).unwrap_err().to_string();
        assert!(error.contains("a.json") && error.contains("differs from its digest"), "{error}");
    }
}
