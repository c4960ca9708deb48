//! The writer thread: it drains the queue and makes one commit of all batches that wait.
//!
//! Revisions are assigned here, in the order of the commits, and never twice: each commit of redb stores the highest one
//! that it used. Values arrive sealed; each gets the stamp of its revision here.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError};
use std::time::Duration;

use redb::{ReadableTable, Table};

use super::error::FILE;
use super::open::write_revision;
use super::owner::Owner;
use super::view::{RECORDS, join, split};
use crate::store::batch::Revision;
use crate::store::error::StoreError;
use crate::store::key::EntryKey;
use crate::store::last_seen::LastSeen;
use crate::store::panics::catch_panic;
use crate::store::queue::{Job, Outcome, Request, collect_group};
use crate::store::sealed::{SealedBatch, Sealer};

/// How long a store that found its disk full waits before it tries to write by itself: without a request that
/// writes, its health would never be seen to come back.
const BETWEEN_PROBES: Duration = Duration::from_secs(5);

type RecordTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

pub(super) struct Writer {
    owner: Owner,
    sealer: Arc<Sealer>,
    /// The last revision that was given.
    revision: Revision,
    /// The last revision that is on the disk.
    committed: Revision,
    last_seen: LastSeen,
    idle: Duration,
    /// Whether a start after a crash would have to walk the whole file.
    lacks_quick_repair: bool,
}

impl Writer {
    pub(super) fn new(
        owner: Owner,
        sealer: Arc<Sealer>,
        revision: Revision,
        last_seen: LastSeen,
        idle: Duration,
    ) -> Self {
        Self { owner, sealer, revision, committed: revision, last_seen, idle, lacks_quick_repair: false }
    }

    /// Answers requests until the store is closed or gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        // Dropped last: its receiver may open the file again.
        let _done = loop {
            match self.next(requests) {
                Ok(Request::Commit(first)) => {
                    let (group, close) = collect_group(first, requests);
                    self.write(group);
                    if close.is_some() {
                        break close;
                    }
                }
                Ok(Request::Close(done)) => break Some(done),
                Err(RecvTimeoutError::Timeout) => self.commit_quick_repair(),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        self.commit_quick_repair();
        self.last_seen.write(self.committed);
        self.owner.release(StoreError::Closed);
    }

    fn next(&self, requests: &Receiver<Request>) -> Result<Request, RecvTimeoutError> {
        if self.lacks_quick_repair {
            requests.recv_timeout(self.idle)
        } else if self.owner.is_full() {
            requests.recv_timeout(BETWEEN_PROBES)
        } else {
            requests.recv().map_err(|RecvError| RecvTimeoutError::Disconnected)
        }
    }

    /// Commits the batches of `group` together and answers each.
    fn write(&mut self, group: Vec<Job>) {
        let (batches, replies): (Vec<_>, Vec<_>) = group.into_iter().map(|job| (job.batch, job.reply)).unzip();
        let outcomes = self.outcomes(&batches).unwrap_or_else(|error| vec![Err(error); replies.len()]);
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A caller that went away does not need the answer.
            let _ = reply.send(outcome);
        }
    }

    /// Commits `batches`, or says why none of them was.
    fn outcomes(&mut self, batches: &[SealedBatch]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.check_room(|| batches.iter().map(size).sum())?;
        let outcomes = catch_panic(FILE, || self.transaction(batches));
        if let Err(error) = &outcomes {
            if !error.is_full() {
                tracing::error!(%error, "the store could not write");
            }
            self.owner.reopen(error);
        }
        outcomes
    }

    /// One transaction of redb, on the disk when this returns (redb's default durability, `Immediate`).
    fn transaction(&mut self, batches: &[SealedBatch]) -> Result<Vec<Outcome>, StoreError> {
        let transaction = self.owner.database()?.begin_write()?;
        let mut records = transaction.open_table(RECORDS)?;
        let before = self.revision;
        let outcomes = batches
            .iter()
            .map(|batch| self.apply(&mut records, batch))
            .collect::<Result<Vec<Outcome>, StoreError>>()?;
        drop(records);
        if self.revision == before {
            transaction.abort()?;
        } else {
            write_revision(&transaction, &self.sealer, self.revision)?;
            transaction.commit()?;
            self.committed = self.revision;
            self.owner.committed();
            self.lacks_quick_repair = true;
        }
        Ok(outcomes)
    }

    /// Applies one batch, or nothing of it when an expectation fails. An error of redb fails the whole transaction.
    fn apply(&mut self, records: &mut RecordTable<'_>, batch: &SealedBatch) -> Result<Outcome, StoreError> {
        for (key, expected) in &batch.expect {
            if revision_of(records, key)? != *expected {
                return Ok(Err(StoreError::Conflict));
            }
        }
        // Counted up even when the commit fails later: it may have reached the disk all the same.
        self.revision += 1;
        for (key, sealed) in &batch.put {
            let stamp = self.sealer.stamp(self.revision, sealed);
            records.insert(key.as_bytes(), join(self.revision, sealed, &stamp).as_slice())?;
        }
        for key in &batch.delete {
            records.remove(key.as_bytes())?;
        }
        Ok(Ok(self.revision))
    }

    /// Makes the file ready for a quick start, should the process be killed now (about 1 ms instead of a walk over
    /// all of it). Such a commit costs several ordinary ones, so it waits for a quiet moment.
    fn commit_quick_repair(&mut self) {
        let probing = self.owner.is_full();
        if !(std::mem::take(&mut self.lacks_quick_repair) || probing) || self.owner.check_room(|| 0).is_err() {
            return;
        }
        let committed = catch_panic(FILE, || {
            let mut transaction = self.owner.database()?.begin_write()?;
            transaction.set_quick_repair(true);
            Ok(transaction.commit()?)
        });
        match committed {
            Ok(()) => {
                self.owner.written();
                // That commit cannot be undone by a repair, so no start finds an older revision than this.
                self.last_seen.write(self.committed);
            }
            Err(error) => {
                tracing::warn!(%error, "the store could not be made ready for a quick start");
                self.owner.reopen(&error);
            }
        }
    }
}

/// The bytes that `batch` puts.
fn size(batch: &SealedBatch) -> u64 {
    batch.put.iter().map(|(key, value)| (key.as_bytes().len() + value.len()) as u64).sum()
}

fn revision_of(records: &RecordTable<'_>, key: &EntryKey) -> Result<Revision, StoreError> {
    match records.get(key.as_bytes())? {
        Some(record) => Ok(split(key, record.value())?.0),
        None => Ok(0),
    }
}
