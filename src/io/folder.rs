//! Folders that are whole or not there: models and checkpoints.
//!
//! A folder is written under `NAME.partial`, with the digests of its files in `SHA256SUMS` (which `sha256sum -c`
//! understands), and renamed as one. While a new one takes the place of an old one, the old one is `NAME.previous` for a
//! moment: a reader who comes at that moment, or after a crash at that moment, takes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{IoError, Result};

const SUMS: &str = "SHA256SUMS";

/// Writes a folder of small files as a whole, in place of what is there.
pub fn write(folder: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let mut unfinished = Unfinished::begin(folder)?;
    for (name, bytes) in files {
        unfinished.add(name, bytes)?;
    }
    unfinished.finish()
}

/// A folder that is written file by file, so that no two files need be in memory together.
pub struct Unfinished<'a> {
    folder: &'a Path,
    partial: PathBuf,
    sums: String,
}

impl<'a> Unfinished<'a> {
    /// Nothing at `folder` changes before [`finish`](Self::finish).
    pub fn begin(folder: &'a Path) -> Result<Self> {
        let partial = beside(folder, "partial");
        clear(&partial)?;
        std::fs::create_dir_all(&partial).map_err(|e| IoError::system(&partial, "create", e))?;
        Ok(Self { folder, partial, sums: String::new() })
    }

    /// Writes one more file.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        super::replace(&self.partial.join(name), bytes)?;
        self.sums += &format!("{}  {name}\n", digest(bytes));
        Ok(())
    }

    /// Puts the folder in place of what is there.
    pub fn finish(self) -> Result<()> {
        super::replace(&self.partial.join(SUMS), self.sums.as_bytes())?;
        let previous = beside(self.folder, "previous");
        if self.folder.exists() {
            clear(&previous)?;
            rename(self.folder, &previous)?;
        }
        rename(&self.partial, self.folder)?;
        super::atomic::sync_parent(self.folder);
        clear(&previous)
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|e| IoError::system(to, "rename the finished folder to", e))
}

/// Whether there is such a folder, or one that was about to be replaced.
pub fn exists(folder: &Path) -> bool {
    folder.join(SUMS).is_file() || beside(folder, "previous").join(SUMS).is_file()
}

/// Removes a folder written by [`write()`], and what a crash left of it. It is gone at once, or wholly there.
pub fn remove(folder: &Path) -> Result<()> {
    let partial = beside(folder, "partial");
    clear(&beside(folder, "previous"))?;
    clear(&partial)?;
    if folder.exists() {
        rename(folder, &partial)?;
    }
    clear(&partial)
}

/// Reads all files of a folder and holds each against its digest.
///
/// # Errors
/// The folder is not there, a file of it is missing or differs from its digest.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let previous = beside(folder, "previous");
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
    let sums = String::from_utf8(open(SUMS)?).map_err(|_| damaged(SUMS, "it is not a list of digests".into()))?;
    let mut files = BTreeMap::new();
    for line in sums.lines() {
        let Some((expected, name)) = line.split_once("  ").filter(|(_, name)| !name.contains(['/', '\\'])) else {
            return Err(damaged(SUMS, "it is not a list of digests".into()));
        };
        let bytes = open(name)?;
        if digest(&bytes) != expected {
            return Err(damaged(name, format!("its content differs from its digest in {SUMS}")));
        }
        files.insert(name.to_owned(), bytes);
    }
    Ok(files)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(suffix);
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
        assert!(!beside(&folder, "previous").exists());

        std::fs::rename(&folder, beside(&folder, "previous")).unwrap();
        assert!(exists(&folder) && read(&folder).is_ok(), "a crash between the two renames loses nothing");
        std::fs::rename(beside(&folder, "previous"), &folder).unwrap();

        std::fs::write(folder.join("a.json"), b"{2}").unwrap();
        let error = read(&folder).unwrap_err().to_string();
        assert!(error.contains("a.json") && error.contains("differs from its digest"), "{error}");
    }
}
