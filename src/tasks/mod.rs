//! What happens because time passed. Everything that falls due lies in the store, in order; this room does it when its
//! moment comes, and sleeps until the next one or a change. It polls nothing.

mod timekeeper;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};

use crate::clock::Clock;
use crate::records::RecordError;
use crate::vault::{Due, Refusal, Vaults};

pub use timekeeper::{ClockChoice, ClockError, Report, Timekeeper, VaultClock, position_place};

/// The longest sleep: a machine that was suspended does not count the time, and wakes late.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// When what failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Does what falls due, one thing after the other.
pub struct Tasks {
    vaults: Vaults,
    clock: Arc<dyn Clock>,
    turn: Mutex<()>,
    moved: Notify,
}

/// What doing everything that was due came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    ran: usize,
    failed: usize,
}

impl Tasks {
    /// The tasks of `vaults`, on their clock.
    pub fn new(vaults: Vaults, clock: Arc<dyn Clock>) -> Self {
        Self { vaults, clock, turn: Mutex::new(()), moved: Notify::new() }
    }

    /// Does what is due, for as long as the server runs.
    pub async fn keep_running(self: Arc<Self>) {
        self.sweep().await;
        loop {
            let pause = match self.round().await {
                Ok(Round { failed: 0, .. }) => self.until_next().await,
                Ok(_) => Some(AFTER_FAILURE),
                Err(error) => {
                    tracing::error!(?error, "what is due could not be looked up");
                    Some(AFTER_FAILURE)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                () = self.vaults.rescheduled() => {}
                () = self.moved.notified() => {}
            }
        }
    }

    /// Moves the clock by `step` and does everything that is due then, in order; answers how many things that were.
    /// Nothing that the step made due is done by anybody else. What fails is left for later, and told in the log.
    ///
    /// # Errors
    /// When what is due cannot be read.
    async fn run_due_after(&self, step: impl FnOnce() + Send) -> Result<usize, Refusal> {
        let _turn = self.turn.lock().await;
        step();
        let round = self.round_in_turn().await;
        self.moved();
        Ok(round?.ran)
    }

    async fn round(&self) -> Result<Round, Refusal> {
        let _turn = self.turn.lock().await;
        self.round_in_turn().await
    }

    async fn round_in_turn(&self) -> Result<Round, Refusal> {
        let (mut round, mut passed) = (Round::default(), None);
        while let Some(due) = self.due_now(passed.as_ref()).await? {
            match self.vaults.run(&due).await {
                Ok(true) => round.ran += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(?due, ?error, "something that is due could not be done");
                    round.failed += 1;
                    passed = Some(due);
                }
            }
        }
        Ok(round)
    }

    async fn due_now(&self, after: Option<&Due>) -> Result<Option<Due>, Refusal> {
        let now = self.clock.now();
        Ok(self.vaults.next_due(after).await?.filter(|due| due.at <= now))
    }

    /// How long until something falls due by itself, if it does.
    async fn until_next(&self) -> Option<Duration> {
        let next: Due = self.vaults.next_due(None).await.ok().flatten()?;
        self.clock.until(next.at).map(|until| until.min(LONGEST_SLEEP))
    }

    /// The clock was moved, or everything was replaced: what was slept for is no longer what counts.
    fn moved(&self) {
        self.moved.notify_one();
    }

    /// Takes away what belongs to nothing that counts any more.
    pub async fn sweep(&self) {
        match self.vaults.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "records of before were taken away"),
            Err(error) => tracing::warn!(?error, "records of before could not be taken away"),
        }
    }
}

impl From<RecordError> for ClockError {
    fn from(error: RecordError) -> Self {
        Self::Store(error.to_string())
    }
}
