//! Group commit: batches wait in a bounded queue for the one writer thread, and one commit of the engine carries all that
//! wait.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::batch::Revision;
use super::error::StoreError;
use super::sealed::SealedBatch;

/// How many commits may wait for the writer before more are refused with [`StoreError::Busy`].
pub(super) const QUEUE_CAPACITY: usize = 1024;
/// How many batches one commit of the engine carries at most: an answer waits for all of them.
const MAX_GROUP: usize = 256;

/// The outcome of a commit.
pub(super) type Outcome = Result<Revision, StoreError>;

/// A request to the writer thread.
pub(super) enum Request {
    /// Commit this.
    Commit(Job),
    /// Close the file, then drop the sender.
    Close(oneshot::Sender<()>),
}

/// A batch, and the channel that its outcome is sent to.
pub(super) struct Job {
    pub(super) batch: SealedBatch,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// The writer's thread and the queue before it.
pub(super) struct Queue {
    pub(super) requests: SyncSender<Request>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the thread: `write` answers requests until the store is closed or gone.
    pub(super) fn start(write: impl FnOnce(&Receiver<Request>) + Send + 'static) -> Result<Self, StoreError> {
        let (requests, incoming) = sync_channel(QUEUE_CAPACITY);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write(&incoming))
            .map_err(|error| StoreError::io("starting the thread that writes the store", error))?;
        Ok(Self { requests, thread: Some(thread) })
    }

    /// Has `batch` committed.
    pub(super) async fn commit(&self, batch: SealedBatch) -> Outcome {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(Request::Commit(Job { batch, reply })).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Has everything that waits committed, and the engine closed.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        let requests = self.requests.clone();
        // The queue may be full, and waiting for room in it must not block the runtime.
        let asked = tokio::task::spawn_blocking(move || requests.send(Request::Close(done)));
        // Whatever fails here means that the writer is gone, and with it `done`.
        drop(asked.await);
        drop(closed.await);
    }
}

impl Drop for Queue {
    /// Waits for the writer: once the store is dropped, its file may be opened again.
    fn drop(&mut self) {
        drop(self.requests.send(Request::Close(oneshot::channel().0)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The commits that wait already, up to the bound, and the request to close when one follows them.
pub(super) fn collect_group(first: Job, requests: &Receiver<Request>) -> (Vec<Job>, Option<oneshot::Sender<()>>) {
    let mut group = vec![first];
    while group.len() < MAX_GROUP {
        match requests.try_recv() {
            Ok(Request::Commit(job)) => group.push(job),
            Ok(Request::Close(done)) => return (group, Some(done)),
            Err(_) => break,
        }
    }
    (group, None)
}
