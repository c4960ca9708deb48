//! The vault clock: real, or one that can be moved and belongs to the data. Where a virtual clock stands is kept in the
//! store with everything else, so a restart goes on from there; one that ran when the server was killed has run on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::MutexGuard;

use super::Tasks;
use super::latest::{keep_latest, latest};
use crate::clock::{Clock, Period, SteadyClock, Timestamp, VirtualClock};
use crate::records::{Change, RecordError, Records, View, encode};
use crate::store::{Batch, Key};
use crate::vault::Refusal;

/// Which clock the vaults live by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockChoice {
    /// The machine's.
    #[default]
    Real,
    /// One that can be moved.
    Virtual {
        /// Where it starts; where it stood when nothing is said, and at the present on new data.
        start: Option<Timestamp>,
        /// Whether it stands still; as it did when nothing is said, and running on new data.
        frozen: Option<bool>,
    },
}

/// The clock of the vaults.
#[derive(Clone, Debug)]
pub enum VaultClock {
    /// The machine's; it waits while that is behind what the data was written at.
    Real(SteadyClock),
    /// One that can be moved.
    Virtual(Arc<VirtualClock>),
}

/// Why the clock was not moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockError {
    /// The clock is the machine's.
    Real,
    /// The clock stands there or further on already.
    Backwards(Timestamp),
    /// No calendar goes so far.
    TooFar,
    /// Where it stands could not be kept, or what fell due not be read.
    Store(String),
}

/// Where the clock stands, after what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The time it shows.
    pub now: Timestamp,
    /// Whether it can be moved.
    pub is_virtual: bool,
    /// Whether it stands still.
    pub frozen: bool,
    /// How many things fell due and were done.
    pub ran: usize,
}

/// What is kept of a virtual clock.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Position {
    at: Timestamp,
    frozen: bool,
    /// The machine's time then.
    real: Timestamp,
    /// Whether the server was stopped then, so that the clock has not run since.
    stopped: bool,
}

/// Moves the clock, keeps where it stands, and has done what falls due.
pub struct Timekeeper {
    records: Records,
    clock: VaultClock,
    system: Arc<dyn Clock>,
    tasks: Arc<Tasks>,
    turn: tokio::sync::Mutex<()>,
}

/// The clock, held: it does not move, and nothing is done that falls due.
pub struct Held<'a> {
    keeper: &'a Timekeeper,
    _turn: MutexGuard<'a, ()>,
    _tasks: MutexGuard<'a, ()>,
}

impl Held<'_> {
    /// Keeps where the clock stands, as if the server stopped now (`stopped`) or were killed later.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn keep(&self, stopped: bool) -> Result<(), ClockError> {
        self.keeper.keep(stopped).await
    }

    /// Takes the clock of the records over: everything was replaced.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn follow(&self) -> Result<(), ClockError> {
        self.keeper.follow().await
    }

    /// Puts a virtual clock back to where `records` have it, if that lies before, so that what is theirs is never seen by
    /// a later clock. Answers where it stood.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn back_to(&self, records: &Records) -> Result<Timestamp, ClockError> {
        let stood = self.keeper.clock.now();
        if let Some(theirs) = kept(records).await?.map(|kept| kept.now(self.keeper.system.now())) {
            self.put(theirs.min(stood));
        }
        Ok(stood)
    }

    /// Puts a virtual clock to `moment`.
    pub fn put(&self, moment: Timestamp) {
        if let VaultClock::Virtual(clock) = &self.keeper.clock {
            clock.set(moment);
        }
    }
}

impl Clock for VaultClock {
    fn now(&self) -> Timestamp {
        match self {
            Self::Real(clock) => clock.now(),
            Self::Virtual(clock) => clock.now(),
        }
    }

    fn until(&self, moment: Timestamp) -> Option<Duration> {
        match self {
            Self::Real(clock) => clock.until(moment),
            Self::Virtual(clock) => clock.until(moment),
        }
    }
}

