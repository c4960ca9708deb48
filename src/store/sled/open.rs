//! Creating and opening the directory: its format, its data key, its last revision. Every record is read and counted.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sled::{Config, Db};

use super::copy::Copied;
use super::disk::{self, Disk};
use crate::files::{self, TEMP_PREFIX};
use crate::store::batch::Revision;
use crate::store::error::StoreError;
use crate::store::format::{self, FORMAT};
use crate::store::key::EntryKey;
use crate::store::last_seen::LastSeen;
use crate::store::master::MasterKey;
use crate::store::memory::{Record, RecordTree};
use crate::store::panics::catch_panic;
use crate::store::sealed::{DataKey, Sealer};

/// The part of the store that damage found by sled itself is reported for.
pub(super) const DIRECTORY: &str = "the database directory";
/// The file in the directory that names the format, in decimal digits. sled lets it be.
const FORMAT_FILE: &str = "format";
/// The revision in the stamp of STATE: no record has it, so the value of none opens in its place.
const REVISION_OF_META: Revision = 0;
/// Bytes of a revision before a stored value.
const REVISION_BYTES: usize = 8;

/// How often a lock that is held is looked at again, and how long after.
const LOOKS: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What a key of sled's begins with: what the database says of itself, or a record.
const META: u8 = b'm';
const RECORD: u8 = b'r';
/// Where format 1 named its format.
const FORMAT_IN_DATABASE: &[u8] = b"mschema";
const DATA_KEY: &[u8] = b"mdata-key";
const STATE: &[u8] = b"mstate";

/// An open database.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) db: Db,
    pub(super) disk: Disk,
    pub(super) sealer: Arc<Sealer>,
    pub(super) records: RecordTree,
    pub(super) revision: Revision,
}

/// Makes the database at `path` when there is none. It is made under another name and appears under its own when it is
/// complete.
pub(super) fn create_if_absent(path: &Path, master: &MasterKey, fresh: &DataKey) -> Result<(), StoreError> {
    let failed = |error| StoreError::io(format!("creating {}", path.display()), error);
    if path.try_exists().map_err(failed)? {
        return Ok(());
    }
    LastSeen::remove(path)?;
    let directory = files::parent_of(path);
    let private = Permissions::from_mode(0o700);
    let temp =
        tempfile::Builder::new().prefix(TEMP_PREFIX).permissions(private).tempdir_in(directory).map_err(failed)?;
    catch_panic(DIRECTORY, || {
        let db = config(temp.path()).open().map_err(|error| refusal(path, error))?;
        let mut batch = sled::Batch::default();
        batch.insert(DATA_KEY, fresh.wrap(master));
        batch.insert(STATE, state(&Sealer::new(fresh)?, 0, 0)?);
        db.apply_batch(batch).and_then(|()| db.flush()).map_err(store_error)?;
        files::write(&temp.path().join(FORMAT_FILE), format!("{FORMAT}\n").as_bytes(), files::PRIVATE)
            .map_err(failed)?;
        Disk::open(temp.path()).and_then(|mut disk| disk.sync()).map_err(failed)
    })?;
    match std::fs::rename(temp.path(), path) {
        Ok(()) => {
            let _ = temp.keep();
            disk::sync_directory(directory).map_err(failed)
        }
        // Another process was faster.
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Opens the database at `path`, which must exist, and reads all of it.
pub(super) fn database(path: &Path, master: &MasterKey) -> Result<Opened, StoreError> {
    if !path.join("db").is_file() {
        return Err(StoreError::NotADatabase { path: path.into(), why: "it is no directory of sled".into() });
    }
    catch_panic(DIRECTORY, || {
        check_format(path)?;
        let db = unlocked(path)?;
        let sealer = Arc::new(Sealer::new(&DataKey::unwrap(&meta(&db, DATA_KEY)?, master)?)?);
        let (revision, count) = last_state(&db, &sealer)?;
        let records = load(&db, count)?;
        let opening = |error| StoreError::io(format!("opening {}", path.display()), error);
        Ok(Opened { path: path.into(), disk: Disk::open(path).map_err(opening)?, db, sealer, records, revision })
    })
}

/// The database, once its lock is free. A lock outlives its owner for a moment when the process has just forked: the
/// child holds it until it runs its own program. So one that is held is looked at again before it is believed.
fn unlocked(path: &Path) -> Result<Db, StoreError> {
    for _ in 0..LOOKS {
        match config(path).open().map_err(|error| refusal(path, error)) {
            Err(StoreError::InUse { .. }) => std::thread::sleep(BETWEEN_LOOKS),
            opened => return opened,
        }
    }
    config(path).open().map_err(|error| refusal(path, error))
}

/// The state of the database, to be written with every commit: the highest revision ever given, and how many records
/// there are. Sealed to a place that no record has.
pub(super) fn put_state(
    batch: &mut sled::Batch,
    sealer: &Sealer,
    revision: Revision,
    records: usize,
) -> Result<(), StoreError> {
    batch.insert(STATE, state(sealer, revision, records)?);
    Ok(())
}

/// The key of a record in sled.
pub(super) fn record_key(key: &EntryKey) -> Vec<u8> {
    [&[RECORD], key.as_bytes()].concat()
}

/// A record as sled keeps it: its revision, then the stored value.
pub(super) fn record_value(record: &Record) -> Vec<u8> {
    [&record.revision.to_be_bytes(), record.stored.as_slice()].concat()
}

/// What sled says, as an error of a store.
pub(super) fn store_error(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => StoreError::io("reading or writing the database directory", error),
        sled::Error::Corruption { .. } => damaged("a page is damaged"),
        other => StoreError::Engine { why: other.to_string() },
    }
}

fn config(path: &Path) -> Config {
    // Nothing is flushed behind our back: the writer says when. The records are in memory already, so sled's own cache
    // may be small.
    Config::new().path(path).flush_every_ms(None).cache_capacity(8 * 1024 * 1024)
}

fn refusal(path: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            StoreError::InUse { path: path.into() }
        }
        other => store_error(other),
    }
}

