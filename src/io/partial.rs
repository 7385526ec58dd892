//! A file while it is written: `.NAME.posteria.partial`, beside the name it will have.
//!
//! Such a name is made anew, never opened: no link that lies there is followed. It is locked as long as its writer lives, so
//! that a second writer of the same file is told at once, and what a killed one left is known and removed.

use super::atomic::sync_parent;
use super::error::{IoError, Result};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const ENDING: &str = ".posteria.partial";

/// What this process is writing. Whoever holds it decides what is there.
static WRITTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn written() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file being written. Dropped before [`Partial::publish`], it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    place: PathBuf,
    /// Holds the lock.
    file: File,
    is_published: bool,
}

impl Partial {
    /// Starts `path`, an empty file. The folder must exist.
    ///
    /// # Errors
    /// Another process is writing the same file, or it cannot be made there.
    pub fn begin(path: &Path) -> Result<Self> {
        let place = place_of(path)?;
        let mut written = written();
        let file = claim(&place).map_err(|e| IoError::system(path, "create", e))?.ok_or_else(|| {
            let what = "is being written by another posteria";
            IoError::content(path.display().to_string(), what, "wait for it, or name another file")
        })?;
        written.insert(place.clone());
        Ok(Self { path: path.into(), place, file, is_published: false })
    }

    /// The name the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it stands until then.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// For its content.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the finished and synced file its name, for good.
    pub fn publish(mut self) -> Result<()> {
        {
            let mut written = written();
            std::fs::rename(&self.place, &self.path)
                .map_err(|e| IoError::system(&self.path, "rename the finished file to", e))?;
            written.remove(&self.place);
            self.is_published = true;
        }
        sync_parent(&self.path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Once it has its name, the place may be that of another writer.
        if !self.is_published {
            let mut written = written();
            // An error has been reported already.
            let _ = std::fs::remove_file(&self.place);
            written.remove(&self.place);
        }
    }
}

/// Removes what this process is writing, just before it ends; from here on it writes no file.
pub fn abandon() {
    let written = written();
    for place in written.iter() {
        // There is nobody left to tell.
        let _ = std::fs::remove_file(place);
    }
    std::mem::forget(written);
}

/// Removes what writers that are gone left unfinished in a folder of ours: whatever is called `*.partial` there.
pub fn tidy(folder: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        entries => entries.map_err(|e| IoError::system(folder, "list", e))?,
    };
    for entry in entries {
        let path = entry.map_err(|e| IoError::system(folder, "list", e))?.path();
        if path.extension().is_some_and(|ending| ending == "partial") {
            let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
            let removed = if is_folder { std::fs::remove_dir_all(&path) } else { remove_leftover(&path).map(drop) };
            removed.map_err(|e| IoError::system(&path, "remove", e))?;
        }
    }
    Ok(())
}

/// The name that an unfinished file or folder will have, by what it is called now.
pub fn finished_name(unfinished: &OsStr) -> Option<&str> {
    unfinished.to_str()?.strip_prefix('.')?.strip_suffix(ENDING)
}

/// Where a file or folder stands until it is whole.
pub(super) fn place_of(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| IoError::content(path.display().to_string(), "is no file name", "name a file"))?;
    let mut place = OsString::from(".");
    place.push(name);
    place.push(ENDING);
    Ok(path.with_file_name(place))
}

/// Makes a file and locks it; none where another process writes it.
fn claim(place: &Path) -> std::io::Result<Option<File>> {
    loop {
        match File::options().read(true).write(true).create_new(true).open(place) {
            Ok(file) => match file.try_lock() {
                Ok(()) if is_at(&file, place) => return Ok(Some(file)),
                // Before it was locked, another who wants to write took it for a leftover.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    let _ = std::fs::remove_file(place);
                    return Err(error);
                }
            },
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !remove_leftover(place)? {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes what nobody writes any more; returns false where somebody does. A link is removed, not what it names.
fn remove_leftover(place: &Path) -> std::io::Result<bool> {
    let gone = |done: std::io::Result<()>| match done {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    };
    if place.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return gone(std::fs::remove_file(place));
    }
    let file = match File::open(place) {
        Err(error) => return gone(Err(error)),
        Ok(file) => file,
    };
    match file.try_lock() {
        Ok(()) if is_at(&file, place) => gone(std::fs::remove_file(place)),
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether an open file is the one at a place.
#[cfg(unix)]
fn is_at(file: &File, place: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let at = |found: std::fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata().map(at), place.symlink_metadata().map(at)), (Ok(open), Ok(there)) if open == there)
}

/// Whether an open file is the one at a place: nobody can take away a file that is open.
#[cfg(not(unix))]
fn is_at(_file: &File, place: &Path) -> bool {
    place.exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn of_two_writers_the_second_is_refused_and_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let mut first = Partial::begin(&path).unwrap();
        for _ in 0..2 {
            let message = Partial::begin(&path).unwrap_err().to_string();
            assert!(message.contains("a.h5: is being written by another posteria"), "{message}");
        }
        tidy(folder.path()).unwrap();
        first.file().write_all(b"first").unwrap();
        first.publish().unwrap();
        assert_eq!((names(folder.path()), std::fs::read(&path).unwrap()), (vec!["a.h5".to_owned()], b"first".to_vec()));
        drop(Partial::begin(&path).unwrap());
        assert_eq!((names(folder.path()), std::fs::read(&path).unwrap()), (vec!["a.h5".to_owned()], b"first".to_vec()));
    }

    #[test]
    fn of_many_that_begin_at_once_one_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        for _ in 0..200 {
            // Sometimes after a kill.
            std::fs::write(place_of(&path).unwrap(), "half").unwrap();
            let barrier = std::sync::Barrier::new(4);
            let begun: Vec<_> = std::thread::scope(|scope| {
                let begin = || {
                    barrier.wait();
                    let place = place_of(&path).unwrap();
                    claim(&place).unwrap()
                };
                let all: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(begun.iter().flatten().count(), 1);
            assert!(is_at(begun.iter().flatten().next().unwrap(), &place_of(&path).unwrap()));
        }
    }

    #[test]
    fn what_a_killed_writer_left_is_replaced_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        std::fs::write(place_of(&path).unwrap(), "half a file").unwrap();
        let mut partial = Partial::begin(&path).unwrap();
        partial.file().write_all(b"all").unwrap();
        partial.publish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"all");
        std::fs::write(place_of(&path).unwrap(), "half a file").unwrap();
        std::fs::create_dir(folder.path().join(".model.posteria.partial")).unwrap();
        assert_eq!(finished_name(OsStr::new(".model.posteria.partial")), Some("model"));
        tidy(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["a.h5"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_of_others_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join("a.h5"), folder.path().join("precious"));
        std::fs::write(&precious, "precious").unwrap();
        for hard in [false, true] {
            let place = place_of(&path).unwrap();
            match hard {
                true => std::fs::hard_link(&precious, place).unwrap(),
                false => std::os::unix::fs::symlink(&precious, place).unwrap(),
            }
            let mut partial = Partial::begin(&path).unwrap();
            partial.file().write_all(b"ours").unwrap();
            partial.publish().unwrap();
            assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
            assert_eq!(std::fs::read(&path).unwrap(), b"ours");
        }
    }
}
