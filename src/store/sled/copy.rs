//! A private copy of a database directory, to be opened in its place: sled writes to all that it opens.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::files::PrivateDir;

/// The copy. It is removed when this value is dropped.
pub(super) struct Copied {
    directory: PrivateDir,
}

impl Copied {
    /// A copy of the directory at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or the copy not be written.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let directory = PrivateDir::new("check-")?;
        copy_directory(path, &directory.path().join("copy"))?;
        Ok(Self { directory })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("copy")
    }
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
