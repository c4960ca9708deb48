//! The scheduler. The store has everything that falls due, in order; this room runs it when its moment comes, and sleeps
//! until the next entry or a change. It polls nothing.

mod latest_write;
mod position;
mod timekeeper;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};

use crate::clock::Clock;
use crate::records::RecordError;
use crate::store::EntryKey;
use crate::vault::{NextDue, Refusal, Vaults};

pub(crate) use position::{position_key, saved_position};
pub(crate) use timekeeper::Timekeeper;
pub use timekeeper::{ClockChoice, ClockError, ClockReport, VaultClock};

/// The longest sleep: a machine that was suspended does not count the time, and wakes late.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// Progress is logged after so many actions of one run.
const LOG_EVERY: usize = 1000;
/// How long until a failed action is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Runs what falls due, one action after the other.
pub(crate) struct Tasks {
    vaults: Vaults,
    clock: Arc<dyn Clock>,
    run_lock: Mutex<()>,
    clock_changed: Notify,
}

/// The result of running everything that was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RunSummary {
    ran: usize,
    failed: usize,
}

impl RunSummary {
    /// Counts the actions that the entry at `key` ran, and logs the progress of long work.
    fn add(&mut self, done: usize, key: &EntryKey) {
        let before = self.ran / LOG_EVERY;
        self.ran += done;
        if self.ran / LOG_EVERY > before {
            tracing::info!(done = self.ran, %key, "much has fallen due and is being done");
        }
    }
}

impl Tasks {
    /// The tasks of `vaults`, on their clock.
    pub(crate) fn new(vaults: Vaults, clock: Arc<dyn Clock>) -> Self {
        Self { vaults, clock, run_lock: Mutex::new(()), clock_changed: Notify::new() }
    }

    /// Runs what fell due while no server ran. Failures are logged and left for later.
    ///
    /// # Errors
    /// When what is due cannot be read.
    pub(crate) async fn catch_up(&self) -> Result<(), Refusal> {
        self.run_due().await.map(drop)
    }

    /// Runs what is due, for as long as the server runs.
    pub(crate) async fn keep_running(self: Arc<Self>) {
        self.sweep().await;
        loop {
            let pause = match self.run_due().await {
                Ok(RunSummary { failed: 0, .. }) => self.time_to_next().await,
                Ok(_) => Some(RETRY_AFTER),
                Err(error) => {
                    tracing::error!(?error, "what is due could not be looked up");
                    Some(RETRY_AFTER)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                () = self.vaults.wait_for_schedule_change() => {}
                () = self.clock_changed.notified() => {}
            }
        }
    }

    /// Moves the clock by `step` and runs everything that is due then, in order; returns how many actions that were. No
    /// other run comes between. Failures are logged and left for later.
    ///
    /// # Errors
    /// When what is due cannot be read.
    async fn run_due_after(&self, step: impl FnOnce() + Send) -> Result<usize, Refusal> {
        let _lock = self.run_lock.lock().await;
        step();
        let summary = self.run_due_locked().await;
        self.notify_clock_changed();
        Ok(summary?.ran)
    }

    async fn run_due(&self) -> Result<RunSummary, Refusal> {
        let _lock = self.run_lock.lock().await;
        self.run_due_locked().await
    }

    async fn run_due_locked(&self) -> Result<RunSummary, Refusal> {
        let (mut summary, mut passed) = (RunSummary::default(), None);
        while let Some(NextDue { key, due }) = self.vaults.next_due(passed.as_ref()).await? {
            let done = match due {
                Ok(Some(due)) if due.at > self.clock.now() => break,
                Ok(Some(due)) => self.vaults.run_due(&due, &key).await,
                Ok(None) => Ok(0),
                Err(error) => Err(error),
            };
            match done {
                Ok(done) => summary.add(done, &key),
                Err(error) => {
                    tracing::error!(%key, %error, "something that is due could not be done");
                    summary.failed += 1;
                    passed = Some(key);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(summary)
    }

    /// How long until something falls due by itself, if it does.
    async fn time_to_next(&self) -> Option<Duration> {
        let next = self.vaults.next_due(None).await.ok().flatten()?.due.ok().flatten()?;
        self.clock.until(next.at).map(|until| until.min(LONGEST_SLEEP))
    }

    /// Wakes the loop: the clock was moved, or everything was replaced.
    fn notify_clock_changed(&self) {
        self.clock_changed.notify_one();
    }

    /// Deletes the records that nothing refers to.
    pub(crate) async fn sweep(&self) {
        match self.vaults.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "records of before were taken away"),
            Err(error) => tracing::warn!(?error, "records of before could not be taken away"),
        }
    }
}

impl From<RecordError> for ClockError {
    fn from(error: RecordError) -> Self {
        Self::Store(Box::new(error))
    }
}

#[cfg(test)]
mod rotation_property;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Timestamp, VirtualClock};
    use crate::crypto::pool::Pool;
    use crate::random::{self, SeededRandom};
    use crate::records::Records;
    use crate::store::{Batch, DataKey, Store};
    use crate::vault::object::AttributesPatch;
    use crate::vault::secrets::{NewSecret, SecretValue};
    use crate::vault::{Call, Deps, InitialVault, ObjectName, Sku, VaultName};

