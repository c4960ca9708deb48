//! The vault clock: the machine's, or a virtual one that can be moved and belongs to the data. The position of a virtual
//! clock is saved in the store, so a restart continues from there; one that ran when the server was killed has run on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;

use super::Tasks;
use super::latest_write::{latest_write, save_latest_write};
use super::position::{ClockPosition, position_key, saved_position};
use crate::clock::{Clock, Period, SteadyClock, Timestamp, VirtualClock};
use crate::records::{Change, RecordError, Records, View, encode};
use crate::store::Batch;
use crate::vault::Refusal;

/// Which clock the vaults live by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockChoice {
    /// The machine's.
    #[default]
    Real,
    /// One that can be moved.
    Virtual {
        /// Where it starts; when left out, at its saved position, and at the present on new data.
        start: Option<Timestamp>,
        /// Whether it is frozen; when left out, as it was saved, and running on new data.
        frozen: Option<bool>,
    },
}

/// The clock of the vaults.
#[derive(Clone, Debug)]
pub enum VaultClock {
    /// The machine's; it waits while that is behind the latest write.
    Real(SteadyClock),
    /// One that can be moved.
    Virtual(Arc<VirtualClock>),
}

/// Why the clock was not moved.
#[derive(Debug)]
pub enum ClockError {
    /// The clock is the machine's.
    Real,
    /// The clock is there or further on already.
    Backwards(Timestamp),
    /// No calendar goes so far.
    TooFar,
    /// The position could not be saved, or what fell due not be read.
    Store(Box<dyn std::error::Error + Send + Sync>),
}

/// The clock's time and state after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReport {
    /// The time it shows.
    pub now: Timestamp,
    /// Whether it can be moved.
    pub is_virtual: bool,
    /// Whether it is frozen.
    pub frozen: bool,
    /// How many actions fell due and ran.
    pub ran: usize,
}

/// Moves the clock, saves its position, and runs what falls due.
pub(crate) struct Timekeeper {
    records: Records,
    clock: VaultClock,
    system: Arc<dyn Clock>,
    tasks: Arc<Tasks>,
    change_lock: tokio::sync::Mutex<()>,
}

/// A hold on the clock: it does not move, and nothing that falls due runs, until this is dropped.
pub(crate) struct ClockHold<'a> {
    keeper: &'a Timekeeper,
    _clock: MutexGuard<'a, ()>,
    _tasks: MutexGuard<'a, ()>,
}

