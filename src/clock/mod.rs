//! Time as a value. The only module that reads the wall clock, so that a virtual clock is complete by construction.
//!
//! Two clocks run in a server: the *system clock* (tokens, TLS, time-outs) and the *vault clock* (objects, windows,
//! retention). A module is given the one it needs.

mod period;
mod steady;
mod virtual_clock;

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use period::{InvalidPeriod, Period};
pub use steady::SteadyClock;
pub use virtual_clock::VirtualClock;

/// A moment, in whole seconds since 1970-01-01T00:00:00Z: the resolution of every time on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `seconds` after the Unix epoch.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// This moment moved by `seconds`, held at the ends of the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl Timestamp {
    /// The moment that `text` gives in the form of RFC 3339, in whole seconds.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_second()))
    }

    fn calendar(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_second(self.0).ok()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC; a moment outside the calendar is printed as its seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.calendar() {
            Some(moment) => write!(f, "{moment}"),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A source of "now".
pub trait Clock: Send + Sync {
    /// The present moment of this clock.
    fn now(&self) -> Timestamp;

    /// How long it takes until this clock shows `moment`, zero if it does already; `None` while it is frozen.
    fn until(&self, moment: Timestamp) -> Option<Duration>;

    /// A reading that never goes back, for measuring durations: the difference of two readings is the time between them.
    fn monotonic(&self) -> Duration {
        ORIGIN.elapsed()
    }
}

/// The origin of the machine's monotonic readings: any fixed moment.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn until(&self, moment: Timestamp) -> Option<Duration> {
        let seconds = u64::try_from(moment.0).unwrap_or_default();
        let then = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        Some(then.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339() {
        assert_eq!(Timestamp::from_unix(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_unix(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Timestamp::from_unix(i64::MAX).to_string(), i64::MAX.to_string());
    }

    #[test]
    fn rfc_3339_is_read_in_any_zone() {
        for text in ["2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20.9Z"] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_unix(1_700_000_000)), "{text}");
        }
        for text in ["", "2023-11-14", "2023-11-14T22:13:20", "1700000000", "2023-13-14T22:13:20Z"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_machines_clock_waits_for_what_lies_ahead_alone() {
        let now = SystemClock.now();
        assert_eq!(SystemClock.until(now.plus_seconds(-5)), Some(Duration::ZERO));
        let ahead = SystemClock.until(now.plus_seconds(100)).unwrap();
        assert!(ahead > Duration::from_secs(90) && ahead <= Duration::from_secs(100), "{ahead:?}");
    }
}
