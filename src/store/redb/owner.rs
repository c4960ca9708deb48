//! Who has the file open: the writer owns the database, everybody else borrows it for a moment.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::thread;

use redb::Database;

use super::fault::FILE;
use super::moment::{Latest, Moment};
use crate::store::error::StoreError;
use crate::store::guard::guarded;

/// Opens the file, the first time and again after a failure.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, StoreError> + Send>;

/// The database as others see it: to be borrowed while it is open, or why it is not.
#[derive(Clone)]
pub(super) struct Lent(Arc<RwLock<Result<Weak<Database>, StoreError>>>, Arc<Latest>);

impl Lent {
    /// The present moment.
    pub(super) fn view(&self) -> Result<Arc<Moment>, StoreError> {
        self.1.get(|| Moment::begin(&*self.borrow()?))
    }

    /// The database, to be held no longer than it takes to begin a view: closing waits for it.
    fn borrow(&self) -> Result<Arc<Database>, StoreError> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        current?.upgrade().ok_or(StoreError::Closed)
    }
}

pub(super) struct Owner {
    /// Absent after a failure that opening the file again has not mended yet.
    database: Option<Arc<Database>>,
    current: Lent,
    opener: Opener,
}

impl Owner {
    pub(super) fn new(database: Database, opener: Opener) -> Self {
        let current = Lent(Arc::new(RwLock::new(Err(StoreError::Closed))), Arc::default());
        let mut owner = Self { database: None, current, opener };
        owner.install(database);
        owner
    }

    pub(super) fn lend(&self) -> Lent {
        self.current.clone()
    }

    /// The database; opens it again when that failed before.
    pub(super) fn database(&mut self) -> Result<Arc<Database>, StoreError> {
        if let Some(database) = &self.database {
            return Ok(Arc::clone(database));
        }
        let database = (self.opener)()?;
        Ok(self.install(database))
    }

    /// Something was committed: views begun before do not show it.
    pub(super) fn committed(&self) {
        self.current.1.forget();
    }

    /// After a failed write redb refuses all others until the file was opened again (a full disk, for one).
    pub(super) fn reopen(&mut self, after: &StoreError) {
        self.release(after.clone());
        if let Err(error) = self.database() {
            tracing::error!(%error, "the store is out of order until its file can be opened again");
        }
    }

    fn install(&mut self, database: Database) -> Arc<Database> {
        let database = Arc::new(database);
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
        self.current.1.forget();
        let Some(mut shared) = self.database.take() else { return };
        // Who begins a view holds the database for some microseconds, and nobody can begin another.
        let database = loop {
            match Arc::try_unwrap(shared) {
                Ok(database) => break database,
                Err(held) => shared = held,
            }
            thread::yield_now();
        };
        if let Err(error) = guarded(FILE, || Ok(database.close()?)) {
            tracing::warn!(%error, "the store could not be closed cleanly; the next start repairs it");
        }
    }
}
