//! Inspecting a database on the disk without changing it: for `keyhaven check`.

use std::path::Path;

use super::batch::Entry;
use super::error::StoreError;
use super::inspection::Inspection;
use super::master::MasterKey;
#[cfg(feature = "sled")]
use super::sled;
use super::{Store, redb};

impl Store {
    /// Checks every page and every record of the redb database at `path`, which no process may have open, and passes each
    /// intact record to `visit`, in the order of their keys. Nothing is written, at `path` or elsewhere.
    ///
    /// # Errors
    /// When it cannot be read: another process uses it, it is not a Keyhaven database, `master` does not open it.
    pub fn inspect_redb(
        path: &Path,
        master: &MasterKey,
        mut visit: impl FnMut(Entry),
    ) -> Result<Inspection, StoreError> {
        redb::inspect(path, master, &mut visit)
    }

    /// As [`Store::inspect_redb`], of the sled database in the directory at `path`. sled writes to what it opens, so a copy
    /// in a private temporary directory is opened.
    #[cfg(feature = "sled")]
    pub fn inspect_sled(
        path: &Path,
        master: &MasterKey,
        mut visit: impl FnMut(Entry),
    ) -> Result<Inspection, StoreError> {
        sled::inspect(path, master, &mut visit)
    }
}
