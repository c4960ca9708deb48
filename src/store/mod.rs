//! An ordered key-value store: consistent read views, changes by compare-and-commit.
//!
//! A [`Store`] maps keys to values. A writer states in a [`Batch`] which revisions it has read; the batch is
//! applied as a whole, or not at all when one of them has moved on. Nothing here knows what a vault, a key or a time
//! is. Values are always sealed (AES-256-GCM, bound to their key and revision), keys are stored as they are: a secret
//! belongs into a value, never into a key. What sealing cannot see is a record that is missing, or one put back whole
//! with its old revision: records that name each other reveal that.
//!
//! An engine is one module with `commit` and views that have `read`, `read_many` and `scan`; it passes the suite in
//! `conformance.rs`.

mod batch;
mod degraded;
mod error;
mod format;
mod inspect;
mod inspection;
mod key;
mod last_seen;
mod limits;
mod master;
mod memory;
mod panics;
mod queue;
mod redb;
mod sealed;
#[cfg(feature = "sled")]
mod sled;
mod view;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

pub(crate) use self::batch::{Batch, Entry, Revision, Value};
pub(crate) use self::degraded::Degraded;
pub(crate) use self::error::StoreError;
pub(crate) use self::inspection::{Damage, Inspection};
pub(crate) use self::key::EntryKey;
pub(crate) use self::limits::PIECE_OPERATIONS;
#[cfg(test)]
pub(crate) use self::limits::{MAX_BATCH_BYTES, MAX_OPERATIONS};
pub use self::master::MasterKey;
pub(crate) use self::master::{from_hex, parse_key};
pub(crate) use self::redb::RedbOptions;
pub(crate) use self::sealed::DataKey;
pub(crate) use self::view::View;

use self::degraded::Health;
use self::memory::Memory;
use self::redb::Redb;
use self::sealed::{SealedBatch, Sealer};
#[cfg(feature = "sled")]
use self::sled::Sled;
use self::view::EngineView;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod model;

/// A key-value store. A clone is cheap and another handle to the same store.
///
/// The last clone to be dropped closes the store like [`Store::close`], and blocks its thread while it does.
#[derive(Clone)]
pub struct Store {
    engine: Arc<Engine>,
    sealer: Arc<Sealer>,
    health: Health,
}

/// The bytes of a batch that are sealed on the caller's thread, which may serve connections: 64 KiB take about 50 us.
const MAX_SEALED_INLINE: usize = 64 * 1024;

/// How many pieces of a larger change wait for the writer at once: they share syncs, and leave others room in its queue.
const MAX_PIECES_IN_FLIGHT: usize = 8;

enum Engine {
    Memory(Memory),
    Redb(Redb),
    #[cfg(feature = "sled")]
    Sled(Sled),
}

impl Store {
    /// A store that lives as long as the process, its values sealed with `seal`.
    pub fn memory(seal: DataKey) -> Result<Self, StoreError> {
        let sealer = Arc::new(Sealer::new(&seal)?);
        Ok(Self::of(Engine::Memory(Memory::new(Arc::clone(&sealer))), sealer, Health::default()))
    }

    /// The store in the file at `path`, which is made (readable by its owner alone) when there is none.
    ///
    /// `master` opens the data key that the file holds. `fresh` becomes that data key when the file is made, and is
    /// forgotten otherwise: give 32 new random bytes. Blocks while it opens the file; needs no runtime.
    ///
    /// A file that is damaged ([`StoreError::DamagedFile`]), or older than when it was last seen
    /// ([`StoreError::RolledBack`]), is refused and left as it is. What is too large to be looked through first is walked
    /// while the store is in use: damage stops writes then ([`Store::degraded`]).
    pub fn redb(path: &Path, master: &MasterKey, fresh: DataKey, options: RedbOptions) -> Result<Self, StoreError> {
        let health = Health::default();
        let (engine, sealer) = Redb::open(path, master, fresh, options, &health)?;
        Ok(Self::of(Engine::Redb(engine), sealer, health))
    }

