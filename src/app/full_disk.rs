//! Starting on a full disk: the server starts without what it cannot write, and serves reads.

use std::fmt::Display;

use super::{StartError, failed};
use crate::records::{Degraded, Records};

/// Drops the error of a start-up write that failed because the disk is full, and logs it: a restart must not end a server
/// that can still serve reads.
///
/// # Errors
/// An error with any other cause.
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