impl VaultClock {
    /// The clock that was chosen, going on from where the data has it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(choice: ClockChoice, records: &Records, system: &Arc<dyn Clock>) -> Result<Self, RecordError> {
        let kept = kept(records).await?;
        let written = latest(records).await?;
        let ClockChoice::Virtual { start, frozen } = choice else {
            if let Some(kept) = kept {
                kept.warn_that_it_is_not_used();
            }
            let clock = SteadyClock::following(system.clone());
            if let Some(written) = written {
                clock.raise_to(written);
            }
            keep_latest(records, &clock);
            return Ok(Self::Real(clock));
        };
        let kept_now = kept.map(|kept| kept.now(system.now()));
        if let (Some(start), Some(kept_now)) = (start, kept_now)
            && start < kept_now
        {
            tracing::warn!(stands = %kept_now, %start, "the virtual clock is put back: what was made since lies in its future");
        }
        let clock = VirtualClock::frozen_at(
            start.or(kept_now).unwrap_or_else(|| system.now().max(written.unwrap_or(system.now()))),
        );
        if !frozen.or(kept.map(|kept| kept.frozen)).unwrap_or(false) {
            clock.run();
        }
        Ok(Self::Virtual(Arc::new(clock)))
    }
}

impl Position {
    fn warn_that_it_is_not_used(&self) {
        tracing::warn!(
            stood = %self.at,
            "this data has a virtual clock, but the machine's is used; start with --clock virtual to go on with it"
        );
    }

    /// Where the clock stands when the machine's shows `real`.
    fn now(&self, real: Timestamp) -> Timestamp {
        let run = if self.frozen || self.stopped { 0 } else { real.unix().saturating_sub(self.real.unix()).max(0) };
        self.at.plus_seconds(run)
    }
}

impl Timekeeper {
    /// The keeper of `clock`, over the records that it belongs to.
    pub fn new(records: Records, clock: VaultClock, system: Arc<dyn Clock>, tasks: Arc<Tasks>) -> Self {
        Self { records, clock, system, tasks, turn: tokio::sync::Mutex::new(()) }
    }

    /// Where the clock stands.
    pub fn report(&self, ran: usize) -> Report {
        let (is_virtual, frozen) = match &self.clock {
            VaultClock::Real(_) => (false, false),
            VaultClock::Virtual(clock) => (true, clock.is_frozen()),
        };
        Report { now: self.clock.now(), is_virtual, frozen, ran }
    }

    /// Lets the machine's clock count, though the vaults' was ahead of it: everything is about to be replaced by what is written
    /// now. A virtual clock stays where it is. Answers the latest moment until then.
    pub fn start_over(&self) -> Timestamp {
        match &self.clock {
            VaultClock::Real(clock) => clock.restart_from_machine(),
            VaultClock::Virtual(clock) => clock.now(),
        }
    }

    /// Undoes [`Self::start_over`]: what was written until `moment` is still there.
    pub fn not_before(&self, moment: Timestamp) {
        if let VaultClock::Real(clock) = &self.clock {
            clock.raise_to(moment);
        }
    }

