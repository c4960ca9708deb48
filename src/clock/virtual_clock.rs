//! A clock that can be moved.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Clock, Timestamp};

/// A clock that runs as the machine's does, or is frozen, and can be moved forward.
#[derive(Debug)]
pub struct VirtualClock(Mutex<Position>);

/// The clock's time at a moment of the machine's, and whether it has run since.
#[derive(Clone, Copy, Debug)]
struct Position {
    milliseconds: i64,
    running_since: Option<Instant>,
}

impl VirtualClock {
    /// A clock that is frozen at `start`.
    pub fn frozen_at(start: Timestamp) -> Self {
        Self(Mutex::new(Position { milliseconds: start.unix().saturating_mul(1000), running_since: None }))
    }

    /// A clock that runs from `start` on.
    pub fn running_from(start: Timestamp) -> Self {
        let clock = Self::frozen_at(start);
        clock.run();
        clock
    }

    /// Moves the clock forward by `seconds`.
    pub fn advance(&self, seconds: i64) {
        self.advance_milliseconds(seconds.saturating_mul(1000));
    }

    /// Moves the clock forward by `milliseconds`.
    pub fn advance_milliseconds(&self, milliseconds: i64) {
        let mut position = self.position();
        position.milliseconds = position.milliseconds.saturating_add(milliseconds.max(0));
    }

    /// The clock's time, in milliseconds since the Unix epoch.
    pub fn milliseconds(&self) -> i64 {
        self.position().now()
    }

    /// Sets the clock to `moment`, earlier or later.
    pub fn set(&self, moment: Timestamp) {
        let mut position = self.position();
        position.milliseconds = moment.unix().saturating_mul(1000);
        position.running_since = position.running_since.map(|_| Instant::now());
    }

    /// Freezes the clock.
    pub fn freeze(&self) {
        let mut position = self.position();
        position.milliseconds = position.now();
        position.running_since = None;
    }

    /// Lets the clock run.
    pub fn run(&self) {
        let mut position = self.position();
        position.running_since.get_or_insert_with(Instant::now);
    }

    /// Whether the clock is frozen.
    pub fn is_frozen(&self) -> bool {
        self.position().running_since.is_none()
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Position {
    fn now(&self) -> i64 {
        let run = self.running_since.map_or(0, |since| i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX));
        self.milliseconds.saturating_add(run)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.position().now().div_euclid(1000))
    }

    fn until(&self, moment: Timestamp) -> Option<Duration> {
        let position = *self.position();
        let ahead = moment.unix().saturating_mul(1000).saturating_sub(position.now());
        let ahead = Duration::from_millis(u64::try_from(ahead).unwrap_or_default());
        (ahead.is_zero() || position.running_since.is_some()).then_some(ahead)
    }

    /// As far as the clock has moved; a frozen clock measures nothing.
    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.milliseconds()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix(1_700_000_000);

    #[test]
    fn it_is_frozen_until_it_is_moved() {
        let clock = VirtualClock::frozen_at(START);
        assert_eq!(clock.now(), START);
        clock.advance(86_400);
        assert_eq!(clock.now().unix(), 1_700_086_400);
        assert_eq!(clock.until(START), Some(Duration::ZERO));
        assert_eq!(clock.until(START.plus_seconds(86_401)), None, "it never will by itself");
        assert!(clock.is_frozen());
    }

    #[test]
    fn it_runs_on_from_where_it_was_frozen() {
        let clock = VirtualClock::running_from(START);
        std::thread::sleep(Duration::from_millis(5));
        let ahead = clock.until(START.plus_seconds(1)).unwrap();
        assert!(ahead < Duration::from_secs(1), "{ahead:?}");
        clock.advance_milliseconds(999);
        assert_eq!(clock.now(), START.plus_seconds(1));
        clock.freeze();
        let stood = clock.until(START).unwrap();
        assert_eq!((stood, clock.is_frozen()), (Duration::ZERO, true));
        clock.set(START.plus_seconds(-10));
        assert_eq!(clock.now(), START.plus_seconds(-10));
    }
}
