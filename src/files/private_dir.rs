//! Private directories that go away with the process that made them: at its end, or, when it was killed, at the next
//! start of any other.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use tempfile::TempDir;

use super::PRIVATE;
use super::temp_files::is_own;

/// What the names of all such directories begin with.
pub(super) const PREFIX: &str = "keyhaven-";
/// The file in each that its process holds a lock on. The system releases the lock when the process ends, however it ends.
const ALIVE: &str = "alive";
/// How often making a directory is tried again, because another process took it for one that a dead process has left.
pub(super) const ATTEMPTS: usize = 16;
/// The bytes that must be free where one is made: bundles of certificates are some hundred kilobytes each.
const MIN_FREE_BYTES: u64 = 4 * 1024 * 1024;
/// The most directories that one start removes: a start must not become long by it.
const MAX_REMOVED: usize = 100;

/// A directory in the temporary directory, for its owner alone (0700). It and all that is in it is removed when this value
/// is dropped.
#[derive(Debug)]
pub(crate) struct PrivateDir {
    dir: TempDir,
    _alive: File,
}

impl PrivateDir {
    /// A new, empty directory (but for its lock). `purpose` is part of its name: `""`, or a word with a hyphen at its end.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new(purpose: &str) -> io::Result<Self> {
        Self::new_in(&parent(), purpose)
    }

    fn new_in(parent: &Path, purpose: &str) -> io::Result<Self> {
        let prefix = format!("{PREFIX}{purpose}");
        for _ in 0..ATTEMPTS {
            let private = Permissions::from_mode(0o700);
            let dir = tempfile::Builder::new().prefix(&prefix).permissions(private).tempdir_in(parent)?;
            if let Some(alive) = locked(&dir.path().join(ALIVE))? {
                return Ok(Self { dir, _alive: alive });
            }
        }
        Err(io::Error::other("a private directory was removed as soon as it was made"))
    }

    /// Its absolute path, without blanks wherever the user keeps temporary files: Java's options are divided at them.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Makes the file at `path` and locks it. None when another process has removed it before it was locked.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let made = OpenOptions::new().create_new(true).write(true).mode(PRIVATE).open(path);
    let file = match made {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        made => made?,
    };
    file.lock()?;
    Ok(is_at(&file, path)?.then_some(file))
}

/// Whether `file` is what lies at `path`. Asked once it is locked: no cleaning up removes it from then on.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (held, there) = (file.metadata()?, path.symlink_metadata());
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())))
}

/// Removes the private directories of this user whose process is dead; returns how many that were. Safe beside processes
/// that make one at the same time. May read a long directory: not for the runtime's threads.
pub(crate) fn remove_stale_private_dirs() -> usize {
    parents().iter().map(|parent| remove_stale_in(parent)).sum()
}

fn remove_stale_in(parent: &Path) -> usize {
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    named.filter(|entry| remove_if_stale(&entry.path())).take(MAX_REMOVED).count()
}

/// Removes `dir` if it is a private directory of this user, and no process holds its lock; returns whether it did.
fn remove_if_stale(dir: &Path) -> bool {
    let is_private = |about: fs::Metadata| about.is_dir() && is_own(&about) && about.mode() & 0o777 == 0o700;
    if !dir.symlink_metadata().is_ok_and(is_private) {
        return false;
    }
    // Opened, never made: a directory without this file is not one of these, or is just being made.
    let Ok(alive) = File::open(dir.join(ALIVE)) else { return false };
    alive.try_lock().is_ok() && fs::remove_dir_all(dir).is_ok()
}

/// Where such a directory is made: the first place that has room, else the first.
fn parent() -> PathBuf {
    let mut parents = parents().into_iter();
    let usual = parents.next().unwrap_or_default();
    if has_room(&usual) { usual } else { parents.find(|other| other.is_dir() && has_room(other)).unwrap_or(usual) }
}

/// The temporary directory, or `/tmp` where that has blanks in its path; and Linux's directory in memory, for a server that is
/// started to read while the disk is full.
fn parents() -> Vec<PathBuf> {
    let usual = std::env::temp_dir();
    let has_blanks = usual.to_string_lossy().contains(char::is_whitespace);
    vec![if has_blanks { PathBuf::from("/tmp") } else { usual }, PathBuf::from("/dev/shm")]
}

fn has_room(dir: &Path) -> bool {
    statvfs(dir).map_or(true, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= MIN_FREE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A private directory as a killed process leaves it: all of it but the lock.
    fn left(parent: &Path, purpose: &str) -> PathBuf {
        let PrivateDir { dir, _alive } = PrivateDir::new_in(parent, purpose).unwrap();
        fs::write(dir.path().join("ca.pem"), "left").unwrap();
        dir.keep()
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let alive = PrivateDir::new_in(parent.path(), "").unwrap();
        let (dead, drill) = (left(parent.path(), ""), left(parent.path(), "drill-"));
        let (open, foreign) = (left(parent.path(), ""), parent.path().join("keyhaven-notes"));
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(&foreign).unwrap();
        let link = parent.path().join("keyhaven-linked");
        let target = left(parent.path(), "").parent().unwrap().join("target");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(remove_stale_in(parent.path()), 3);
        assert!(!dead.exists() && !drill.exists());
        assert!(alive.path().exists() && open.exists() && foreign.exists() && link.symlink_metadata().is_ok());
        assert_eq!(remove_stale_in(parent.path()), 0);
    }

    #[test]
    fn one_that_is_being_made_is_made_though_others_clean_up_meanwhile() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|threads| {
            let makers = (0..4).map(|_| {
                threads.spawn(|| {
                    for _ in 0..100 {
                        let made = PrivateDir::new_in(parent.path(), "").unwrap();
                        fs::write(made.path().join("ca.pem"), "needed").unwrap();
                        assert!(made.path().join(ALIVE).exists());
                    }
                })
            });
            let makers: Vec<_> = makers.collect();
            while !makers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                remove_stale_in(parent.path());
            }
        });
    }
}
