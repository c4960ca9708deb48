//! A database file looked at whole, and as much of it read as is whole: pages against their checksums, then every record.

use std::fs::File;
use std::path::Path;

use redb::Database;

use super::background::counted;
use super::moment::{Moment, split};
use super::open::admit;
use super::whole::{self, Pages};
use crate::store::batch::{Entry, Revision};
use crate::store::error::StoreError;
use crate::store::inspect::Inspected;
use crate::store::key::Key;
use crate::store::last_seen::LastSeen;
use crate::store::master::MasterKey;
use crate::store::sealed::Sealer;

/// The memory that may hold pages of the file.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// How many more records are read than the table counts: damage can make a tree that has no end.
const TOO_MANY: u64 = 1000;

/// What is wrong with the database at `path`; what is whole is shown to `visit`.
///
/// # Errors
/// When it cannot be looked at.
pub(in crate::store) fn inspect(
    path: &Path,
    master: &MasterKey,
    visit: &mut dyn FnMut(Entry),
) -> Result<Inspected, StoreError> {
    let (file, mut inspected) = (whole::locked(path)?, Inspected::default());
    let Some(database) = opened(path, &file, &mut inspected)? else { return Ok(inspected) };
    let (sealer, revision) = match admit(path, &database, master) {
        Ok(admitted) => admitted,
        Err(error @ StoreError::Damaged { .. }) => {
            inspected.refused(path, &error);
            return Ok(inspected);
        }
        // Which key opens it, and whether it is ours, is not known of a file whose pages are damaged.
        Err(error) if !inspected.damage.is_empty() => {
            inspected.file(format!("none of its records can be read: {error}"));
            return Ok(inspected);
        }
        Err(error) => return Err(error),
    };
    if let Err(older) = LastSeen::beside(path).and_then(|seen| seen.check(path, revision)) {
        inspected.refused(path, &older);
    }
    if let Err(error) = Moment::begin(&database).and_then(|moment| records(&moment, &sealer, &mut inspected, visit)) {
        inspected.file(format!("the other records cannot be read: {}", why(error)));
    }
    Ok(inspected)
}

/// The database, with what is wrong with its pages noted; nothing when not even a damaged one could be opened.
fn opened(path: &Path, file: &File, inspected: &mut Inspected) -> Result<Option<Database>, StoreError> {
    match whole::view(path, file, Pages::Checked, CACHE_BYTES) {
        Ok(database) => return Ok(Some(database)),
        Err(error @ StoreError::DamagedFile { .. }) => {
            inspected.file(format!("its pages are damaged: {}", why(error)));
        }
        Err(error) => return Err(error),
    }
    match whole::view(path, file, Pages::Trusted, CACHE_BYTES) {
        Ok(database) => Ok(Some(database)),
        Err(error) => {
            inspected.file(format!("none of its records can be read: {}", why(error)));
            Ok(None)
        }
    }
}

/// Shows what is whole, from the first record on; and where a page stops that, from the last one back to it.
fn records(
    moment: &Moment,
    sealer: &Sealer,
    inspected: &mut Inspected,
    visit: &mut dyn FnMut(Entry),
) -> Result<(), StoreError> {
    let count = moment.count()?;
    let (mut walked, mut former) = (0, None::<Key>);
    let forwards = moment.each(false, |at, record| {
        let key = Key::from(at);
        if former.as_ref().is_some_and(|former| *former >= key) {
            inspected.file(format!("the key {key} is out of order"));
        }
        inspected.record(&key, value(sealer, &key, record), visit);
        walked += 1;
        former = Some(key);
        walked < count.saturating_add(TOO_MANY)
    });
    if let Err(error) = forwards {
        let last = former.unwrap_or_else(|| Key::from(""));
        inspected.file(format!("records behind '{last}' cannot be read: {}", why(error)));
        return backwards(moment, sealer, &last, inspected, visit);
    }
    if let Err(error) = counted(walked, count) {
        inspected.file(why(error));
    }
    Ok(())
}

/// Shows what is whole from the last record back to the one behind `last`, in ascending order.
fn backwards(
    moment: &Moment,
    sealer: &Sealer,
    last: &Key,
    inspected: &mut Inspected,
    visit: &mut dyn FnMut(Entry),
) -> Result<(), StoreError> {
    let mut found = Vec::<(Key, _)>::new();
    let outcome = moment.each(true, |at, record| {
        let key = Key::from(at);
        let goes_on = key > *last && found.last().is_none_or(|(behind, _)| *behind > key);
        if goes_on {
            found.push((key.clone(), value(sealer, &key, record)));
        }
        goes_on
    });
    for (key, opened) in found.into_iter().rev() {
        inspected.record(&key, opened, visit);
    }
    outcome
}

fn value(sealer: &Sealer, key: &Key, record: &[u8]) -> Result<(Revision, crate::store::Value), StoreError> {
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