impl ClockHold<'_> {
    /// Saves the position, as if the server stopped now (`stopped`) or were killed later.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn save(&self, stopped: bool) -> Result<(), ClockError> {
        self.keeper.save(stopped).await
    }

    /// Sets the clock to the position in the records: everything was replaced.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn reload(&self) -> Result<(), ClockError> {
        self.keeper.reload().await
    }

    /// Sets a virtual clock back to the position in `records`, if that is earlier, so that no request sees them at a later
    /// time. Returns its time before.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn rewind_to(&self, records: &Records) -> Result<Timestamp, ClockError> {
        let stood = self.keeper.clock.now();
        if let Some(theirs) = saved_position(records).await?.map(|kept| kept.now(self.keeper.system.now())) {
            self.set_to(theirs.min(stood));
        }
        Ok(stood)
    }

    /// Sets a virtual clock to `moment`.
    pub(crate) fn set_to(&self, moment: Timestamp) {
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
    /// Opens the chosen clock, at the position in the data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(choice: ClockChoice, records: &Records, system: &Arc<dyn Clock>) -> Result<Self, RecordError> {
        let kept = saved_position(records).await?;
        let written = latest_write(records).await?;
        let ClockChoice::Virtual { start, frozen } = choice else {
            if let Some(kept) = kept {
                kept.warn_that_it_is_not_used();
            }
            let clock = SteadyClock::following(system.clone());
            if let Some(written) = written {
                clock.raise_to(written);
            }
            save_latest_write(records, &clock);
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

impl Timekeeper {
    /// The keeper of `clock`, over the records that it belongs to.
    pub(crate) fn new(records: Records, clock: VaultClock, system: Arc<dyn Clock>, tasks: Arc<Tasks>) -> Self {
        Self { records, clock, system, tasks, change_lock: tokio::sync::Mutex::new(()) }
    }

    /// The clock's time and state.
    pub(crate) fn report(&self, ran: usize) -> ClockReport {
        let (is_virtual, frozen) = match &self.clock {
            VaultClock::Real(_) => (false, false),
            VaultClock::Virtual(clock) => (true, clock.is_frozen()),
        };
        ClockReport { now: self.clock.now(), is_virtual, frozen, ran }
    }

    /// Lets the machine's clock count, though the vaults' was ahead of it: everything is about to be replaced by what is written
    /// now. A virtual clock stays where it is. Returns the latest moment until then.
    pub(crate) fn rewind_to_machine(&self) -> Timestamp {
        match &self.clock {
            VaultClock::Real(clock) => clock.restart_from_machine(),
            VaultClock::Virtual(clock) => clock.now(),
        }
    }

    /// Undoes [`Self::rewind_to_machine`]: what was written until `moment` is still there.
    pub(crate) fn not_before(&self, moment: Timestamp) {
        if let VaultClock::Real(clock) = &self.clock {
            clock.raise_to(moment);
        }
    }

    /// Saves the position of a running server: one that is killed continues from there.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn save_running(&self) -> Result<(), ClockError> {
        self.save(false).await
    }

    /// Saves the position of a stopped server: the clock does not run on.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn save_stopped(&self) -> Result<(), ClockError> {
        self.save(true).await
    }

    /// Moves the clock forward, and runs what falls due.
    ///
    /// # Errors
    /// As [`ClockError`] says.
    pub(crate) async fn advance(&self, period: &Period) -> Result<ClockReport, ClockError> {
        let _lock = self.change_lock.lock().await;
        let clock = self.virtual_clock()?;
        let length = period.milliseconds_from(clock.now()).ok_or(ClockError::TooFar)?;
        self.move_by(clock, length).await
    }

    /// Sets the clock forward to `moment`, and runs what falls due.
    ///
    /// # Errors
    /// As [`ClockError`] says.
    pub(crate) async fn set(&self, moment: Timestamp) -> Result<ClockReport, ClockError> {
        let _lock = self.change_lock.lock().await;
        let clock = self.virtual_clock()?;
        let ahead = moment.unix().saturating_sub(clock.now().unix());
        if ahead < 0 {
            return Err(ClockError::Backwards(clock.now()));
        }
        // To the moment itself: the clock may show a part of a second more.
        self.save_position(moment, clock.is_frozen(), false).await?;
        self.run_due_after(|| {
            if ahead > 0 {
                clock.set(moment);
            }
        })
        .await
    }

    async fn move_by(&self, clock: &VirtualClock, milliseconds: i64) -> Result<ClockReport, ClockError> {
        let next = Timestamp::from_unix(clock.milliseconds().saturating_add(milliseconds).div_euclid(1000));
        self.save_position(next, clock.is_frozen(), false).await?;
        self.run_due_after(|| clock.advance_milliseconds(milliseconds)).await
    }

    /// Freezes the clock, or lets it run.
    ///
    /// # Errors
    /// As [`ClockError`] says.
    pub(crate) async fn freeze(&self, frozen: bool) -> Result<ClockReport, ClockError> {
        let _lock = self.change_lock.lock().await;
        let clock = self.virtual_clock()?;
        if frozen {
            clock.freeze();
        } else {
            clock.run();
        }
        self.save(false).await?;
        self.run_due_after(|| {}).await
    }

    /// Holds the clock and everything that falls due until it is dropped: for what must see neither move.
    pub(crate) async fn hold(&self) -> ClockHold<'_> {
        let clock = self.change_lock.lock().await;
        ClockHold { keeper: self, _clock: clock, _tasks: self.tasks.run_lock.lock().await }
    }

    async fn reload(&self) -> Result<(), ClockError> {
        if let (VaultClock::Real(clock), Some(written)) = (&self.clock, latest_write(&self.records).await?) {
            clock.raise_to(written);
        }
        match (&self.clock, saved_position(&self.records).await?) {
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
        self.tasks.notify_clock_changed();
        self.save(false).await
    }

    fn virtual_clock(&self) -> Result<&VirtualClock, ClockError> {
        match &self.clock {
            VaultClock::Virtual(clock) => Ok(clock),
            VaultClock::Real(_) => Err(ClockError::Real),
        }
    }

    async fn run_due_after(&self, step: impl FnOnce() + Send) -> Result<ClockReport, ClockError> {
        let ran = self.tasks.run_due_after(step).await?;
        Ok(self.report(ran))
    }

    async fn save(&self, stopped: bool) -> Result<(), ClockError> {
        match &self.clock {
            VaultClock::Real(_) => Ok(()),
            VaultClock::Virtual(clock) => self.save_position(clock.now(), clock.is_frozen(), stopped).await,
        }
    }

    async fn save_position(&self, at: Timestamp, frozen: bool, stopped: bool) -> Result<(), ClockError> {
        let position = &ClockPosition { at, frozen, real: self.system.now(), stopped };
        let put = |_view: View| async move {
            Ok::<_, RecordError>(Change { batch: Batch::default().put(position_key(), encode(position)?), answer: () })
        };
        Ok(self.records.update(put).await?)
    }
}

impl From<Refusal> for ClockError {
    fn from(refusal: Refusal) -> Self {
        Self::Store(Box::new(refusal))
    }
}

impl std::error::Error for ClockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error.as_ref()),
            Self::Real | Self::Backwards(_) | Self::TooFar => None,
        }
    }
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real => {
                f.write_str("this server lives by the machine's clock; start it with --clock virtual to move time")
            }
            Self::Backwards(now) => write!(f, "the clock stands at {now} already and only goes forward"),
            Self::TooFar => f.write_str("no calendar goes so far"),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}
