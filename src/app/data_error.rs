//! Why a data directory cannot be used.

use std::path::PathBuf;

use super::error::StartError;
use crate::store::StoreError;

/// Why the data directory cannot be used.
#[derive(Debug)]
pub enum DataError {
    /// A file or directory could not be created, read or written.
    File(PathBuf, std::io::Error),
    /// Another server holds its lock.
    InUse(PathBuf),
    /// A server holds its lock, and must be stopped for what is wanted.
    MustStop(PathBuf),
    /// The master key file is not 32 bytes in hexadecimal or base64.
    MasterKey(PathBuf),
    /// The admin key file is not 32 bytes in hexadecimal.
    AdminKey(PathBuf),
    /// The backup key file is not 32 bytes in hexadecimal or base64.
    BackupKey(PathBuf),
    /// The data was written by another engine, to this file.
    OtherEngine(PathBuf),
    /// The store failed.
    Store(StoreError),
}

impl std::fmt::Display for DataError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::InUse(path) => write!(
                f,
                "the data directory {} is in use by another keyhaven; stop it, or give another --data",
                path.display()
            ),
            Self::MustStop(path) => {
                write!(f, "the data directory {} is in use by another keyhaven; stop it first", path.display())
            }
            Self::MasterKey(path) => write!(
                f,
                "{}: not a master key (64 hexadecimal digits); restore the file that this data was made with",
                path.display()
            ),
            Self::AdminKey(path) => write!(
                f,
                "{}: not an admin key (64 hexadecimal digits); remove the file and the next start makes a new key, or set \
                 KEYHAVEN_ADMIN_KEY",
                path.display()
            ),
            Self::BackupKey(path) => write!(
                f,
                "{}: not a backup key (32 bytes as 64 hexadecimal digits or base64); restore the file, or remove it to have a \
                 new key made, under which earlier backups and snapshots do not open",
                path.display()
            ),
            Self::OtherEngine(path) => write!(
                f,
                "{} holds this directory's data: start with --store {}, or give another --data",
                path.display(),
                path.extension().and_then(|engine| engine.to_str()).unwrap_or("redb")
            ),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

impl DataError {
    /// The error of a command that no other server can be started beside.
    pub(super) fn into_must_stop(self) -> Self {
        match self {
            Self::InUse(path) => Self::MustStop(path),
            other => other,
        }
    }

    /// Converts to a store error; a full disk stays recognisable.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::File(path, error) => StoreError::io(path.display().to_string(), error),
            Self::Store(error) => error,
            other => StoreError::Engine { why: other.to_string() },
        }
    }
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Store(error) => error.source(),
            _ => None,
        }
    }
}

impl From<DataError> for StartError {
    fn from(error: DataError) -> Self {
        Self::new(error)
    }
}

impl From<StoreError> for DataError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
