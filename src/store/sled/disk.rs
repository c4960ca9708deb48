//! sled's files: synced when a commit is acknowledged, and their owner's alone.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The files of a database.
pub(super) struct Disk {
    /// The log that everything but large pages goes to.
    log: File,
    /// Where large pages go, a file each, called by growing numbers.
    blobs: PathBuf,
    /// The last of them that was synced.
    synced: i128,
    /// How often something was synced.
    pub(super) syncs: u64,
}

impl Disk {
    /// The files of the database at `path`, which sled has open.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let log = File::options().read(true).write(true).open(path.join("db"))?;
        let mut disk = Self { log, blobs: path.join("blobs"), synced: -1, syncs: 0 };
        disk.sync()?;
        keep_private(path)?;
        Ok(disk)
    }

    /// Returns when all that sled has written is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let mut newest = self.synced;
        for blob in fs::read_dir(&self.blobs)? {
            let path = blob?.path();
            let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<i128>().ok());
            let Some(number) = number.filter(|number| *number > self.synced) else { continue };
            // A page that was written anew meanwhile leaves no blob behind.
            match File::open(&path) {
                Ok(file) => file.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            newest = newest.max(number);
        }
        if newest != self.synced {
            File::open(&self.blobs)?.sync_all()?;
            self.synced = newest;
        }
        self.syncs += 1;
        self.log.sync_all()
    }
}

/// Takes everybody else's rights on what lies in `directory`: sled makes files as the process's mask says.
pub(super) fn keep_private(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_directory = entry.file_type()?.is_dir();
        let mode = if is_directory { 0o700 } else { 0o600 };
        fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
        if is_directory {
            keep_private(&entry.path())?;
        }
    }
    Ok(())
}

/// The name of a new file or directory survives a power cut only when its directory was synced, too.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