    /// The store in the directory at `path`, which is made (readable by its owner alone) when there is none. As
    /// [`Store::redb`] otherwise; it holds every sealed value in memory besides.
    #[cfg(feature = "sled")]
    pub fn sled(path: &Path, master: &MasterKey, fresh: DataKey) -> Result<Self, StoreError> {
        let health = Health::default();
        let (engine, sealer) = Sled::open(path, master, &fresh, &health)?;
        Ok(Self::of(Engine::Sled(engine), sealer, health))
    }

    fn of(engine: Engine, sealer: Arc<Sealer>, health: Health) -> Self {
        Self { engine: Arc::new(engine), sealer, health }
    }

    /// Why writes are refused while reads go on; none while the store is written.
    pub fn degraded(&self) -> Option<Degraded> {
        self.health.degraded()
    }

    /// A consistent read view of the present state. Later commits are not in it.
    ///
    /// A view keeps old versions of its entries from being freed: hold it for one request, not for hours.
    pub async fn view(&self) -> Result<View, StoreError> {
        let engine_view = match &*self.engine {
            Engine::Memory(engine) => EngineView::Memory(engine.view()?),
            Engine::Redb(engine) => EngineView::Redb(match engine.view() {
                // Rare, so it is kept out of the future of every view.
                Err(StoreError::Busy) => Box::pin(engine.view_when_open()).await?,
                view => view?,
            }),
            #[cfg(feature = "sled")]
            Engine::Sled(engine) => EngineView::Memory(engine.view()?),
        };
        Ok(View::new(engine_view, Arc::clone(&self.sealer)))
    }

    /// Applies `batch` as a whole and gives the revision of every key it put; the change is on the disk by then.
    ///
    /// Nothing is applied when an expectation fails ([`StoreError::Conflict`]), when the batch is larger than a batch may be
    /// ([`StoreError::BatchTooLarge`]), or once damage was found ([`StoreError::WritesStopped`]). After any other error of
    /// the engine the batch may or may not have been applied, as when the future is dropped before it is ready: read again.
    pub async fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        batch.check()?;
        if let Some(Degraded::Damaged(why)) = self.degraded() {
            return Err(StoreError::WritesStopped { why });
        }
        let batch = self.seal(batch).await?;
        match &*self.engine {
            Engine::Memory(engine) => engine.commit(batch),
            Engine::Redb(engine) => engine.commit(batch).await,
            #[cfg(feature = "sled")]
            Engine::Sled(engine) => engine.commit(batch).await,
        }
    }

    /// Commits changes that need not be made together, in as many batches as they need, in any order. The expectations must be
    /// on keys that `batch` does not change: each batch has all of them.
    ///
    /// Fails as [`Store::commit`] does; some of the changes may have been applied then.
    pub async fn commit_pieces(&self, batch: Batch) -> Result<(), StoreError> {
        let mut commits = JoinSet::new();
        let failed = |error: JoinError| StoreError::Engine { why: error.to_string() };
        for piece in batch.into_pieces() {
            if commits.len() == MAX_PIECES_IN_FLIGHT
                && let Some(done) = commits.join_next().await
            {
                done.map_err(failed)??;
            }
            let store = self.clone();
            commits.spawn(async move { store.commit(piece).await });
        }
        while let Some(done) = commits.join_next().await {
            done.map_err(failed)??;
        }
        Ok(())
    }

    /// Seals the values of `batch`: in this task when that is brief, else on a thread that may block.
    async fn seal(&self, batch: Batch) -> Result<SealedBatch, StoreError> {
        if batch.bytes() <= MAX_SEALED_INLINE {
            return self.sealer.seal_batch(batch);
        }
        let sealer = Arc::clone(&self.sealer);
        let sealed = tokio::task::spawn_blocking(move || sealer.seal_batch(batch)).await;
        sealed.unwrap_or_else(|error| Err(StoreError::Engine { why: error.to_string() }))
    }

    /// Finishes the commits that wait, closes the file and frees its lock. Later commits and views are refused with
    /// [`StoreError::Closed`]; views that exist may be, too. Closing twice is no error.
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Memory(engine) => engine.close(),
            Engine::Redb(engine) => engine.close().await,
            #[cfg(feature = "sled")]
            Engine::Sled(engine) => engine.close().await,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.engine {
            Engine::Memory(_) => "Store(memory)",
            Engine::Redb(_) => "Store(redb)",
            #[cfg(feature = "sled")]
            Engine::Sled(_) => "Store(sled)",
        })
    }
}
