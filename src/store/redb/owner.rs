//! Ownership of the open file: the writer owns the database, readers borrow it to begin a view.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::thread;

use redb::Database;

use super::error::FILE;
use super::file_opener::FileOpener;
use super::view::{CachedView, FileView};
use crate::store::degraded::Health;
use crate::store::error::StoreError;
use crate::store::panics::catch_panic;

/// What a commit may need besides what it holds, in bytes: pages above and beside the changed ones, and redb's own.
const MARGIN: u64 = 256 * 1024;

/// A handle to the database: to be borrowed while it is open, or the reason why it is not.
#[derive(Clone)]
pub(super) struct SharedDatabase(Arc<RwLock<Result<Weak<Database>, StoreError>>>, Arc<CachedView>);

impl SharedDatabase {
    /// A view of the present state. [`StoreError::Busy`] while the file is being opened again, which takes some milliseconds.
    pub(super) fn view(&self) -> Result<Arc<FileView>, StoreError> {
        self.1.get_or_begin(|| FileView::begin(&*self.borrow()?))
    }

    /// The database, to be held no longer than it takes to begin a view: closing waits for it.
    fn borrow(&self) -> Result<Arc<Database>, StoreError> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        current?.upgrade().ok_or(StoreError::Closed)
    }
}

/// A database that was opened, and whether it can be written.
pub(super) struct Opened {
    pub(super) database: Database,
    read_only: bool,
}

impl Opened {
    /// Opens the file; for reading alone when its disk is full and refuses even what redb writes as it opens a file.
    pub(super) fn by(opener: &FileOpener, health: &Health) -> Result<Self, StoreError> {
        match (opener.open)() {
            Err(error) if error.is_full() => {
                log_full(health, &error);
                Ok(Self { database: (opener.open_read_only)()?, read_only: true })
            }
            opened => opened.map(|database| Self { database, read_only: false }),
        }
    }
}

pub(super) struct Owner {
    /// Absent after a failure that opening the file again has not mended yet.
    database: Option<Arc<Database>>,
    /// Whether the database is open for reading alone.
    read_only: bool,
    current: SharedDatabase,
    opener: FileOpener,
    health: Health,
}

impl Owner {
    pub(super) fn new(opened: Opened, opener: FileOpener, health: Health) -> Self {
        let current = SharedDatabase(Arc::new(RwLock::new(Err(StoreError::Closed))), Arc::default());
        let mut owner = Self { database: None, read_only: false, current, opener, health };
        owner.install(opened);
        owner
    }

    pub(super) fn shared(&self) -> SharedDatabase {
        self.current.clone()
    }

    /// The database, to be written; opens it again when that failed before.
    pub(super) fn database(&mut self) -> Result<Arc<Database>, StoreError> {
        if let Some(database) = self.database.as_ref().filter(|_| !self.read_only) {
            return Ok(Arc::clone(database));
        }
        // One that is open for reading goes on being read until the other is there.
        let database = (self.opener.open)()?;
        self.release(StoreError::Busy);
        Ok(self.install(Opened { database, read_only: false }))
    }

    /// Refuses a commit of `bytes` bytes for which the full disk has no room yet: trying it would cost the readers their
    /// database for some milliseconds.
    pub(super) fn check_room(&self, bytes: impl FnOnce() -> u64) -> Result<(), StoreError> {
        let refused =
            self.health.is_full() && !(self.opener.has_room)(bytes().saturating_mul(2).saturating_add(MARGIN));
        if refused { Err(StoreError::still_full()) } else { Ok(()) }
    }

    /// Whether the disk was full when it was last written to.
    pub(super) fn is_full(&self) -> bool {
        self.health.is_full()
    }

    /// Something was committed: views begun before do not show it.
    pub(super) fn committed(&self) {
        self.current.1.invalidate();
        self.written();
    }

    /// Something reached the disk.
    pub(super) fn written(&self) {
        if self.health.set_written() {
            tracing::info!("the disk of the data has room again; the store is written as before");
        }
    }

    /// After a failed write redb refuses all others until the file was opened again, and reads with them.
    pub(super) fn reopen(&mut self, after: &StoreError) {
        if after.is_full() {
            log_full(&self.health, after);
        }
        self.release(StoreError::Busy);
        match Opened::by(&self.opener, &self.health) {
            Ok(opened) => {
                self.install(opened);
            }
            Err(error) => {
                tracing::error!(%error, "the store is out of order until its file can be opened again");
                self.publish(Err(error));
            }
        }
    }

    fn install(&mut self, opened: Opened) -> Arc<Database> {
        let database = Arc::new(opened.database);
        self.read_only = opened.read_only;
        self.publish(Ok(Arc::downgrade(&database)));
        self.database = Some(Arc::clone(&database));
        database
    }

    fn publish(&self, database: Result<Weak<Database>, StoreError>) {
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = database;
    }

    /// Closes the file, which frees its lock. Views are refused with `why` from here on.
    pub(super) fn release(&mut self, why: StoreError) {
        self.publish(Err(why));
        self.current.1.invalidate();
        let Some(mut shared) = self.database.take() else { return };
        // A reader that begins a view holds the database for some microseconds, and no other can begin one.
        let database = loop {
            match Arc::try_unwrap(shared) {
                Ok(database) => break database,
                Err(held) => shared = held,
            }
            thread::yield_now();
        };
        if let Err(error) = catch_panic(FILE, || Ok(database.close()?)) {
            tracing::debug!(%error, "the store could not be closed cleanly; opening it repairs it");
        }
    }
}

/// Logs once that the disk is full.
fn log_full(health: &Health, error: &StoreError) {
    if health.set_full() {
        tracing::error!(%error, "reads go on; writes are answered with 507 until there is room");
    }
}
