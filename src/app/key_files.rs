//! Key files of a data directory: 32 bytes as text, read or created.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::data_error::DataError;
use crate::crypto::backup_key::BackupKey;
use crate::store::parse_key;
use crate::{files, random};

/// Reads a key file (0600), or creates it with 32 random bytes in hexadecimal. A new file is synced before anything is
/// sealed under it.
pub(super) fn read_or_create_key(path: &Path) -> Result<Zeroizing<String>, DataError> {
    let error = |error| DataError::File(path.to_owned(), error);
    if !path.exists() {
        let text = Zeroizing::new(format!("{}\n", *random::secret_hex::<32>()));
        files::write(path, text.as_bytes(), files::PRIVATE).map_err(error)?;
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(error)?);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Reads the backup key of a data directory, or creates it; without a file, generates one.
pub(super) fn read_or_create_backup_key(file: Option<&Path>) -> Result<BackupKey, DataError> {
    match file {
        None => Ok(BackupKey::from_bytes(Zeroizing::new(random::secret()))),
        Some(path) => parse_backup_key(&read_or_create_key(path)?).ok_or_else(|| DataError::BackupKey(path.to_owned())),
    }
}

fn parse_backup_key(text: &str) -> Option<BackupKey> {
    parse_key(text).ok().map(BackupKey::from_bytes)
}

/// Reads the user's backup key; refuses a file that other users can read.
pub(super) fn read_backup_key(path: &Path) -> Result<BackupKey, DataError> {
    let error = |error| DataError::File(path.to_owned(), error);
    let mode = std::fs::metadata(path).map_err(error)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = format!("others may read this key (mode {:03o}); chmod 600 it", mode & 0o777);
        return Err(error(std::io::Error::other(why)));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(error)?);
    let malformed = || std::io::Error::other("not a key: it takes 32 bytes as 64 hexadecimal digits or base64");
    parse_backup_key(&text).ok_or_else(|| error(malformed()))
}
