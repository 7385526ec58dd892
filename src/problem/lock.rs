//! One at a time in the folder of a run.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use crate::problem::folder::{LOCK, system};
use crate::problem::{ProblemError, RunFolder};

/// How long a lock is waited for.
const A_MOMENT: Duration = Duration::from_millis(200);

impl RunFolder {
    /// Keeps other processes from working in this folder until the lock is dropped, and removes what a killed one left
    /// unfinished there.
    ///
    /// # Errors
    /// One is working there, or the folder is somebody else's.
    pub fn lock(&self) -> Result<File, ProblemError> {
        let path = self.root().join(LOCK);
        let foreign = || Err(ProblemError::Foreign { folder: self.root().into() });
        // What another process is making there may look like anything; from its lock on it is known.
        if !path.exists() && !self.is_ours()? && !path.exists() {
            return foreign();
        }
        std::fs::create_dir_all(self.root()).map_err(|source| system(self.root(), "create the folder", source))?;
        let open = File::options().create(true).append(true).open(&path);
        let file = open.map_err(|source| system(&path, "create", source))?;
        let asked = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Somebody who only looks whether there is work is gone in a moment.
                Err(TryLockError::WouldBlock) if asked.elapsed() < A_MOMENT => std::thread::sleep(A_MOMENT / 20),
                Err(TryLockError::WouldBlock) => return Err(ProblemError::Busy { folder: self.root().into() }),
                Err(TryLockError::Error(source)) => return Err(system(&path, "lock", source)),
            }
        }
        if !self.is_ours()? {
            return foreign();
        }
        self.tidy()?;
        Ok(file)
    }

    /// Whether a process works in this folder. Makes nothing there, keeps nobody from working, and does not count those who
    /// ask as well.
    pub fn is_busy(&self) -> Result<bool, ProblemError> {
        let path = self.root().join(LOCK);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(system(&path, "open", source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(system(&path, "lock", source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Whoever looks on, in any number, is seen neither by the others nor by those who work.
    #[test]
    fn looking_on_disturbs_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::new(dir.path().join("run"));
        assert!(!run.is_busy().unwrap() && !run.root().exists(), "looking makes no folder");
        drop(run.lock().unwrap());
        let is_over = AtomicBool::new(false);
        let look = |expected: bool| {
            for _ in 0..2000 {
                assert_eq!(run.is_busy().unwrap(), expected);
            }
        };
        std::thread::scope(|scope| {
            (0..3).for_each(|_| _ = scope.spawn(|| look(false)));
        });
        std::thread::scope(|scope| {
            (0..3).for_each(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        run.is_busy().unwrap();
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
            });
            (0..100).for_each(|_| drop(run.lock().expect("nobody works here")));
            is_over.store(true, Ordering::Relaxed);
        });
        let _lock = run.lock().unwrap();
        look(true);
    }
}
