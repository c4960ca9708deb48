//! Inspecting a sled database: its records are counted and each value is opened. sled repairs what it opens, so it gets a
//! copy.

use std::path::Path;

use super::copy::Copied;
use super::open;
use crate::files;
use crate::store::batch::Entry;
use crate::store::error::StoreError;
use crate::store::inspection::Inspection;
use crate::store::last_seen::LastSeen;
use crate::store::master::MasterKey;

/// What is wrong with the database at `path`; intact records are passed to `visit`.
///
/// # Errors
/// When it cannot be looked at.
pub(crate) fn inspect(path: &Path, master: &MasterKey, visit: &mut dyn FnMut(Entry)) -> Result<Inspection, StoreError> {
    let failed = |error| StoreError::io(format!("copying {} to look at it", path.display()), error);
    let copy = Copied::of(path).map_err(failed)?;
    let mut inspection = Inspection::default();
    let opened = match open::database(&copy.path(), master) {
        Ok(opened) => opened,
        Err(StoreError::Damaged { why, .. }) => {
            inspection.add_file_damage(format!("it is damaged: {why}"));
            return Ok(inspection);
        }
        // The user knows no copy.
        Err(StoreError::OldFormat { found, known, .. }) => {
            return Err(StoreError::OldFormat { directory: files::parent_of(path).to_owned(), found, known });
        }
        Err(StoreError::NotADatabase { why, .. }) => return Err(StoreError::NotADatabase { path: path.into(), why }),
        Err(error) => return Err(error),
    };
    if let Err(older) = LastSeen::beside(path).and_then(|seen| seen.check(path, opened.revision)) {
        inspection.add_refusal(path, &older);
    }
    for (key, record) in &opened.records {
        let value = opened.sealer.open(key, record.revision, &record.stored);
        inspection.add_record(key, value.map(|value| (record.revision, value)), visit);
    }
    Ok(inspection)
}
