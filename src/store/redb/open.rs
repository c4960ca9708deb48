//! Creating and opening the file: its format, its data key, its last revision.

use std::fs::File;
use std::io;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadTransaction, ReadableDatabase, StorageBackend, StorageError,
    TableDefinition, TableError, WriteTransaction,
};

use super::error::FILE;
use super::view::RECORDS;
use crate::files::{self, TEMP_PREFIX};
use crate::store::batch::Revision;
use crate::store::error::StoreError;
use crate::store::format::{self, FORMAT};
use crate::store::last_seen::LastSeen;
use crate::store::master::MasterKey;
use crate::store::panics::catch_panic;
use crate::store::sealed::{DataKey, Sealer};

/// What the file says about itself.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// In META: the format, 4 bytes, big endian.
const FORMAT_NAME: &str = "schema";
/// In META: the data key, wrapped by the master key.
const DATA_KEY: &str = "data-key";
/// In META: the highest revision ever given, 8 bytes, big endian, sealed.
const REVISION: &str = "revision";
/// The revision in the stamp of the sealed REVISION: no record has it, so the value of none opens in its place.
const REVISION_OF_META: Revision = 0;

type Meta = ReadOnlyTable<&'static str, &'static [u8]>;

/// Makes the database at `path` when there is no file; its owner alone can read it.
///
/// It is made under another name and appears under its own when it is complete. So a file without our records in it is
/// never a start that was cut short, and is never taken for one: that would throw away what a damaged file still holds.
/// Returns whether it made it.
pub(super) fn create_if_absent(path: &Path, master: &MasterKey, fresh: &DataKey) -> Result<bool, StoreError> {
    let failed = |error| StoreError::io(format!("creating {}", path.display()), error);
    if path.try_exists().map_err(failed)? {
        return Ok(false);
    }
    LastSeen::remove(path)?;
    let directory = files::parent_of(path);
    // Files of this crate are readable by their owner alone from the first moment on.
    let temp = tempfile::Builder::new().prefix(TEMP_PREFIX).tempfile_in(directory).map_err(failed)?;
    let file = temp.as_file().try_clone().map_err(failed)?;
    catch_panic(FILE, || {
        let backend = TempBackend(FileBackend::new(file)?);
        lay_out(Database::builder().create_with_backend(backend)?, master, fresh)
    })?;
    temp.as_file().sync_all().map_err(failed)?;
    match temp.into_temp_path().persist_noclobber(path) {
        Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => Ok(false), // Another process was faster.
        Err(lost) => Err(failed(lost.error)),
        Ok(()) => sync_directory(directory).map(|()| true).map_err(failed),
    }
}

/// The backend of a temporary file, which no process opens before it is complete: it is synced once, at the end, instead of
/// at each step.
#[derive(Debug)]
struct TempBackend(FileBackend);

impl StorageBackend for TempBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// Writes the metadata into an empty database, in one commit.
fn lay_out(database: Database, master: &MasterKey, fresh: &DataKey) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT_NAME, FORMAT.to_be_bytes().as_slice())?;
        meta.insert(DATA_KEY, fresh.wrap(master).as_slice())?;
    }
    transaction.open_table(RECORDS)?;
    write_revision(&transaction, &Sealer::new(fresh)?, 0)?;
    transaction.commit()?;
    Ok(database.close()?)
}

/// The name of a new file survives a power cut only when its directory was synced, too.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Opens the database at `path`, which must exist.
pub(super) fn database(path: &Path, cache_bytes: usize) -> Result<Database, StoreError> {
    let opened = catch_panic(FILE, || {
        let opened = Database::builder().set_cache_size(cache_bytes).open(path);
        opened.map_err(|error| refusal(path, error))
    });
    opened.map_err(|error| error.of_file(path))
}

/// What redb says when it cannot open the file at `path`.
pub(super) fn refusal(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.into() },
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
            StoreError::NotADatabase { path: path.into(), why: error.to_string() }
        }
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            StoreError::DamagedFile { path: path.into(), why: "it is cut short".into() }
        }
        DatabaseError::Storage(StorageError::Io(error)) => StoreError::io(format!("opening {}", path.display()), error),
        other => other.into(),
    }
}

/// Checks that `database` is a Keyhaven database that this build reads; returns its sealer and its last revision.
pub(super) fn read_meta(
    path: &Path,
    database: &Database,
    master: &MasterKey,
) -> Result<(Sealer, Revision), StoreError> {
    catch_panic(FILE, || {
        let meta = open_meta(path, &database.begin_read()?)?;
        format::check(path, stored_format(&meta)?)?;
        let sealer = Sealer::new(&DataKey::unwrap(&meta_bytes(&meta, DATA_KEY)?, master)?)?;
        let revision = last_revision(&meta, &sealer)?;
        Ok((sealer, revision))
    })
}

/// Writes down that `revision` has been given, so that no later run gives it again.
pub(super) fn write_revision(
    transaction: &WriteTransaction,
    sealer: &Sealer,
    revision: Revision,
) -> Result<(), StoreError> {
    let sealed = sealer.seal(&REVISION.into(), &revision.to_be_bytes())?;
    let stored = sealer.stamped(REVISION_OF_META, sealed);
    transaction.open_table(META)?.insert(REVISION, stored.as_slice())?;
    Ok(())
}

fn last_revision(meta: &Meta, sealer: &Sealer) -> Result<Revision, StoreError> {
    let revision = sealer.open(&REVISION.into(), REVISION_OF_META, &meta_bytes(meta, REVISION)?)?;
    let revision = revision.as_slice().try_into().map_err(|_| damaged(REVISION, "is not 8 bytes"))?;
    Ok(Revision::from_be_bytes(revision))
}

fn open_meta(path: &Path, reading: &ReadTransaction) -> Result<Meta, StoreError> {
    reading.open_table(META).map_err(|error| match error {
        TableError::Storage(error) => error.into(),
        other => StoreError::NotADatabase { path: path.into(), why: other.to_string() },
    })
}

fn stored_format(meta: &Meta) -> Result<Option<u32>, StoreError> {
    let stored = meta.get(FORMAT_NAME)?;
    Ok(stored.and_then(|number| number.value().try_into().ok()).map(u32::from_be_bytes))
}

fn meta_bytes(meta: &Meta, name: &str) -> Result<Vec<u8>, StoreError> {
    let found = meta.get(name)?.ok_or_else(|| damaged(name, "is missing"))?;
    Ok(found.value().to_vec())
}

fn damaged(name: &str, why: &str) -> StoreError {
    StoreError::Damaged { record: name.into(), why: why.into() }
}
