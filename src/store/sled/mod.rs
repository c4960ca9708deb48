//! The engine in a directory, with sled.
//!
//! sled has no consistent read views, so all sealed records are held in memory too, in the tree of the memory engine:
//! views are clones of it. Commits go to one thread, which writes to sled, syncs, and only then shows the new tree.
//!
//! sled's own flush asks the system to start writing, but not to finish: acknowledged commits were lost in power-loss
//! replays. [`disk::Disk`] therefore syncs its files after every commit. And sled loses entries to a flipped bit without
//! a word: how many there must be is written down with each commit, sealed, and counted when the store is opened.

mod copy;
mod disk;
mod inspect;
mod open;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::batch::Revision;
use super::degraded::Health;
use super::error::StoreError;
use super::last_seen::LastSeen;
use super::master::MasterKey;
use super::memory::{RecordTree, TreeView};
use super::queue::Queue;
use super::sealed::{DataKey, SealedBatch, Sealer};

pub(super) use inspect::inspect;
use writer::Writer;

pub(super) struct Sled {
    published: Published,
    queue: Queue,
}

/// The records that readers see: those that are on the disk; none once the store is closed.
#[derive(Clone)]
struct Published(Arc<RwLock<Option<RecordTree>>>);

impl Sled {
    pub(super) fn open(
        path: &Path,
        master: &MasterKey,
        fresh: &DataKey,
        health: &Health,
    ) -> Result<(Self, Arc<Sealer>), StoreError> {
        open::create_if_absent(path, master, fresh)?;
        let last_seen = LastSeen::beside(path)?;
        let opened = open::database(path, master)?;
        last_seen.check(path, opened.revision)?;
        let sealer = Arc::clone(&opened.sealer);
        let published = Published(Arc::new(RwLock::new(Some(opened.records.clone()))));
        let writer = Writer::new(opened, last_seen, published.clone(), health.clone());
        let queue = Queue::start(move |requests| writer.run(requests))?;
        Ok((Self { published, queue }, sealer))
    }

    pub(super) fn view(&self) -> Result<TreeView, StoreError> {
        let published = self.published.0.read().unwrap_or_else(PoisonError::into_inner);
        let records = published.clone().ok_or(StoreError::Closed)?;
        Ok(TreeView { number: None, records })
    }

    pub(super) async fn commit(&self, batch: SealedBatch) -> Result<Revision, StoreError> {
        self.queue.commit(batch).await
    }

    pub(super) async fn close(&self) {
        self.queue.close().await;
    }
}

impl Published {
    fn set(&self, records: Option<RecordTree>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = records;
    }
}
