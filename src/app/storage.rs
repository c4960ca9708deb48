//! The data directory: its lock, master key, admin key, backup key and store. Every file in it is private to the user.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::admin_key::AdminKey;
use super::data_error::DataError;
use super::key_files::{read_or_create_backup_key, read_or_create_key};
use super::takeover_ca;
use crate::crypto::backup_key::BackupKey;
use crate::files::{self, LockFile, PrivateDir};
use crate::random;
use crate::store::{DataKey, MasterKey, RedbOptions, Store, StoreError};
use crate::vault::BackupKeySource;

/// Where a server stores its data.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory, until it stops.
    Memory,
    /// In memory, with the server's certificates and keys in this directory.
    MemoryIn(PathBuf),
    /// In a redb database in this directory.
    Redb(PathBuf),
    /// In a sled database in this directory.
    #[cfg(feature = "sled")]
    Sled(PathBuf),
}

/// An engine that keeps its data on the disk, be it in this build or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskEngine {
    Redb,
    Sled,
}

impl DiskEngine {
    /// Each of them.
    pub(super) const ALL: [Self; 2] = [Self::Redb, Self::Sled];

    /// The name of its database in a data directory; what follows the dot is the value of `--store`.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Redb => "keyhaven.redb",
            Self::Sled => "keyhaven.sled",
        }
    }
}

/// The directory of placeholder credentials, below the data directory.
const CREDENTIALS: &str = "credentials";

/// The directory of files that clients trust the server by, below the data directory.
const CLIENT_FILES: &str = "trust";

/// The delay before private directories of killed servers are removed: with hundreds of them, reading the temporary
/// directory during a start made it longer by 1 to 2 ms.
const CLEANUP_DELAY: Duration = Duration::from_millis(250);

/// Opens or creates a store on disk.
type OpenStore = fn(&Path, &MasterKey, DataKey) -> Result<Store, StoreError>;

/// A data directory, locked for this process but not opened yet.
pub(super) struct LockedStorage {
    storage: Storage,
    dir: Option<PathBuf>,
    keeps_environment: bool,
    lock: Option<LockFile>,
}

/// An opened store with its data directory, which stays locked.
pub(super) struct OpenStorage {
    pub(super) store: Store,
    pub(super) engine: &'static str,
    pub(super) admin_key: AdminKey,
    dir: Option<PathBuf>,
    keeps_environment: bool,
    /// Files of this start alone; removed when the server stops.
    private_dir: PrivateDir,
    _lock: Option<LockFile>,
}

impl LockedStorage {
    /// Locks the directory of `storage` for this process; creates it if need be. It also keeps what programs find in their
    /// environment if `keeps_environment` says so.
    pub(super) fn lock(storage: Storage, keeps_environment: bool) -> Result<Self, DataError> {
        let dir = match &storage {
            Storage::Memory => None,
            Storage::MemoryIn(dir) | Storage::Redb(dir) => Some(dir.clone()),
            #[cfg(feature = "sled")]
            Storage::Sled(dir) => Some(dir.clone()),
        };
        let lock = dir.as_deref().map(lock_directory).transpose()?;
        Ok(Self { storage, dir, keeps_environment, lock })
    }

    /// The default directory of certificates.
    pub(super) fn certs(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join("certs"))
    }

    /// The data directory, if it keeps what programs find in their environment.
    pub(super) fn environment(&self) -> Option<&Path> {
        self.dir.as_deref().filter(|_| self.keeps_environment)
    }

    /// Opens the store; creates missing keys and files.
    pub(super) fn open(
        self,
        seal_key: Option<&MasterKey>,
        admin_key: Option<AdminKey>,
    ) -> Result<OpenStorage, DataError> {
        let (store, engine) = match &self.storage {
            Storage::Memory | Storage::MemoryIn(_) => (Store::memory(new_data_key())?, "memory"),
            Storage::Redb(dir) => {
                let open: OpenStore = |path, key, fresh| Store::redb(path, key, fresh, RedbOptions::default());
                (open_on_disk(dir, DiskEngine::Redb, seal_key, open)?, "redb")
            }
            #[cfg(feature = "sled")]
            Storage::Sled(dir) => (open_on_disk(dir, DiskEngine::Sled, seal_key, Store::sled)?, "sled"),
        };
        let admin_key = match (admin_key, self.dir.as_deref()) {
            (Some(key), _) => key,
            (None, Some(dir)) => AdminKey::read_or_create(dir)?,
            (None, None) => AdminKey::generate(),
        };
        let (private_dir, Self { dir, keeps_environment, lock, .. }) = (new_private_dir()?, self);
        Ok(OpenStorage { store, engine, admin_key, dir, keeps_environment, private_dir, _lock: lock })
    }
}

impl OpenStorage {
    /// Makes the CA's certificate readable for clients while the server runs; returns its absolute path.
    pub(super) fn publish_ca(&self, certs: Option<&Path>, pem: &str) -> Result<PathBuf, DataError> {
        let path = match certs {
            Some(certs) => certs.join("ca.pem"),
            None => {
                let path = self.private_dir().join("ca.pem");
                let written = files::write_unsynced(&path, pem.as_bytes());
                written.map_err(|error| DataError::File(path.clone(), error))?;
                path
            }
        };
        std::path::absolute(&path).map_err(|error| DataError::File(path, error))
    }
}

