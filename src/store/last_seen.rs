//! Detection of roll-back: the last revision of a database is stored in a file beside it, and a start refuses a database
//! whose revision is lower. The file is written when the store is idle and when it is closed, so it may lag behind the
//! database, and is never ahead of it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::batch::Revision;
use super::error::StoreError;
use crate::files;

/// The file beside one database, and what it holds.
pub(super) struct LastSeen {
    path: PathBuf,
    revision: Revision,
}

impl LastSeen {
    /// What is kept beside `database`: revision 0 when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else than a number.
    pub(super) fn beside(database: &Path) -> Result<Self, StoreError> {
        let path = path_beside(database);
        let revision = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| StoreError::MalformedRevision { path: path.clone() })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(StoreError::io(format!("reading {}", path.display()), error)),
        };
        Ok(Self { path, revision })
    }

    /// Removes the file beside `database`, which is about to be made anew.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub(super) fn remove(database: &Path) -> Result<(), StoreError> {
        let path = path_beside(database);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(format!("removing {}", path.display()), error))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a database whose last revision is `found` and was higher when it was last seen.
    ///
    /// # Errors
    /// [`StoreError::RolledBack`].
    pub(super) fn check(&self, database: &Path, found: Revision) -> Result<(), StoreError> {
        if found >= self.revision {
            return Ok(());
        }
        let (database, kept) = (database.to_owned(), self.path.clone());
        Err(StoreError::RolledBack { database, kept, found, last: self.revision })
    }

    /// Keeps `revision`, which is on the disk. What cannot be kept costs the next start its comparison, and nothing else.
    pub(super) fn write(&mut self, revision: Revision) {
        if revision == self.revision {
            return;
        }
        match files::write(&self.path, format!("{revision}\n").as_bytes(), files::PRIVATE) {
            Ok(()) => self.revision = revision,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the last revision could not be kept");
            }
        }
    }
}

/// `keyhaven.redb.revision` beside `keyhaven.redb`.
fn path_beside(database: &Path) -> PathBuf {
    let mut name: OsString = database.as_os_str().to_owned();
    name.push(".revision");
    PathBuf::from(name)
}
