//! A start on a full disk: a server that can read serves what it has.

use std::fmt::Display;

use super::{StartError, failed};
use crate::records::{Degraded, Records};

/// What came of something that a start writes. When the disk is full it is left out, with a line in the log: a restart must
/// not take a server away that could still be read.
///
/// # Errors
/// What failed for any other reason.
pub(super) fn skip_if_disk_full<T: Default>(records: &Records, done: Result<T, impl Display>) -> Result<T, StartError> {
    match done {
        Err(error) if records.degraded() == Some(Degraded::DiskFull) => {
            let hint = "start again when there is room";
            tracing::warn!(%error, hint, "the disk of the data is full: part of this start was left out");
            Ok(T::default())
        }
        done => done.map_err(failed),
    }
}