impl OpenStorage {
    /// The key that backups and snapshots are sealed under: `given`, or this directory's own, which is created at first use.
    /// An existing file is read now, so that a malformed one is reported at the start and not by the first backup.
    pub(super) fn backup_key(&self, given: Option<BackupKey>) -> Result<BackupKeySource, DataError> {
        let known = Arc::new(OnceLock::new());
        let file = self.dir.as_ref().map(|dir| dir.join("backup.key"));
        let existing = file.as_deref().filter(|file| file.exists());
        let given = match given {
            Some(given) => Some(given),
            None => existing.map(|file| read_or_create_backup_key(Some(file))).transpose()?,
        };
        if let Some(given) = given {
            let _ = known.set(Arc::new(given));
        }
        let making = Mutex::new(());
        Ok(Arc::new(move || {
            let _one_at_a_time = making.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get() {
                Some(key) => Ok(Arc::clone(key)),
                None => {
                    let key =
                        Arc::new(read_or_create_backup_key(file.as_deref()).map_err(DataError::into_store_error)?);
                    Ok(Arc::clone(known.get_or_init(|| key)))
                }
            }
        }))
    }

    /// The file of undeliverable events.
    pub(super) fn dead_letters(&self) -> PathBuf {
        self.dir.as_deref().unwrap_or(self.private_dir()).join("dead-letters.jsonl")
    }

    /// The directory of placeholder credentials; it need not exist.
    pub(super) fn credentials(&self) -> PathBuf {
        self.dir.as_deref().unwrap_or(self.private_dir()).join(CREDENTIALS)
    }

    /// The data directory, if there is one.
    pub(super) fn data_dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The data directory, if it keeps what programs find in their environment.
    pub(super) fn environment(&self) -> Option<&Path> {
        self.dir.as_deref().filter(|_| self.keeps_environment)
    }

    /// The absolute path of the kept directory of files that clients trust the server by. None where it would have blanks:
    /// Java's options are divided at them.
    pub(super) fn client_files(&self) -> Option<PathBuf> {
        let dir = std::path::absolute(self.environment()?.join(CLIENT_FILES)).ok()?;
        (!dir.to_string_lossy().contains(char::is_whitespace)).then_some(dir)
    }

    /// The private directory of this start.
    pub(super) fn private_dir(&self) -> &Path {
        self.private_dir.path()
    }
}

/// Locks the directory for this process; creates it (0700) if need be.
pub(super) fn lock_directory(dir: &Path) -> Result<LockFile, DataError> {
    make_dir(dir)?;
    let path = dir.join("lock");
    let lock = LockFile::try_lock(&path).map_err(|error| DataError::File(path, error))?;
    let lock = lock.ok_or_else(|| DataError::InUse(dir.to_owned()))?;
    let left = remove_temp_files(dir)?;
    if left > 0 {
        tracing::info!(left, "removed what a server that was killed had left half-written");
    }
    Ok(lock)
}

/// Removes temporary files of a killed server from `dir` and the directories in it.
fn remove_temp_files(dir: &Path) -> Result<usize, DataError> {
    let mut left = 0;
    let below = [CREDENTIALS, CLIENT_FILES, takeover_ca::DIR].map(|name| dir.join(name));
    for dir in below.into_iter().chain([dir.to_owned()]).filter(|dir| dir.is_dir()) {
        left += files::remove_temp_files(&dir).map_err(|error| DataError::File(dir, error))?;
    }
    Ok(left)
}

/// Creates `dir` and its parents with mode 0700.
pub(super) fn make_dir(dir: &Path) -> Result<(), DataError> {
    files::create_dir(dir).map_err(|error| DataError::File(dir.to_owned(), error))
}

/// Opens or creates the store of `engine` in `dir`. A directory with another engine's data is refused: that data would
/// seem to be lost.
fn open_on_disk(
    dir: &Path,
    engine: DiskEngine,
    seal_key: Option<&MasterKey>,
    open: OpenStore,
) -> Result<Store, DataError> {
    let path = dir.join(engine.file());
    let others = DiskEngine::ALL.into_iter().filter(|other| *other != engine);
    let other = others.map(|other| dir.join(other.file())).find(|other| other.exists());
    if let Some(other) = other.filter(|_| !path.exists()) {
        return Err(DataError::OtherEngine(other));
    }
    if let Some(key) = seal_key {
        return Ok(open(&path, key, new_data_key())?);
    }
    let file = dir.join("master.key");
    if path.exists() && !file.exists() {
        let lost = std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "the key that opens this data is missing; restore it, or set KEYHAVEN_SEAL_KEY",
        );
        return Err(DataError::File(file, lost));
    }
    let key = MasterKey::parse(read_or_create_key(&file)?.trim()).map_err(|_| DataError::MasterKey(file))?;
    Ok(open(&path, &key, new_data_key())?)
}

/// A random data key, for a store that is created.
fn new_data_key() -> DataKey {
    DataKey::from_bytes(random::secret())
}

/// Creates the private directory of this start; later removes those of killed servers.
fn new_private_dir() -> Result<PrivateDir, DataError> {
    let made = PrivateDir::new("").map_err(|error| DataError::File(std::env::temp_dir(), error))?;
    tokio::spawn(async {
        tokio::time::sleep(CLEANUP_DELAY).await;
        tokio::task::spawn_blocking(remove_dead_private_dirs);
    });
    Ok(made)
}

fn remove_dead_private_dirs() {
    let removed = files::remove_stale_private_dirs();
    if removed > 0 {
        tracing::info!(removed, "removed the private directories of programs that were killed");
    }
}
