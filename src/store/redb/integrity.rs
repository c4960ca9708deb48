//! The integrity check of a database file: redb checks every page against its checksum, on a copy-on-write view of the file, so
//! that nothing is repaired and what is damaged stays as it was found.
//!
//! After a kill, redb has something to do that is no damage: it undoes a commit that had not reached the disk whole, and
//! works out which pages are free. Such a repair succeeds; only what it cannot do is damage. (That redb's
//! `check_integrity` answers `false` does not distinguish the two.)

use std::fs::{File, TryLockError};
use std::path::Path;

use redb::{Database, RepairSession};

use super::error::FILE;
use super::open::refusal;
use super::overlay::Overlay;
use crate::store::error::StoreError;
use crate::store::panics::catch_panic;

/// Refuses the file at `path` when any page that counts is damaged, or when its contents are not `admitted`. Returns whether
/// its pages were checked: those of a file of more than `limit` bytes are not.
///
/// # Errors
/// [`StoreError::DamagedFile`]; [`StoreError::InUse`] when another process has the file open; what opening it says, and what
/// `admitted` says.
pub(super) fn check(
    path: &Path,
    limit: u64,
    cache_bytes: usize,
    admitted: impl FnOnce(&Database) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let file = locked(path)?;
    let failed = |error| StoreError::io(format!("opening {}", path.display()), error);
    let small = file.metadata().map_err(failed)?.len() <= limit;
    let checked = match small {
        true => view(path, &file, Pages::Checked, cache_bytes).and_then(|database| admitted(&database)),
        // What has to be repaired first is admitted when it is open: repairing a large file twice would take seconds more.
        false => view(path, &file, Pages::Intact, cache_bytes).map_or(Ok(()), |database| admitted(&database)),
    };
    // Said here, because a process that was just forked may hold the file open for a moment.
    let _ = file.unlock();
    checked.map(|()| small)
}

/// The file at `path`, open for reading; no process writes to it before it is unlocked or closed.
///
/// # Errors
/// [`StoreError::InUse`]; what opening it says.
pub(super) fn locked(path: &Path) -> Result<File, StoreError> {
    let file = File::open(path).map_err(|error| StoreError::io(format!("opening {}", path.display()), error))?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.into() }),
        // Some file systems have no locks; redb does without them, too.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Which pages are checked when a view is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pages {
    /// All that count.
    Checked,
    /// None: what is whole of a damaged file can be read.
    Trusted,
    /// None, and a file that needs a repair is not opened.
    Intact,
}

/// The database in `file`, which is the one at `path`; what is written to it stays in memory.
///
/// # Errors
/// [`StoreError::DamagedFile`]; what opening it says.
pub(super) fn view(path: &Path, file: &File, pages: Pages, cache_bytes: usize) -> Result<Database, StoreError> {
    let opened = catch_panic(FILE, || {
        let overlay = file.try_clone().and_then(Overlay::new);
        let overlay = overlay.map_err(|error| StoreError::io(format!("opening {}", path.display()), error))?;
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes).set_check_integrity_on_open(pages == Pages::Checked);
        if pages == Pages::Intact {
            builder.set_repair_callback(RepairSession::abort);
        }
        builder.create_with_backend(overlay).map_err(|error| refusal(path, error))
    });
    opened.map_err(|error| error.of_file(path))
}
