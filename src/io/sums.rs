//! `SHA256SUMS`: the digests of the files of a folder that carry none of their own, as `sha256sum -c` reads them.
//!
//! A file with an entry must agree with it. One without, such as a log that is still being written, is read as it is.

use super::atomic::replace;
use super::error::{IoError, Result};
use super::fingerprint::hexadecimal;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// The name of the file of digests.
pub const SUMS: &str = "SHA256SUMS";

/// Digests by the names of files.
pub(super) type Sums = BTreeMap<String, String>;

/// Writes files into a folder, with their digests. A crash leaves none of them, or the first of them, all as they are meant.
pub fn write(folder: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    for (name, _) in files {
        remove(&folder.join(name))?;
    }
    // Before the files: a digest without a file does no harm.
    change(folder, |sums| sums.extend(files.iter().map(|(name, bytes)| ((*name).to_owned(), digest(bytes)))))?;
    files.iter().try_for_each(|(name, bytes)| replace(&folder.join(name), bytes))
}

/// Notes the digest of a file that is there, and will not change any more.
pub fn add(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    change(folder, |sums| _ = sums.insert(name.to_owned(), digest(bytes)))
}

/// Forgets the digests of files that are gone, or about to change.
pub fn forget(folder: &Path, names: &[&str]) -> Result<()> {
    change(folder, |sums| sums.retain(|name, _| !names.contains(&name.as_str())))
}

/// Reads a file and holds it against its digest, where its folder has one.
///
/// # Errors
/// It is not there, or differs from its digest.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|e| IoError::system(path, "read", e))?;
    match known(path)? {
        Some(known) if known != digest(&bytes) => {
            Err(IoError::damaged(path, format!("its content differs from its digest in {SUMS}")))
        }
        _ => Ok(bytes),
    }
}

/// Holds a file, which is read whole, against its digest; without one it is not read.
pub(super) fn verify(path: &Path) -> Result<()> {
    if known(path)?.is_some() { read(path).map(drop) } else { Ok(()) }
}

fn known(path: &Path) -> Result<Option<String>> {
    match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (Some(folder), Some(name)) => Ok(of(folder)?.remove(name)),
        _ => Ok(None),
    }
}

/// The digests of a folder, none where it has no file of them.
fn of(folder: &Path) -> Result<Sums> {
    let path = folder.join(SUMS);
    match std::fs::read(&path) {
        Ok(text) => parse(&text).ok_or_else(|| IoError::damaged(&path, "it is not a list of digests")),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Sums::new()),
        Err(e) => Err(IoError::system(&path, "read", e)),
    }
}

fn change(folder: &Path, edit: impl FnOnce(&mut Sums)) -> Result<()> {
    let before = of(folder)?;
    let mut sums = before.clone();
    edit(&mut sums);
    if sums == before { Ok(()) } else { replace(&folder.join(SUMS), text(&sums).as_bytes()) }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(IoError::system(path, "remove", e)),
        _ => Ok(()),
    }
}

/// One line a file.
pub(super) fn text(sums: &Sums) -> String {
    sums.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}

pub(super) fn parse(text: &[u8]) -> Option<Sums> {
    let entry = |line: &str| {
        let (digest, name) = line.split_once("  ").or_else(|| line.split_once(" *"))?;
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_digest && !name.is_empty()).then(|| (name.to_owned(), digest.to_owned()))
    };
    std::str::from_utf8(text).ok()?.lines().map(entry).collect()
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_refused_until_its_digest_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        std::fs::write(folder.join("old.json"), "{}").unwrap();
        assert_eq!(read(&folder.join("old.json")).unwrap(), b"{}", "a folder without digests");
        write(folder, &[("a.json", b"{1}"), ("b.json", b"{2}")]).unwrap();
        add(folder, "old.json", b"{}").unwrap();
        for (name, content) in [("a.json", "{1}"), ("b.json", "{2}"), ("old.json", "{}")] {
            assert_eq!(read(&folder.join(name)).unwrap(), content.as_bytes());
            std::fs::write(folder.join(name), "{3}").unwrap();
            let message = read(&folder.join(name)).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("differs from its digest"), "{message}");
            forget(folder, &[name]).unwrap();
            assert_eq!(read(&folder.join(name)).unwrap(), b"{3}");
        }
    }

    #[test]
    fn a_damaged_list_is_told() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("a.json", b"{1}")]).unwrap();
        let sums = dir.path().join(SUMS);
        let whole = std::fs::read(&sums).unwrap();
        for (at, byte) in [(3, b'x'), (64, b'_'), (70, 0xff)] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            std::fs::write(&sums, bytes).unwrap();
            let message = read(&dir.path().join("a.json")).unwrap_err().to_string();
            assert!(message.contains(SUMS) && message.contains("damaged"), "{message}");
        }
    }
}
