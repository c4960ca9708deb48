//! Drafts of a process that was killed: files, and databases, that never got their own names.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

use super::DRAFT_PREFIX;

/// Characters behind the prefix, as `tempfile` draws them: letters and digits.
const RANDOM_CHARACTERS: usize = 6;

/// Removes what processes that were killed have left half-written in `dir`; answers how much that was. To be called by the
/// holder of the lock that all writers in `dir` take. What cannot be removed stays: the next start tries again.
///
/// # Errors
/// When `dir` cannot be listed.
pub fn remove_drafts(dir: &Path) -> io::Result<usize> {
    let entries = fs::read_dir(dir)?.filter_map(Result::ok);
    Ok(entries.filter(|entry| is_draft(&entry.file_name().to_string_lossy()) && removed(entry)).count())
}

/// Whether a draft has this name: nothing else is removed, though it begins with the same characters.
fn is_draft(name: &str) -> bool {
    let random = name.strip_prefix(DRAFT_PREFIX).unwrap_or_default();
    random.len() == RANDOM_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn removed(entry: &DirEntry) -> bool {
    let path = entry.path();
    match entry.metadata() {
        Ok(about) if !is_ours(&about) => false,
        Ok(about) if about.is_file() => fs::remove_file(path).is_ok(),
        // The draft of a database that is a directory.
        Ok(about) if about.is_dir() => fs::remove_dir_all(path).is_ok(),
        _ => false,
    }
}

/// Whether it belongs to the user of this process.
pub(super) fn is_ours(about: &Metadata) -> bool {
    about.uid() == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_alone_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at(".new-DIRect")).unwrap();
        fs::write(at(".new-DIRect").join("db"), "half").unwrap();
        fs::write(at(".new-a1B2c3"), "half").unwrap();
        let others = ["admin.key", ".new-", ".new-longer-than-that", ".new-a.b.c.", "new-a1B2c3"];
        for name in others {
            fs::write(at(name), "kept").unwrap();
        }
        std::os::unix::fs::symlink(at("admin.key"), at(".new-linked")).unwrap();
        assert_eq!(remove_drafts(dir.path()).unwrap(), 2);
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut expected = [others.as_slice(), &[".new-linked"]].concat();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
}
