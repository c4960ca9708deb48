//! The engine that keeps everything in one file, with redb.
//!
//! Reads run where they are asked for. Commits go to one thread ([`writer`]), which owns the database ([`owner`]); the
//! handle here borrows it, so that the writer can close the file and open it again.
//!
//! redb asserts on some damaged pages. Whatever reads or writes pages therefore stands in [`super::guard::guarded`], which
//! turns a panic into an error.

mod access;
mod background;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk;
mod fault;
mod inspect;
mod moment;
mod open;
mod overlay;
mod owner;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod rolled_back;
#[cfg(test)]
mod tests;
mod whole;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::Database;

pub(super) use self::inspect::inspect;
pub(super) use self::moment::Moment;

use self::access::Access;
use self::background::Background;
use self::owner::{Lent, Opened, Owner};
use self::writer::Writer;
use super::batch::{Batch, Revision};
use super::degraded::Condition;
use super::error::StoreError;
use super::last_seen::LastSeen;
use super::master::MasterKey;
use super::queue::Queue;
use super::sealed::{DataKey, Sealer};

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
    pub checked_bytes: u64,
    /// How long after the opening that walk begins: what a start does is not slowed by it, nor stopped in the middle.
    pub walk_after: Duration,
}

impl Default for RedbOptions {
    /// A cache of 64 MiB; idle after 200 ms; files of up to 32 MiB are checked whole, others walked after 3 s.
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            idle: Duration::from_millis(200),
            checked_bytes: 32 * 1024 * 1024,
            walk_after: Duration::from_secs(3),
        }
    }
}

pub(super) struct Redb {
    database: Lent,
    queue: Queue,
    /// The walk through a file that is too large to be checked whole first.
    background: Option<Background>,
}

impl Redb {
    pub(super) fn open(
        path: &Path,
        master: &MasterKey,
        fresh: DataKey,
        options: RedbOptions,
        condition: &Condition,
    ) -> Result<(Self, Arc<Sealer>), StoreError> {
        let made = open::create_if_absent(path, master, &fresh)?;
        let last_seen = LastSeen::beside(path)?;
        let admit = |database: &Database| {
            let (sealer, revision) = open::admit(path, database, master)?;
            last_seen.check(path, revision)?;
            Ok((sealer, revision))
        };
        let (limit, cache) = (options.checked_bytes, options.cache_bytes);
        let whole = made || whole::check(path, limit, cache, |database| admit(database).map(drop))?;
        let access = Access::to_file(path, cache);
        let opened = Opened::by(&access, condition)?;
        let (sealer, revision) = admit(&opened.database)?;
        let sealer = Arc::new(sealer);
        let owner = Owner::new(opened, access, condition.clone());
        let mut engine = Self::start(owner, Arc::clone(&sealer), (revision, last_seen), options.idle)?;
        if !whole {
            let (database, sealer) = (engine.database.clone(), Arc::clone(&sealer));
            engine.background = Some(Background::start(database, sealer, condition.clone(), options.walk_after)?);
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
        let lent = owner.lend();
        let writer = Writer::new(owner, sealer, revision, last_seen, idle);
        let queue = Queue::start(move |requests| writer.run(requests))?;
        Ok(Self { database: lent, queue, background: None })
    }

    pub(super) fn view(&self) -> Result<Arc<Moment>, StoreError> {
        self.database.view()
    }

    /// The present moment, once the file is open again when it is being opened: a failed write closes it for some
    /// milliseconds, and no read is to fail by it.
    pub(super) async fn view_soon(&self) -> Result<Arc<Moment>, StoreError> {
        for _ in 0..VIEW_ATTEMPTS {
            match self.view() {
                Err(StoreError::Busy) => tokio::time::sleep(VIEW_PAUSE).await,
                view => return view,
            }
        }
        self.view()
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        self.queue.commit(batch).await
    }

    pub(super) async fn close(&self) {
        if let Some(background) = &self.background {
            background.stop();
        }
        self.queue.close().await;
    }
}
