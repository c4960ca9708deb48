//! The takeover's CA: constrained to the names that are taken over, and given to programs by their environment alone. Kept with
//! the data it is the same in each start, so that what `keyhaven env` printed stays good; else it is in memory for one start.

use std::path::{Path, PathBuf};

use super::data_error::DataError;
use super::error::StartError;
use crate::clock::Timestamp;
use crate::files;
use crate::http::ca::{Ca, CaError};

/// Its directory, below the data directory.
pub(super) const DIR: &str = "takeover";

/// Loads the CA of the data directory `data`, or creates it there; without a directory, creates one for this start. It certifies
/// `domains` and names one label below, and is replaced when these have changed or its validity ends.
pub(super) fn load_or_create(data: Option<&Path>, domains: &[String], now: Timestamp) -> Result<Ca, StartError> {
    let for_one_start =
        || Ca::ephemeral("Keyhaven takeover CA for one start", domains, false, now).map_err(StartError::new);
    let Some(dir) = data.map(directory) else { return for_one_start() };
    files::create_dir(&dir).map_err(|error| DataError::File(dir.clone(), error))?;
    match Ca::load_or_replace(&dir, "Keyhaven takeover CA", domains, now) {
        // The server starts and serves reads.
        Err(CaError::File(_, error)) if files::is_full(&error) => for_one_start(),
        ca => ca.map_err(StartError::new),
    }
}

/// Where the CA of the data directory `data` lies.
pub(super) fn directory(data: &Path) -> PathBuf {
    data.join(DIR)
}
