//! Access to a database file: opening it, opening it read-only, and the free room of its disk.

use std::fs::File;
use std::path::Path;

use redb::Database;
use rustix::fs::statvfs;

use super::error::FILE;
use super::open;
use super::overlay::Overlay;
use crate::store::error::StoreError;
use crate::store::panics::catch_panic;

/// Opens the file.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, StoreError> + Send>;

/// How one file is opened.
pub(super) struct FileOpener {
    /// Opens it for reading and writing, the first time and again after a failure.
    pub(super) open: Opener,
    /// Opens it without writing to it, for as long as its disk refuses every write.
    pub(super) open_read_only: Opener,
    /// Whether its disk has room for so many bytes, as far as can be said. Asked only after the disk was full.
    pub(super) has_room: Box<dyn Fn(u64) -> bool + Send>,
}

impl FileOpener {
    /// Opens the file at `path`, with a cache of `cache_bytes`.
    pub(super) fn to_file(path: &Path, cache_bytes: usize) -> Self {
        let (written, read, measured) = (path.to_owned(), path.to_owned(), path.to_owned());
        Self {
            open: Box::new(move || open::database(&written, cache_bytes)),
            open_read_only: Box::new(move || read_only(&read, cache_bytes)),
            has_room: Box::new(move |bytes| room(&measured).is_none_or(|room| room >= bytes)),
        }
    }
}

/// Opens the file at `path` to read it: what redb writes as it opens a file stays in memory.
pub(super) fn read_only(path: &Path, cache_bytes: usize) -> Result<Database, StoreError> {
    let opening = |error| StoreError::io(format!("opening {}", path.display()), error);
    catch_panic(FILE, || {
        let overlay = File::open(path).and_then(Overlay::new).map_err(opening)?;
        Ok(Database::builder().set_cache_size(cache_bytes).create_with_backend(overlay)?)
    })
}

/// The bytes that this user may still write on the disk of `path`; none where that is not known.
fn room(path: &Path) -> Option<u64> {
    statvfs(path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
