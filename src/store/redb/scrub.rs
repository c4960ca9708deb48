//! The scrubber reads a database that is too large to be checked before it is opened: in one read transaction, on a thread
//! of its own, while requests are served. Keys must come in order, every value must open, and there must be as many
//! records as the table says. Damage stops writes: what is written on top of it could bury what is left.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::FILE;
use super::owner::SharedDatabase;
use super::view::FileView;
use crate::store::degraded::Health;
use crate::store::error::StoreError;
use crate::store::key::EntryKey;
use crate::store::sealed::Sealer;

/// Records that are looked at in one go.
const PIECE: usize = 64;
/// The pause after each, as a multiple of what it took: a fifth of one core and of the disk at the most.
const PAUSE_FACTOR: u32 = 4;
/// The least pause.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
/// When a walk begins again because the file was closed under it and opened anew.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The thread that walks; it ends when this is stopped or dropped.
pub(super) struct Scrubber {
    /// The thread ends when this is gone.
    stop: Mutex<Option<SyncSender<()>>>,
    thread: Option<JoinHandle<()>>,
}

impl Scrubber {
    /// Walks `database` from `after` on; what is damaged is reported to `health`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        database: SharedDatabase,
        sealer: Arc<Sealer>,
        health: Health,
        after: Duration,
    ) -> Result<Self, StoreError> {
        let (stop, stopped) = sync_channel(0);
        let walk = Walk { database, sealer, stopped };
        let thread = std::thread::Builder::new()
            .name("store-walk".into())
            .spawn(move || {
                if walk.pause(after) {
                    walk.run(&health);
                }
            })
            .map_err(|error| StoreError::io("starting the thread that walks the store", error))?;
        Ok(Self { stop: Mutex::new(Some(stop)), thread: Some(thread) })
    }

    /// Has the thread end after the piece that it is looking at.
    pub(super) fn stop(&self) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the walk has come to its end.
    #[cfg(test)]
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Walk {
    database: SharedDatabase,
    sealer: Arc<Sealer>,
    stopped: Receiver<()>,
}

impl Walk {
    fn run(&self, health: &Health) {
        loop {
            match self.all() {
                Ok(Some(records)) => return tracing::debug!(records, "the store was walked and is whole"),
                Ok(None) => return,
                // The writer opens the file anew after a write that failed.
                Err(StoreError::Closed | StoreError::Busy) if self.pause(RETRY_PAUSE) => {}
                Err(StoreError::Closed | StoreError::Busy) => return,
                // Not again: redb refuses all reads after one that failed, until the writer has opened the file anew.
                Err(error @ StoreError::Io { .. }) => {
                    return tracing::error!(%error, "the store cannot be read whole; stop the server, and see what is lost \
                                                    with keyhaven check");
                }
                Err(error) => {
                    tracing::error!(%error, "damage was found in the store: nothing is written any more; \
                                             stop the server, see what is damaged with keyhaven check, and restore a copy");
                    return health.set_damaged(error.to_string());
                }
            }
        }
    }

    /// How many records there are, once all were found whole; nothing when the walk was stopped.
    fn all(&self) -> Result<Option<u64>, StoreError> {
        let view = self.database.view()?;
        let (mut walked, mut after) = (0, None);
        loop {
            let begun = Instant::now();
            let (found, last) = self.piece(&view, after.as_ref())?;
            walked += found as u64;
            if found < PIECE {
                return counted(walked, view.count()?).map(Some);
            }
            after = last;
            if !self.pause((begun.elapsed() * PAUSE_FACTOR).max(LEAST_PAUSE)) {
                return Ok(None);
            }
        }
    }

    /// Looks at the records behind `after`: how many there were, and the last.
    fn piece(&self, view: &FileView, after: Option<&EntryKey>) -> Result<(usize, Option<EntryKey>), StoreError> {
        let mut last = None;
        let found = view.scan(&EntryKey::from(""), after, PIECE, |key, revision, sealed| {
            self.sealer.open(&key, revision, sealed)?;
            last = Some(key);
            Ok(())
        })?;
        Ok((found.len(), last))
    }

    /// Waits; returns whether the walk is to go on.
    fn pause(&self, pause: Duration) -> bool {
        matches!(self.stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
    }
}

/// `walked`, if it is as many as the table says.
pub(super) fn counted(walked: u64, count: u64) -> Result<u64, StoreError> {
    if walked == count {
        return Ok(walked);
    }
    Err(StoreError::Damaged { record: FILE.into(), why: format!("it counts {count} records and has {walked}") })
}
