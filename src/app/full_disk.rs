//! Starting on a full disk: the server starts without what it cannot write, and serves reads.

use super::error::StartError;
use crate::records::{Degraded, Records};

/// Drops the error of a start-up write that failed because the disk is full, and logs it: a restart must not end a server
/// that can still serve reads.
///
/// # Errors
/// An error with any other cause.
pub(super) fn skip_if_disk_full(
    records: &Records,
    written: Result<(), impl Into<StartError>>,
) -> Result<(), StartError> {
    match written.map_err(Into::into) {
        Err(error) if records.degraded() == Some(Degraded::DiskFull) => {
            let hint = "start again when there is room";
            tracing::warn!(%error, hint, "the disk of the data is full: part of this start was left out");
            Ok(())
        }
        written => written,
    }
}