    /// Keeps where the clock stands: at the start, so that a server that is killed goes on from there.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn begin(&self) -> Result<(), ClockError> {
        self.keep(false).await
    }

    /// Keeps where the clock stands while no server runs.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn end(&self) -> Result<(), ClockError> {
        self.keep(true).await
    }

    /// Moves the clock forward, and has done what falls due.
    ///
    /// # Errors
    /// As [`ClockError`] says.
    pub async fn advance(&self, period: &Period) -> Result<Report, ClockError> {
        let _turn = self.turn.lock().await;
        let clock = self.movable()?;
        let length = period.milliseconds_from(clock.now()).ok_or(ClockError::TooFar)?;
        self.moved_by(clock, length).await
    }

    /// Puts the clock forward to `moment`, and has done what falls due.
    ///
    /// # Errors
    /// As [`ClockError`] says.
    pub async fn set(&self, moment: Timestamp) -> Result<Report, ClockError> {
        let _turn = self.turn.lock().await;
        let clock = self.movable()?;
        let ahead = moment.unix().saturating_sub(clock.now().unix());
        if ahead < 0 {
            return Err(ClockError::Backwards(clock.now()));
        }
        // To the moment itself, not to the part of a second behind it that the clock stands at.
        self.keep_as(moment, clock.is_frozen(), false).await?;
        self.done(|| {
            if ahead > 0 {
                clock.set(moment);
            }
        })
        .await
    }

    async fn moved_by(&self, clock: &VirtualClock, milliseconds: i64) -> Result<Report, ClockError> {
        let next = Timestamp::from_unix(clock.milliseconds().saturating_add(milliseconds).div_euclid(1000));
        self.keep_as(next, clock.is_frozen(), false).await?;
        self.done(|| clock.advance_milliseconds(milliseconds)).await
    }

    /// Lets the clock stand still, or run.
    ///
    /// # Errors
    /// As [`ClockError`] says.
    pub async fn freeze(&self, frozen: bool) -> Result<Report, ClockError> {
        let _turn = self.turn.lock().await;
        let clock = self.movable()?;
        if frozen {
            clock.freeze();
        } else {
            clock.run();
        }
        self.keep(false).await?;
        self.done(|| {}).await
    }

    /// Holds the clock and everything that falls due until it is dropped: for what must see neither move.
    pub async fn hold(&self) -> Held<'_> {
        let turn = self.turn.lock().await;
        Held { keeper: self, _turn: turn, _tasks: self.tasks.turn.lock().await }
    }

    async fn follow(&self) -> Result<(), ClockError> {
        if let (VaultClock::Real(clock), Some(written)) = (&self.clock, latest(&self.records).await?) {
            clock.raise_to(written);
        }
        match (&self.clock, kept(&self.records).await?) {
            (VaultClock::Virtual(clock), Some(kept)) => {
                clock.set(kept.now(self.system.now()));
                if kept.frozen {
                    clock.freeze();
                } else {
                    clock.run();
                }
            }
            (VaultClock::Real(_), Some(kept)) => kept.warn_that_it_is_not_used(),
            (_, None) => {}
        }
        self.tasks.moved();
        self.keep(false).await
    }

    fn movable(&self) -> Result<&VirtualClock, ClockError> {
        match &self.clock {
            VaultClock::Virtual(clock) => Ok(clock),
            VaultClock::Real(_) => Err(ClockError::Real),
        }
    }

    async fn done(&self, step: impl FnOnce() + Send) -> Result<Report, ClockError> {
        let ran = self.tasks.run_due_after(step).await?;
        Ok(self.report(ran))
    }

    async fn keep(&self, stopped: bool) -> Result<(), ClockError> {
        match &self.clock {
            VaultClock::Real(_) => Ok(()),
            VaultClock::Virtual(clock) => self.keep_as(clock.now(), clock.is_frozen(), stopped).await,
        }
    }

    async fn keep_as(&self, at: Timestamp, frozen: bool, stopped: bool) -> Result<(), ClockError> {
        let position = &Position { at, frozen, real: self.system.now(), stopped };
        let put = |_view: View| async move {
            Ok::<_, RecordError>(Change {
                batch: Batch::default().put(position_place(), encode(position)?),
                answer: (),
            })
        };
        Ok(self.records.update(put).await?)
    }
}

/// What is kept of a virtual clock, if anything is.
///
/// # Errors
/// When it cannot be read.
pub async fn kept(records: &Records) -> Result<Option<Position>, RecordError> {
    let view = records.view().await?;
    Ok(records.get::<Position>(&view, &position_place()).await?.map(|kept| *kept))
}

/// Where the clock's position lies.
pub fn position_place() -> Key {
    Key::from("clock/position")
}

impl From<Refusal> for ClockError {
    fn from(refusal: Refusal) -> Self {
        Self::Store(refusal.to_string())
    }
}

impl std::error::Error for ClockError {}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real => {
                f.write_str("this server lives by the machine's clock; start it with --clock virtual to move time")
            }
            Self::Backwards(now) => write!(f, "the clock stands at {now} already and only goes forward"),
            Self::TooFar => f.write_str("no calendar goes so far"),
            Self::Store(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_clock_has_run_on_only_if_nobody_stopped_it() {
        let stood = Timestamp::from_unix(5_000);
        let position = |frozen, stopped| Position { at: stood, frozen, real: Timestamp::from_unix(1_000), stopped };
        let later = Timestamp::from_unix(1_060);
        assert_eq!(position(false, false).now(later), Timestamp::from_unix(5_060), "the server was killed");
        assert_eq!(position(false, true).now(later), stood);
        assert_eq!(position(true, false).now(later), stood);
        assert_eq!(position(false, false).now(Timestamp::from_unix(900)), stood, "it never goes back");
    }
}
