//! The engine in one file, with redb.
//!
//! Reads run where they are asked for. Commits go to one thread ([`writer`]), which owns the database ([`owner`]); the
//! handle here borrows it, so that the writer can close the file and open it again.
//!
//! redb panics on some damaged pages. Everything that reads or writes pages therefore runs in
//! [`super::panics::catch_panic`], which turns a panic into an error.

mod error;
mod file_opener;
mod inspect;
mod integrity;
mod open;
mod overlay;
mod owner;
mod scrub;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::Database;

pub(super) use self::inspect::inspect;
pub(super) use self::view::FileView;

use self::file_opener::FileOpener;
use self::owner::{Opened, Owner, SharedDatabase};
use self::scrub::Scrubber;
use self::writer::Writer;
use super::batch::Revision;
use super::degraded::Health;
use super::error::StoreError;
use super::last_seen::LastSeen;
use super::master::MasterKey;
use super::queue::Queue;
use super::sealed::{DataKey, SealedBatch, Sealer};

/// How often a view is asked for while the file is being opened again, and the pause between: 2 s in all.
const VIEW_ATTEMPTS: usize = 400;
const VIEW_PAUSE: Duration = Duration::from_millis(5);

/// How a database file is used.
#[derive(Clone, Copy, Debug)]
pub struct RedbOptions {
    /// The memory that may hold pages of the file, in bytes (redb's own default is 1 GiB).
    pub cache_bytes: usize,
    /// How long no commit must have come before the file is made ready for a quick start after a crash.
    pub idle: Duration,
    /// Files of up to this many bytes are checked whole before they are opened (about half a millisecond a megabyte); larger
    /// ones are walked in the background, while they are in use.
    pub max_checked_bytes: u64,
    /// How long after the opening that walk begins: what a start does is not slowed by it, nor stopped in the middle.
    pub scrub_after: Duration,
}

impl Default for RedbOptions {
    /// A cache of 64 MiB; idle after 200 ms; files of up to 32 MiB are checked whole, others walked after 3 s.
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            idle: Duration::from_millis(200),
            max_checked_bytes: 32 * 1024 * 1024,
            scrub_after: Duration::from_secs(3),
        }
    }
}

pub(super) struct Redb {
    database: SharedDatabase,
    queue: Queue,
    /// The walk through a file that is too large to be checked whole first.
    background: Option<Scrubber>,
}

impl Redb {
    pub(super) fn open(
        path: &Path,
        master: &MasterKey,
        fresh: DataKey,
        options: RedbOptions,
        health: &Health,
    ) -> Result<(Self, Arc<Sealer>), StoreError> {
        let made = open::create_if_absent(path, master, &fresh)?;
        let last_seen = LastSeen::beside(path)?;
        let read_meta = |database: &Database| {
            let (sealer, revision) = open::read_meta(path, database, master)?;
            last_seen.check(path, revision)?;
            Ok((sealer, revision))
        };
        let (limit, cache) = (options.max_checked_bytes, options.cache_bytes);
        let whole = made || integrity::check(path, limit, cache, |database| read_meta(database).map(drop))?;
        let opener = FileOpener::to_file(path, cache);
        let opened = Opened::by(&opener, health)?;
        let (sealer, revision) = read_meta(&opened.database)?;
        let sealer = Arc::new(sealer);
        let owner = Owner::new(opened, opener, health.clone());
        let mut engine = Self::start(owner, Arc::clone(&sealer), (revision, last_seen), options.idle)?;
        if !whole {
            let (database, sealer) = (engine.database.clone(), Arc::clone(&sealer));
            engine.background = Some(Scrubber::start(database, sealer, health.clone(), options.scrub_after)?);
        }
        Ok((engine, sealer))
    }

    /// Starts the writer thread on an open database, whose last revision is given with the one that was last seen.
    fn start(
        owner: Owner,
        sealer: Arc<Sealer>,
        (revision, last_seen): (Revision, LastSeen),
        idle: Duration,
    ) -> Result<Self, StoreError> {
        let shared = owner.shared();
        let writer = Writer::new(owner, sealer, revision, last_seen, idle);
        let queue = Queue::start(move |requests| writer.run(requests))?;
        Ok(Self { database: shared, queue, background: None })
    }

    pub(super) fn view(&self) -> Result<Arc<FileView>, StoreError> {
        self.database.view()
    }

    /// A view, once the file is open again when it is being reopened: a failed write closes it for some milliseconds, and
    /// no read may fail by that.
    pub(super) async fn view_when_open(&self) -> Result<Arc<FileView>, StoreError> {
        for _ in 0..VIEW_ATTEMPTS {
            match self.view() {
                Err(StoreError::Busy) => tokio::time::sleep(VIEW_PAUSE).await,
                view => return view,
            }
        }
        self.view()
    }

    pub(super) async fn commit(&self, batch: SealedBatch) -> Result<Revision, StoreError> {
        self.queue.commit(batch).await
    }

    pub(super) async fn close(&self) {
        if let Some(background) = &self.background {
            background.stop();
        }
        self.queue.close().await;
    }
}
