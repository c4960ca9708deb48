//! A file of one process in a directory that others use too. It goes with its process: at its end, or, when it was killed, with
//! the next such file in that directory.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::private_dir::{ATTEMPTS, PREFIX, is_at};
use super::temp_files::is_own;

/// A file of mode 0600 under a name of its own, which is removed when this value is dropped. Its process holds a lock on it.
#[derive(Debug)]
pub(crate) struct PrivateFile(NamedTempFile);

impl PrivateFile {
    /// A new file in `dir` that holds `bytes` and whose name ends in `suffix`. Those of this user's dead processes are removed
    /// first.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new_in(dir: &Path, suffix: &str, bytes: &[u8]) -> io::Result<Self> {
        remove_stale(dir, suffix);
        for _ in 0..ATTEMPTS {
            let mut file = tempfile::Builder::new().prefix(PREFIX).suffix(suffix).tempfile_in(dir)?;
            file.as_file().lock()?;
            if is_at(file.as_file(), file.path())? {
                file.write_all(bytes)?;
                return Ok(Self(file));
            }
        }
        Err(io::Error::other("a private file was removed as soon as it was made"))
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Removes the files of such names whose process is dead; what cannot be removed stays.
fn remove_stale(dir: &Path, suffix: &str) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    for path in entries.filter(|entry| is_named(&entry.file_name().to_string_lossy(), suffix)).map(|entry| entry.path())
    {
        // Its lock is held until the file is gone: a process that has just made the file and waits
        // for the lock sees then that it is gone, and makes another.
        if let Some(_dead) = lock_if_stale(&path) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// The lock of the file at `path`, if that is one of this user whose process is dead.
fn lock_if_stale(path: &Path) -> Option<File> {
    // Asked first: to open something else than a file may wait for ever.
    path.symlink_metadata().ok().filter(|about| about.is_file() && is_own(about))?;
    let file = File::open(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

fn is_named(name: &str, suffix: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_dead_process_goes_with_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let alive = PrivateFile::new_in(dir.path(), ".key", b"alive").unwrap();
        let (_, dead) = PrivateFile::new_in(dir.path(), ".key", b"dead").unwrap().0.keep().unwrap();
        let others = ["keyhaven-notes.txt", "arc.key"].map(|name| dir.path().join(name));
        for other in &others {
            std::fs::write(other, "kept").unwrap();
        }
        let next = PrivateFile::new_in(dir.path(), ".key", b"next").unwrap();
        assert!(!dead.exists());
        assert!([alive.path(), next.path()].into_iter().chain(others.iter().map(AsRef::as_ref)).all(Path::exists));
        assert_eq!(std::fs::read(alive.path()).unwrap(), b"alive");
    }

    #[test]
    fn the_lock_of_a_dead_process_is_held_until_its_file_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (_, dead) = PrivateFile::new_in(dir.path(), ".key", b"dead").unwrap().0.keep().unwrap();
        let lock = lock_if_stale(&dead).unwrap();
        assert!(lock_if_stale(&dead).is_none(), "another process waits for it");
        drop(lock);
        assert!(lock_if_stale(&dead).is_some());
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("keyhaven-pipe.key");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        PrivateFile::new_in(dir.path(), ".key", b"next").unwrap();
        assert!(pipe.exists());
    }

    #[test]
    fn one_that_is_being_made_is_made_though_others_clean_up_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|threads| {
            let makers = (0..4).map(|_| {
                threads.spawn(|| {
                    for _ in 0..200 {
                        let made = PrivateFile::new_in(dir.path(), ".key", b"needed").unwrap();
                        std::thread::yield_now();
                        assert_eq!(std::fs::read(made.path()).unwrap(), b"needed");
                    }
                })
            });
            let makers: Vec<_> = makers.collect();
            while !makers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                remove_stale(dir.path(), ".key");
            }
        });
    }
}
