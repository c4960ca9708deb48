//! Atomic file writes: a file is written whole or not at all, and is synced before [`write()`] returns. Temporary files that
//! a killed process left are removed by the next one. No other code writes such files.

mod lock_file;
mod private_dir;
mod private_file;
mod temp_files;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

pub(crate) use lock_file::LockFile;
pub(crate) use private_dir::{PrivateDir, remove_stale_private_dirs};
pub(crate) use private_file::PrivateFile;
pub(crate) use temp_files::{remove_temp_files, remove_temp_files_of};

/// The prefix of the names of temporary files; a killed process leaves them behind.
pub(crate) const TEMP_PREFIX: &str = ".new-";
/// Readable and writable for their owner alone: keys, state, everything that is not made for others.
pub(crate) const PRIVATE: u32 = 0o600;

/// Writes a file of this `mode`, whole or not at all. When this returns, the bytes and the name are on the disk. Nothing is
/// written through: a file at `path` is replaced, and anything else there (a symbolic link, a device) is refused.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let temp = temp_file(path, bytes, mode)?;
    temp.as_file().sync_all()?;
    temp.persist(path)?;
    File::open(parent_of(path))?.sync_all()
}

/// As [`write()`], but a file that is there is left alone.
///
/// # Errors
/// When it cannot be written; [`std::io::ErrorKind::AlreadyExists`] when there is one.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let temp = temp_file(path, bytes, mode)?;
    temp.as_file().sync_all()?;
    temp.persist_noclobber(path)?;
    File::open(parent_of(path))?.sync_all()
}

/// As [`write()`], but not synced: for files of mode 0600 that only this start of the program needs.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_unsynced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    temp_file(path, bytes, PRIVATE)?.persist(path)?;
    Ok(())
}

/// Opens a file to add to its end; a new one is readable by its owner alone.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open_to_append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(PRIVATE).open(path)
}

/// Makes `dir` and those above it that are missing, for their owner alone (0700). When this returns, their names are on the
/// disk, so that a power cut does not take a synced file away with its directory.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn create_dir(dir: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> =
        dir.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    for made in missing {
        File::open(parent_of(made))?.sync_all()?;
    }
    Ok(())
}

/// Whether something was not written because the disk, or the user's quota on it, is full.
#[must_use]
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// The directory that `path` lies in; `.` for a name alone.
#[must_use]
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// A new file beside `path` that holds `bytes` and is readable as `mode` says from its first byte.
fn temp_file(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<NamedTempFile> {
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(std::io::Error::other("there is something else than a file; give another path"));
    }
    let (permissions, suffix) = (Permissions::from_mode(mode), temp_files::suffix_of(path));
    let mut named = tempfile::Builder::new();
    named.prefix(TEMP_PREFIX).suffix(&suffix).permissions(permissions);
    let mut temp = named.tempfile_in(parent_of(path))?;
    temp.write_all(bytes)?;
    Ok(temp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_has_its_mode_from_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        write(&path, b"a longer text", PRIVATE).unwrap();
        write(&path, b"short", PRIVATE).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_new_file_replaces_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_new(&path, b"first", PRIVATE).unwrap();
        let refused = write_new(&path, b"second", PRIVATE).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temp is left");
    }

    #[test]
    fn a_directory_is_made_with_those_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        create_dir(&path).unwrap();
        create_dir(&path).unwrap();
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(create_dir(&path.join("c")).is_ok() && path.join("c").is_dir());
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, b"kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(write(&link, b"new", PRIVATE).is_err());
        assert!(write_unsynced(&link, b"new").is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"kept");
    }
}