/// Refuses a directory of another format, or without a Keyhaven database, before sled writes to it: sled writes to
/// whatever it opens.
fn check_format(path: &Path) -> Result<(), StoreError> {
    match fs::read_to_string(path.join(FORMAT_FILE)) {
        Ok(text) => format::check(path, text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => format::check(path, format_before_the_file(path)?),
        Err(error) => Err(StoreError::io(format!("reading {}", path.join(FORMAT_FILE).display()), error)),
    }
}

/// What the database itself names, as format 1 did: read from a copy.
fn format_before_the_file(path: &Path) -> Result<Option<u32>, StoreError> {
    let failed = |error| StoreError::io(format!("copying {} to look at it", path.display()), error);
    let copy = Copied::of(path).map_err(failed)?;
    let db = config(&copy.path()).open().map_err(store_error)?;
    let number = db.get(FORMAT_IN_DATABASE).map_err(store_error)?;
    Ok(number.and_then(|number| number.as_ref().try_into().ok()).map(u32::from_be_bytes))
}

fn state(sealer: &Sealer, revision: Revision, records: usize) -> Result<Vec<u8>, StoreError> {
    let plain = [revision.to_be_bytes(), (records as u64).to_be_bytes()].concat();
    Ok(sealer.stamped(REVISION_OF_META, sealer.seal(&STATE.into(), &plain)?))
}

fn last_state(db: &Db, sealer: &Sealer) -> Result<(Revision, u64), StoreError> {
    let plain = sealer.open(&STATE.into(), REVISION_OF_META, &meta(db, STATE)?)?;
    let numbers =
        plain.split_first_chunk::<8>().and_then(|(revision, count)| Some((*revision, count.try_into().ok()?)));
    let (revision, count) = numbers.ok_or_else(|| damaged("its state is not two numbers"))?;
    Ok((Revision::from_be_bytes(revision), u64::from_be_bytes(count)))
}

fn load(db: &Db, count: u64) -> Result<RecordTree, StoreError> {
    let mut records = RecordTree::new_sync();
    for entry in db.scan_prefix([RECORD]) {
        let (key, value) = entry.map_err(store_error)?;
        let (revision, stored) =
            value.split_first_chunk::<REVISION_BYTES>().ok_or_else(|| damaged("a record is cut short"))?;
        let record = Record { revision: Revision::from_be_bytes(*revision), stored: stored.to_vec() };
        records.insert_mut(EntryKey::from(&key[1..]), record);
    }
    if records.size() as u64 != count {
        return Err(damaged(&format!("{count} records were written, {} are there", records.size())));
    }
    Ok(records)
}

fn meta(db: &Db, name: &[u8]) -> Result<Vec<u8>, StoreError> {
    debug_assert_eq!(name.first(), Some(&META), "what a database says of itself is no record");
    let found = db.get(name).map_err(store_error)?;
    Ok(found.ok_or_else(|| damaged("what it says of itself is not there"))?.to_vec())
}

fn damaged(why: &str) -> StoreError {
    StoreError::Damaged { record: DIRECTORY.into(), why: why.into() }
}
