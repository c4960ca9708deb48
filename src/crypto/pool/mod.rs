//! The threads that private-key work and key generation run on. It knows no keys: work is any closure.
//!
//! One RSA signature takes as long as forty requests, one generation as long as hundreds of signatures. On the threads
//! that serve connections either would hold up everyone else, so both run here: on as many threads as there are cores,
//! behind bounded queues, operations before generations.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// A handle to the threads; a clone is another handle to the same ones. They end when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Handle>);

impl Pool {
    /// Starts `threads` threads (at least one), where `queue` operations and as many generations may wait.
    ///
    /// # Panics
    /// When the operating system cannot start a thread.
    pub(crate) fn start(threads: usize, queue: usize) -> Self {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            queue,
            generators: threads.saturating_sub(1).max(1),
        });
        for number in 1..=threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("keyhaven-crypto-{number}"))
                .spawn(move || shared.serve())
                .expect("the system starts a thread");
        }
        Self(Arc::new(Handle(shared)))
    }

    /// Runs an operation with a private key, and gives its result.
    ///
    /// When the caller goes away before its turn comes, the work is not run.
    ///
    /// # Errors
    /// [`PoolError`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        self.submit(JobKind::KeyUse, work).await
    }

    /// Runs the generation of a key, which may take seconds, and gives its result.
    ///
    /// Generations leave one thread to the operations (if there is more than one), and one that waits is taken only
    /// when no operation waits.
    ///
    /// # Errors
    /// [`PoolError`].
    pub(crate) async fn generate<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        self.submit(JobKind::Generation, work).await
    }

    /// Takes no more work and drops what waits; the threads end after what they are doing.
    pub(crate) fn stop(&self) {
        self.0.0.stop();
    }

    async fn submit<T: Send + 'static>(
        &self,
        kind: JobKind,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move || {
            if !sender.is_closed() {
                // A caller that went away meanwhile does not want the result any more.
                let _ = sender.send(catch_unwind(AssertUnwindSafe(work)).map_err(|_| PoolError::Panicked));
            }
        });
        self.0.0.push(kind, job)?;
        // A job is dropped unrun only when the pool stops.
        receiver.await.unwrap_or(Err(PoolError::Stopped))
    }
}

/// Why work did not give a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// As much work waits as may wait; it can be tried again.
    Full,
    /// The work panicked; the pool goes on.
    Panicked,
    /// The pool was stopped.
    Stopped,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too much work with private keys is waiting",
            Self::Panicked => "the work with the private key panicked",
            Self::Stopped => "the threads for work with private keys have been stopped",
        })
    }
}

impl std::error::Error for PoolError {}

/// What the handles share among themselves, but not with the threads: its end is the end of the pool.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What the handles share with the threads.
struct Shared {
    state: Mutex<State>,
    /// Signalled when a waiting thread has something to do.
    work: Condvar,
    /// How many jobs of each kind may wait.
    queue: usize,
    /// How many threads may be generating at the same time.
    generators: usize,
}

#[derive(Default)]
struct State {
    key_uses: VecDeque<Job>,
    generations: VecDeque<Job>,
    /// Threads that wait for work.
    idle: usize,
    /// Those of them that were signalled and have not run since.
    woken: usize,
    /// Threads that generate.
    generating: usize,
    stopped: bool,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Clone, Copy)]
enum JobKind {
    KeyUse,
    Generation,
}

impl Shared {
    fn push(&self, kind: JobKind, job: Job) -> Result<(), PoolError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(PoolError::Stopped);
        }
        let (queue, allowed) = match kind {
            JobKind::KeyUse => (&mut state.key_uses, true),
            JobKind::Generation => {
                let allowed = state.generating < self.generators;
                (&mut state.generations, allowed)
            }
        };
        if queue.len() >= self.queue {
            return Err(PoolError::Full);
        }
        queue.push_back(job);
        // A wake-up is a system call, so none is made for a job that no waiting thread could take.
        let wake = allowed && state.idle > state.woken;
        state.woken += usize::from(wake);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Ok(())
    }

    /// The life of one thread.
    fn serve(&self) {
        while let Some((kind, job)) = self.next() {
            job();
            if let JobKind::Generation = kind {
                self.lock().generating -= 1;
            }
        }
    }

    /// The next job for a thread, once there is one; `None` when the pool has stopped.
    fn next(&self) -> Option<(JobKind, Job)> {
        let mut state = self.lock();
        while !state.stopped {
            if let Some(job) = state.key_uses.pop_front() {
                return Some((JobKind::KeyUse, job));
            }
            if state.generating < self.generators
                && let Some(job) = state.generations.pop_front()
            {
                state.generating += 1;
                return Some((JobKind::Generation, job));
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            state.woken = state.woken.saturating_sub(1);
        }
        None
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let unrun = (std::mem::take(&mut state.key_uses), std::mem::take(&mut state.generations));
        drop(state);
        drop(unrun);
        self.work.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
