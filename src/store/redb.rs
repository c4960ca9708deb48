//! The engine that keeps everything in one file, with redb.
//!
//! Reads run where they are asked for. Commits go to one thread ([`writer`]), which owns the database ([`owner`]); the
//! handle here borrows it, so that the writer can close the file and open it again.
//!
//! redb asserts on some damaged pages. Whatever reads or writes pages therefore stands in [`super::guard::guarded`], which
//! turns a panic into an error.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk;
mod fault;
mod moment;
mod open;
mod owner;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::Database;

pub(super) use self::moment::Moment;

use self::owner::{Lent, Opener, Owner};
use self::writer::Writer;
use super::batch::{Batch, Revision};
use super::error::StoreError;
use super::master::MasterKey;
use super::queue::Queue;
use super::sealed::{DataKey, Sealer};

/// How a database file is used.
#[derive(Clone, Copy, Debug)]
pub struct RedbOptions {
    /// The memory that may hold pages of the file, in bytes (redb's own default is 1 GiB).
    pub cache_bytes: usize,
    /// How long no commit must have come before the file is made ready for a quick start after a crash.
    pub idle: Duration,
}

impl Default for RedbOptions {
    /// A cache of 64 MiB; idle after 200 ms.
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, idle: Duration::from_millis(200) }
    }
}

pub(super) struct Redb {
    database: Lent,
    queue: Queue,
}

impl Redb {
    pub(super) fn open(
        path: &Path,
        master: &MasterKey,
        fresh: DataKey,
        options: RedbOptions,
    ) -> Result<(Self, Arc<Sealer>), StoreError> {
        open::create_if_absent(path, master, &fresh)?;
        let file = path.to_owned();
        let opener: Opener = Box::new(move || open::database(&file, options.cache_bytes));
        let database = opener()?;
        let (sealer, revision) = open::admit(path, &database, master)?;
        let sealer = Arc::new(sealer);
        Ok((Self::start(database, opener, Arc::clone(&sealer), revision, options.idle)?, sealer))
    }

    /// Starts the writer thread on an open database whose last revision is `revision`.
    fn start(
        database: Database,
        opener: Opener,
        sealer: Arc<Sealer>,
        revision: Revision,
        idle: Duration,
    ) -> Result<Self, StoreError> {
        let owner = Owner::new(database, opener);
        let lent = owner.lend();
        let writer = Writer::new(owner, sealer, revision, idle);
        let queue = Queue::start(move |requests| writer.run(requests))?;
        Ok(Self { database: lent, queue })
    }

    pub(super) fn view(&self) -> Result<Arc<Moment>, StoreError> {
        self.database.view()
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        self.queue.commit(batch).await
    }

    pub(super) async fn close(&self) {
        self.queue.close().await;
    }
}
