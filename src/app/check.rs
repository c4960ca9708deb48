//! Integrity check of a data directory, read-only: every page and every record of its database, and whether the records
//! are consistent with each other.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::data_error::DataError;
use super::storage::DiskEngine;
use crate::records::GenerationKey;
use crate::store::{Damage, Entry, EntryKey, Inspection, MasterKey, Store, Value};
use crate::vault::{ConsistencyCheck, Finding};

/// The result of a check.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The database files that were checked.
    pub databases: Vec<PathBuf>,
    /// The number of intact records.
    pub records: u64,
    /// The number of vaults.
    pub vaults: usize,
    /// The number of keys and secrets, soft-deleted ones included.
    pub objects: usize,
    /// What is damaged or missing.
    pub findings: Vec<Finding>,
}

/// Checks the data in `dir`, which no server may be using. Values are opened with `seal_key`, or with the directory's own
/// master.key. Writes nothing.
///
/// # Errors
/// When the directory cannot be checked at all.
pub fn check(dir: &Path, seal_key: Option<MasterKey>) -> Result<CheckReport, DataError> {
    if dir.is_file() {
        let why = "a file, not a data directory; name the directory that it lies in";
        return Err(DataError::File(dir.to_owned(), std::io::Error::other(why)));
    }
    let _lock = shared_lock(dir)?;
    let present: Vec<_> = DiskEngine::ALL.into_iter().filter(|engine| dir.join(engine.file()).exists()).collect();
    if present.is_empty() {
        let why = "there is no database (keyhaven.redb) in this directory; name the one that --data names";
        return Err(DataError::File(dir.to_owned(), std::io::Error::new(std::io::ErrorKind::NotFound, why)));
    }
    let key = seal_key.map_or_else(|| read_master_key(&dir.join("master.key")), Ok)?;
    let mut report = CheckReport::default();
    for engine in present {
        report.add(dir.join(engine.file()), engine, &key)?;
    }
    Ok(report)
}

impl CheckReport {
    /// Checks one database.
    fn add(&mut self, path: PathBuf, engine: DiskEngine, key: &MasterKey) -> Result<(), DataError> {
        let mut found = FoundRecords::default();
        let visit = |entry| found.add(entry);
        let Inspection { records, damage } = match engine {
            DiskEngine::Redb => Store::inspect_redb(&path, key, visit)?,
            #[cfg(feature = "sled")]
            DiskEngine::Sled => Store::inspect_sled(&path, key, visit)?,
            #[cfg(not(feature = "sled"))]
            DiskEngine::Sled => {
                let why = "this build of keyhaven has no sled; check it with one that has";
                return Err(DataError::File(path, std::io::Error::other(why)));
            }
        };
        let check = found.consistency_check();
        let report = check.report();
        self.findings.extend(damage.into_iter().map(|damage| finding_of(damage, &check, &path)));
        self.findings.extend(report.findings);
        self.records += records;
        self.vaults += report.vaults;
        self.objects += report.objects;
        self.databases.push(path);
        Ok(())
    }
}

/// The records of a store, collected before the current generation is known.
#[derive(Default)]
struct FoundRecords {
    current: String,
    records: Vec<(String, EntryKey, Option<Value>)>,
}

impl FoundRecords {
    fn add(&mut self, entry: Entry) {
        match GenerationKey::parse(&entry.key) {
            GenerationKey::Pointer => self.current = GenerationKey::pointed_prefix(&entry.value),
            GenerationKey::SweepMarker => {}
            GenerationKey::Record(generation, key) => {
                let value = ConsistencyCheck::reads(&key).then_some(entry.value);
                self.records.push((generation, key, value));
            }
        }
    }

    fn consistency_check(self) -> ConsistencyCheck {
        let mut check = ConsistencyCheck::default();
        for (_, key, value) in self.records.into_iter().filter(|(generation, ..)| *generation == self.current) {
            check.add(&key, value);
        }
        check
    }
}

/// The finding for damage that the store reported, with the record's meaning.
fn finding_of(damage: Damage, check: &ConsistencyCheck, path: &Path) -> Finding {
    match damage.key.as_ref().map(GenerationKey::parse) {
        Some(GenerationKey::Record(_, key)) => {
            let record = key.to_string();
            Finding { subject: check.describe(&record), why: damage.why, record }
        }
        Some(GenerationKey::Pointer | GenerationKey::SweepMarker) => {
            Finding { subject: "which generation counts".to_owned(), why: damage.why, record: String::new() }
        }
        None => Finding { subject: path.display().to_string(), why: damage.why, record: String::new() },
    }
}

/// Takes a shared lock on `dir`: it keeps servers out and lets other checks in. A directory without a lock file was never
/// used by a server, or is a copy.
fn shared_lock(dir: &Path) -> Result<Option<File>, DataError> {
    let path = dir.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DataError::File(path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(DataError::MustStop(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(DataError::File(path, error)),
    }
}

/// Reads the master key at `path`; never creates it.
fn read_master_key(path: &Path) -> Result<MasterKey, DataError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        let why =
            format!("the key that opens this data cannot be read ({error}): restore it, or set KEYHAVEN_SEAL_KEY");
        DataError::File(path.to_owned(), std::io::Error::new(error.kind(), why))
    })?;
    MasterKey::parse(&text).map_err(|_| DataError::MasterKey(path.to_owned()))
}