    pub(super) const START: Timestamp = Timestamp::from_unix(1_700_000_000);
    pub(super) const DAY: i64 = 86_400;

    pub(super) fn vaults(store: &Store) -> Vaults {
        Vaults::new(Deps {
            records: Records::new(store.clone()),
            pool: Pool::start(1, 10),
            random: Arc::new(SeededRandom::new(1)),
            backup_key: Arc::new(|| Err(crate::store::StoreError::Closed)),
            parsed_keys: 1,
            observer: Arc::new(|_| ()),
        })
    }

    /// Deleted secrets of these names in a vault that keeps them for 7 days.
    async fn deleted(vaults: &Vaults, names: &[&str]) {
        let initial = InitialVault { retention_days: 7, ..InitialVault::named(VaultName::local(), Sku::Standard) };
        vaults.apply(initial, START).await.unwrap();
        let vault = vaults.find(&VaultName::local()).await.unwrap().unwrap();
        let call = Call::by_server(vault, START);
        for name in names {
            let name = ObjectName::parse(name).unwrap();
            let (value, attributes) = (SecretValue::from("v".to_owned()), AttributesPatch::default());
            let new = NewSecret { value, content_type: None, attributes, tags: None };
            vaults.secrets(&call).set(&name, &new).await.unwrap();
            vaults.secrets(&call).delete(&name).await.unwrap();
        }
    }

    async fn left(store: &Store) -> Vec<String> {
        let view = store.view().await.unwrap();
        let found = view.keys(&EntryKey::from(""), None, usize::MAX).await.unwrap();
        found
            .into_iter()
            .map(|(key, _)| key.to_string())
            .filter(|key| !key.starts_with("vault/") && !key.starts_with("event/"))
            .collect()
    }

    #[tokio::test]
    async fn a_deleted_object_leaves_nothing_behind_when_its_time_is_over() {
        let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
        let vaults = vaults(&store);
        deleted(&vaults, &["a", "b"]).await;
        let clock = Arc::new(VirtualClock::frozen_at(START));
        let tasks = Tasks::new(vaults, clock.clone());
        assert_eq!(tasks.run_due_after(|| clock.advance(7 * DAY - 1)).await.unwrap(), 0);
        assert_eq!(tasks.run_due_after(|| clock.advance(1)).await.unwrap(), 2);
        assert_eq!(left(&store).await, Vec::<String>::new());
        assert_eq!(tasks.run_due_after(|| ()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_done_stays_due_and_keeps_nothing_else_from_being_done() {
        let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
        deleted(&vaults(&store), &["a", "b", "c"]).await;
        let damaged = left(&store).await.into_iter().find(|key| key.starts_with("deleted/") && key.ends_with("/B"));
        store.commit(Batch::default().put(damaged.unwrap().as_str(), b"{}".to_vec())).await.unwrap();
        let clock = Arc::new(VirtualClock::frozen_at(START.plus_seconds(7 * DAY)));
        let tasks = Tasks::new(vaults(&store), clock);
        for expected in [RunSummary { ran: 2, failed: 1 }, RunSummary { ran: 0, failed: 1 }] {
            assert_eq!(tasks.run_due().await.unwrap(), expected);
        }
        assert_eq!(left(&store).await.iter().filter(|key| key.starts_with("due/")).count(), 1);
        // The purges of the first run woke the loop; the failure of another does not.
        tasks.vaults.wait_for_schedule_change().await;
        assert_eq!(tasks.run_due().await.unwrap(), RunSummary { ran: 0, failed: 1 });
        let woken = tokio::time::timeout(Duration::from_millis(50), tasks.vaults.wait_for_schedule_change()).await;
        assert!(woken.is_err(), "it would try again at once, for ever");
    }

    #[tokio::test]
    async fn an_entry_that_is_damaged_or_lies_at_the_wrong_place_does_not_stop_the_others() {
        let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
        deleted(&vaults(&store), &["a", "b"]).await;
        let view = store.view().await.unwrap();
        let entry = view.scan(&EntryKey::from("due/"), None, 1).await.unwrap().remove(0);
        drop(view);
        let batch = Batch::default().put("due/0/misplaced", entry.value).put("due/0/damaged", b"{}".to_vec());
        store.commit(batch).await.unwrap();
        let clock = Arc::new(VirtualClock::frozen_at(START.plus_seconds(7 * DAY)));
        let tasks = Tasks::new(vaults(&store), clock);
        assert_eq!(tasks.run_due().await.unwrap(), RunSummary { ran: 2, failed: 1 });
        assert_eq!(left(&store).await, ["due/0/damaged"]);
    }
}
