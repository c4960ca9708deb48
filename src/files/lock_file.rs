//! A lock file: one process at a time works on what lies beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::PRIVATE;

/// An exclusive lock on a file, released when this is dropped. It excludes other processes and other threads of this one.
#[derive(Debug)]
pub(crate) struct LockFile(File);

impl LockFile {
    /// Locks the file at `path`, which is created if it is missing; waits until others have released it. May block.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub(crate) fn lock(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        file.lock()?;
        Ok(Self(file))
    }

    /// Locks the file at `path`, which is created if it is missing. None if it is locked already.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub(crate) fn try_lock(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for LockFile {
    /// Unlocks instead of only closing: a child process has a copy of the descriptor between fork and exec.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(PRIVATE).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_released_although_a_copy_of_its_descriptor_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = LockFile::lock(&path).unwrap();
        let _copy = lock.0.try_clone().unwrap();
        assert!(LockFile::try_lock(&path).unwrap().is_none());
        drop(lock);
        assert!(LockFile::try_lock(&path).unwrap().is_some());
    }
}
