//! The format of the data on the disk: one number for every engine on disk, checked before anything is written.
//!
//! Each engine stores the number in its own way (`open.rs` of each). It covers everything that an older or newer build
//! could not read: the engine's records, the sealed values, and what the rooms above put into them.
//!
//! Every format from [`FORMAT`] on has to stay readable once it is released. To change the format:
//! 1. raise [`FORMAT`], and let [`check`] accept the released formats before it;
//! 2. migrate in `open.rs` of every engine on disk, in one transaction that also stores the new number, so that a kill in between
//!    leaves the old format whole;
//! 3. add a data directory of the last release to `tests/it/formats/`, with the test that it opens.

use std::path::Path;

use super::error::StoreError;
use crate::files;

/// The format that this build writes, and the oldest that it reads. (Format 1 was never released.)
pub(super) const FORMAT: u32 = 2;

/// Refuses the database at `path` unless `number`, the format that it names, is one that this build reads.
///
/// # Errors
/// [`StoreError::OldFormat`]; [`StoreError::UnknownFormat`] for a newer one; [`StoreError::NotADatabase`] when it names none.
pub(super) fn check(path: &Path, number: Option<u32>) -> Result<(), StoreError> {
    match number {
        Some(FORMAT) => Ok(()),
        Some(found) if found < FORMAT => {
            Err(StoreError::OldFormat { directory: files::parent_of(path).to_owned(), found, known: FORMAT })
        }
        Some(found) => Err(StoreError::UnknownFormat { found, known: FORMAT }),
        None => Err(StoreError::NotADatabase { path: path.into(), why: "it names no format".into() }),
    }
}
