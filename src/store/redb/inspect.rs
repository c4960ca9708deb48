//! Inspecting a database file: pages against their checksums, then every record that can be read.

use std::fs::File;
use std::path::Path;

use redb::Database;

use super::integrity::{self, Pages};
use super::open::read_meta;
use super::scrub::counted;
use super::view::{FileView, split};
use crate::store::batch::{Entry, Revision};
use crate::store::error::StoreError;
use crate::store::inspection::Inspection;
use crate::store::key::EntryKey;
use crate::store::last_seen::LastSeen;
use crate::store::master::MasterKey;
use crate::store::sealed::Sealer;

/// The memory that may hold pages of the file.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// How many more records are read than the table counts: damage can make a tree that has no end.
const TOO_MANY: u64 = 1000;

/// What is wrong with the database at `path`; intact records are passed to `visit`.
///
/// # Errors
/// When it cannot be looked at.
pub(crate) fn inspect(path: &Path, master: &MasterKey, visit: &mut dyn FnMut(Entry)) -> Result<Inspection, StoreError> {
    let (file, mut inspection) = (integrity::locked(path)?, Inspection::default());
    let Some(database) = opened(path, &file, &mut inspection)? else { return Ok(inspection) };
    let (sealer, revision) = match read_meta(path, &database, master) {
        Ok(admitted) => admitted,
        Err(error @ StoreError::Damaged { .. }) => {
            inspection.add_refusal(path, &error);
            return Ok(inspection);
        }
        // A file whose pages are damaged may seem to have another key or format.
        Err(error) if !inspection.damage.is_empty() => {
            inspection.add_file_damage(format!("none of its records can be read: {error}"));
            return Ok(inspection);
        }
        Err(error) => return Err(error),
    };
    if let Err(older) = LastSeen::beside(path).and_then(|seen| seen.check(path, revision)) {
        inspection.add_refusal(path, &older);
    }
    if let Err(error) = FileView::begin(&database).and_then(|view| records(&view, &sealer, &mut inspection, visit)) {
        inspection.add_file_damage(format!("the other records cannot be read: {}", why(error)));
    }
    Ok(inspection)
}

/// The database, with what is wrong with its pages noted; nothing when not even a damaged one could be opened.
fn opened(path: &Path, file: &File, inspection: &mut Inspection) -> Result<Option<Database>, StoreError> {
    match integrity::view(path, file, Pages::Checked, CACHE_BYTES) {
        Ok(database) => return Ok(Some(database)),
        Err(error @ StoreError::DamagedFile { .. }) => {
            inspection.add_file_damage(format!("its pages are damaged: {}", why(error)));
        }
        Err(error) => return Err(error),
    }
    match integrity::view(path, file, Pages::Trusted, CACHE_BYTES) {
        Ok(database) => Ok(Some(database)),
        Err(error) => {
            inspection.add_file_damage(format!("none of its records can be read: {}", why(error)));
            Ok(None)
        }
    }
}

/// Passes intact records to `visit`, from the first on; and where a damaged page stops that, from the last back to it.
fn records(
    view: &FileView,
    sealer: &Sealer,
    inspection: &mut Inspection,
    visit: &mut dyn FnMut(Entry),
) -> Result<(), StoreError> {
    let count = view.count()?;
    let (mut walked, mut former) = (0, None::<EntryKey>);
    let forwards = view.each(false, |at, record| {
        let key = EntryKey::from(at);
        if former.as_ref().is_some_and(|former| *former >= key) {
            inspection.add_file_damage(format!("the key {key} is out of order"));
        }
        inspection.add_record(&key, value(sealer, &key, record), visit);
        walked += 1;
        former = Some(key);
        walked < count.saturating_add(TOO_MANY)
    });
    if let Err(error) = forwards {
        let last = former.unwrap_or_else(|| EntryKey::from(""));
        inspection.add_file_damage(format!("records behind '{last}' cannot be read: {}", why(error)));
        return backwards(view, sealer, &last, inspection, visit);
    }
    if let Err(error) = counted(walked, count) {
        inspection.add_file_damage(why(error));
    }
    Ok(())
}

/// Passes intact records to `visit`, from the one behind `last` to the last, in ascending order.
fn backwards(
    view: &FileView,
    sealer: &Sealer,
    last: &EntryKey,
    inspection: &mut Inspection,
    visit: &mut dyn FnMut(Entry),
) -> Result<(), StoreError> {
    let mut found = Vec::<(EntryKey, _)>::new();
    let outcome = view.each(true, |at, record| {
        let key = EntryKey::from(at);
        let goes_on = key > *last && found.last().is_none_or(|(behind, _)| *behind > key);
        if goes_on {
            found.push((key.clone(), value(sealer, &key, record)));
        }
        goes_on
    });
    for (key, opened) in found.into_iter().rev() {
        inspection.add_record(&key, opened, visit);
    }
    outcome
}

fn value(sealer: &Sealer, key: &EntryKey, record: &[u8]) -> Result<(Revision, crate::store::Value), StoreError> {
    let (revision, sealed) = split(key, record)?;
    Ok((revision, sealer.open(key, revision, sealed)?))
}

/// What is wrong, without where.
fn why(error: StoreError) -> String {
    match error {
        StoreError::Damaged { why, .. } | StoreError::DamagedFile { why, .. } => why,
        other => other.to_string(),
    }
}
