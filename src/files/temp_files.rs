//! Temporary files of a killed process: files, and databases, that were never renamed to their own names.

use std::ffi::OsString;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

use super::TEMP_PREFIX;

/// Characters behind the prefix, as `tempfile` draws them: letters and digits.
const RANDOM_CHARACTERS: usize = 6;
/// Longer names, in bytes, are left out of the names of temporary files: file systems take 255.
const MAX_NAME_BYTES: usize = 200;

/// Removes what processes that were killed have left half-written in `dir`; returns how much that was. To be called by the
/// holder of the lock that all writers in `dir` take. What cannot be removed stays: the next start tries again.
///
/// # Errors
/// When `dir` cannot be listed.
pub(crate) fn remove_temp_files(dir: &Path) -> io::Result<usize> {
    remove_all(dir, |_| true)
}

/// The same for temporary files of the files called `names` alone: for the holder of a lock that the writers of those files take,
/// in a directory that others write other files in.
///
/// # Errors
/// When `dir` cannot be listed.
pub(crate) fn remove_temp_files_of(dir: &Path, names: &[&str]) -> io::Result<usize> {
    remove_all(dir, |of| names.iter().any(|name| of.strip_prefix('.') == Some(name)))
}

/// How the name of a temporary file of `path` ends: it says which file it was to become.
pub(super) fn suffix_of(path: &Path) -> OsString {
    let mut suffix = OsString::new();
    if let Some(name) = path.file_name().filter(|name| name.len() <= MAX_NAME_BYTES) {
        suffix.push(".");
        suffix.push(name);
    }
    suffix
}

fn remove_all(dir: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<usize> {
    let entries = fs::read_dir(dir)?.filter_map(Result::ok);
    let is_one = |entry: &DirEntry| suffix_in(&entry.file_name().to_string_lossy()).is_some_and(&is_wanted);
    Ok(entries.filter(|entry| is_one(entry) && removed(entry)).count())
}

/// What follows the random characters in a temporary file's name: nothing, or the name of a file behind a dot. None for names
/// that no temporary file has, though they begin with the same characters: nothing else is removed.
fn suffix_in(name: &str) -> Option<&str> {
    let (random, suffix) = name.strip_prefix(TEMP_PREFIX)?.split_at_checked(RANDOM_CHARACTERS)?;
    let is_random = random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_random && (suffix.is_empty() || suffix.starts_with('.'))).then_some(suffix)
}

fn removed(entry: &DirEntry) -> bool {
    let path = entry.path();
    match entry.metadata() {
        Ok(about) if !is_own(&about) => false,
        Ok(about) if about.is_file() => fs::remove_file(path).is_ok(),
        // A temporary database that is a directory.
        Ok(about) if about.is_dir() => fs::remove_dir_all(path).is_ok(),
        _ => false,
    }
}

/// Whether it belongs to the user of this process.
pub(super) fn is_own(about: &Metadata) -> bool {
    about.uid() == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_alone_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at(".new-DIRect")).unwrap();
        fs::write(at(".new-DIRect").join("db"), "half").unwrap();
        fs::write(at(".new-a1B2c3"), "half").unwrap();
        fs::write(at(".new-a1B2c3.admin.key"), "half").unwrap();
        let others = ["admin.key", ".new-", ".new-longer-than-that", ".new-a.b.c.", "new-a1B2c3"];
        for name in others {
            fs::write(at(name), "kept").unwrap();
        }
        std::os::unix::fs::symlink(at("admin.key"), at(".new-linked")).unwrap();
        assert_eq!(remove_temp_files(dir.path()).unwrap(), 3);
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut expected = [others.as_slice(), &[".new-linked"]].concat();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
    #[test]
    fn temporary_files_of_other_files_are_left_to_their_own_writers() {
        let dir = tempfile::tempdir().unwrap();
        let others = [".new-a1B2c3", ".new-a1B2c3.admin.key", ".new-a1B2c3.my.ca.pem"];
        for name in others.iter().chain(&[".new-a1B2c3.ca.pem"]) {
            fs::write(dir.path().join(name), "half").unwrap();
        }
        assert_eq!(remove_temp_files_of(dir.path(), &["ca.key", "ca.pem"]).unwrap(), 1);
        assert!(others.iter().all(|name| dir.path().join(name).exists()));
    }

    #[test]
    fn a_temporary_file_is_named_after_its_file_unless_that_name_is_too_long() {
        let name = suffix_of(Path::new("some/ca.pem"));
        assert_eq!(suffix_in(&format!("{TEMP_PREFIX}a1B2c3{}", name.to_string_lossy())), Some(".ca.pem"));
        let dir = tempfile::tempdir().unwrap();
        super::super::write_unsynced(&dir.path().join("a".repeat(255)), b"whole").unwrap();
    }
}
