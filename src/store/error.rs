//! Errors of a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{error, fmt, io};

use super::key::EntryKey;
use super::limits::{MAX_BATCH_BYTES, MAX_OPERATIONS};
use crate::files;

/// What went wrong. Clonable, because one failed write answers every batch that was part of it.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// An expectation of the batch failed: another commit came first. Read again and decide again.
    Conflict,
    /// The batch changes one key twice: a mistake of the caller.
    DuplicateKey {
        /// The key that occurs more than once among the changes.
        key: EntryKey,
    },
    /// The batch is larger than a batch may be ([`super::MAX_OPERATIONS`], [`super::MAX_BATCH_BYTES`]): a mistake of the
    /// caller. Nothing was applied.
    BatchTooLarge {
        /// The number of its expectations, or of its changes when they are more.
        operations: usize,
        /// The bytes of its keys and values.
        bytes: usize,
    },
    /// More commits wait than the store queues. Nothing was applied; try again in a moment.
    Busy,
    /// The store was closed.
    Closed,
    /// What is stored is not what was written. Nothing of it is returned.
    Damaged {
        /// The key of the record, readable, or a description of the part of the file.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// Pages of the database file are damaged. The file was left as it is.
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, in the engine's words.
        why: String,
    },
    /// The database is older than it was when it was last seen.
    RolledBack {
        /// The database file.
        database: PathBuf,
        /// The file that holds the revision that was seen.
        kept: PathBuf,
        /// The last revision in the database.
        found: u64,
        /// The last revision that was seen.
        last: u64,
    },
    /// The file that should hold the revision that was last seen holds something else.
    MalformedRevision {
        /// The file.
        path: PathBuf,
    },
    /// Damage was found while the store was open: it is read, and no longer written.
    WritesStopped {
        /// What is damaged.
        why: String,
    },
    /// The master key does not open the data key of the database.
    WrongMasterKey,
    /// The file is not a Keyhaven database.
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// The data has a format that was never released, and that this build does not read. It was left as it is.
    OldFormat {
        /// The data directory.
        directory: PathBuf,
        /// The format of the data.
        found: u32,
        /// The format that this build reads.
        known: u32,
    },
    /// The data has a format that only a newer build reads.
    UnknownFormat {
        /// The format of the data.
        found: u32,
        /// The format that this build reads.
        known: u32,
    },
    /// Another process, or another store of this one, has the database open.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The disk, or the user's quota on it, is full. Nothing was applied.
    Full {
        /// What was attempted.
        doing: String,
    },
    /// The operating system refused to read or write.
    Io {
        /// What was attempted.
        doing: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The engine refuses to go on for another reason.
    Engine {
        /// What the engine said.
        why: String,
    },
}

impl StoreError {
    /// What the system said while we were `doing` something.
    pub fn io(doing: impl Into<String>, source: io::Error) -> Self {
        match files::is_full(&source) {
            true => Self::Full { doing: doing.into() },
            false => Self::Io { doing: doing.into(), source: Arc::new(source) },
        }
    }

    /// The disk was full before and has no room yet: nothing was attempted.
    pub(super) fn still_full() -> Self {
        Self::Full { doing: "writing the store".into() }
    }

    /// Whether there was no room on the disk.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Damage that was met while the file at `path` was opened, as damage of that file.
    pub(super) fn of_file(self, path: &Path) -> Self {
        match self {
            Self::Damaged { why, .. } => Self::DamagedFile { path: path.into(), why },
            other => other,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => write!(f, "the store was changed by somebody else meanwhile: read again, then try again"),
            Self::DuplicateKey { key } => write!(f, "the batch changes the key {key} twice"),
            Self::BatchTooLarge { operations, bytes } => write!(
                f,
                "a batch of {operations} operations and {bytes} bytes is larger than one may be ({MAX_OPERATIONS} \
                 operations, {MAX_BATCH_BYTES} bytes)"
            ),
            Self::Busy => write!(f, "too many writes wait for the store: try again in a moment"),
            Self::Closed => write!(f, "the store is closed"),
            Self::Damaged { record, why } => write!(
                f,
                "damaged in the store: {record}: {why}; see what else is with keyhaven check DIR (the data directory), \
                 then restore a copy of it"
            ),
            Self::DamagedFile { path, why } => write!(
                f,
                "{} is damaged ({why}) and was left as it is: see what is lost with keyhaven check {}, then restore a \
                 copy of that directory, or start with another --data and load a snapshot",
                path.display(),
                files::parent_of(path).display()
            ),
            Self::RolledBack { database, kept, found, last } => write!(
                f,
                "{} is older than when it was last seen (its last revision is {found}, {last} was seen): if it was \
                 restored from a copy and is to be used, remove {}; otherwise restore the newest copy",
                database.display(),
                kept.display()
            ),
            Self::MalformedRevision { path } => write!(
                f,
                "{} does not hold a revision (a number): restore it, or remove it to start without that comparison",
                path.display()
            ),
            Self::WritesStopped { why } => {
                write!(f, "nothing is written any more, because damage was found in the store ({why})")
            }
            Self::WrongMasterKey => write!(
                f,
                "the master key does not open this database: \
                 give the key it was made with (master.key or KEYHAVEN_SEAL_KEY)"
            ),
            Self::NotADatabase { path, why } => write!(
                f,
                "{} is not a Keyhaven database ({why}): give another path, or move the file away",
                path.display()
            ),
            Self::OldFormat { directory, found, known } => write!(
                f,
                "{} was made by an unreleased build of Keyhaven (format {found}); this build reads format {known}: start \
                 with an empty --data directory, or delete this one",
                directory.display()
            ),
            Self::UnknownFormat { found, known } => write!(
                f,
                "the database has format {found}, this Keyhaven reads format {known}: use the version that wrote it"
            ),
            Self::InUse { path } => write!(
                f,
                "{} is open in another Keyhaven: stop that one, or give this one another path",
                path.display()
            ),
            Self::Full { doing } => write!(f, "{doing}: the disk is full; free some space on it"),
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::Engine { why } => write!(f, "the store refuses to work: {why}"),
        }
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
