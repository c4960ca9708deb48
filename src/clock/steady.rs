//! A clock that follows the machine's and never goes back, though the machine's does: by hand, by NTP, or because a virtual
//! machine was restored.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::{Clock, Timestamp};

/// By how many seconds the machine's clock may fall behind before it is logged: NTP corrects by less, which is no
/// error.
const LOGGED_LAG: i64 = 2;

/// Shows what the machine's clock shows, or, while that is behind, the latest moment that was shown or written. Cheap to
/// clone; clones share that moment.
#[derive(Clone)]
pub struct SteadyClock {
    machine: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

struct Shared {
    /// The latest moment, in Unix seconds.
    latest: AtomicI64,
    /// Whether the log says that the machine's clock is behind.
    behind: AtomicBool,
}

impl SteadyClock {
    /// A clock that follows `machine`.
    pub fn following(machine: Arc<dyn Clock>) -> Self {
        let shared = Shared { latest: AtomicI64::new(i64::MIN), behind: AtomicBool::new(false) };
        Self { machine, shared: Arc::new(shared) }
    }

    /// Never shows less than `moment` from now on: data was written then.
    pub fn raise_to(&self, moment: Timestamp) {
        self.shared.latest.fetch_max(moment.unix(), Ordering::Relaxed);
        self.now();
    }

    /// Follows the machine's clock from its present time, earlier or not: no earlier write is left. Returns the
    /// latest moment until then.
    pub fn restart_from_machine(&self) -> Timestamp {
        let latest = self.shared.latest.swap(self.machine.now().unix(), Ordering::Relaxed);
        Timestamp::from_unix(latest)
    }

    /// Logs once that the machine's clock has fallen behind, and once that it has caught up.
    fn log_lag(&self, machine: Timestamp, latest: Timestamp) {
        let is_behind = machine.plus_seconds(LOGGED_LAG) < latest;
        if is_behind && !self.shared.behind.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %machine, %latest,
                "the machine's clock is behind what this data was written at; the vaults' clock waits there until it has \
                 caught up: set the machine's clock; if it was ahead when the data was written, keyhaven reset begins anew \
                 by the clock of today"
            );
        }
        if machine >= latest && self.shared.behind.swap(false, Ordering::Relaxed) {
            tracing::info!(%machine, "the machine's clock has caught up; the vaults' clock runs with it");
        }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let machine = self.machine.now();
        // One load in most calls: the moment moves once a second.
        let latest = self.shared.latest.load(Ordering::Relaxed);
        if machine.unix() > latest {
            self.shared.latest.fetch_max(machine.unix(), Ordering::Relaxed);
        }
        if machine.unix() < latest || self.shared.behind.load(Ordering::Relaxed) {
            self.log_lag(machine, Timestamp::from_unix(latest));
        }
        machine.max(Timestamp::from_unix(latest))
    }

    fn until(&self, moment: Timestamp) -> Option<Duration> {
        if moment <= self.now() { Some(Duration::ZERO) } else { self.machine.until(moment) }
    }
}

impl fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SteadyClock({})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;

    const START: Timestamp = Timestamp::from_unix(1_700_000_000);

    #[test]
    fn it_follows_the_machines_clock_and_waits_when_that_goes_back() {
        let machine = Arc::new(VirtualClock::frozen_at(START));
        let clock = SteadyClock::following(machine.clone());
        assert_eq!(clock.now(), START);
        machine.advance(60);
        assert_eq!(clock.now(), START.plus_seconds(60));
        machine.set(START.plus_seconds(-3600));
        assert_eq!(clock.now(), START.plus_seconds(60), "it waits");
        assert_eq!(clock.until(START.plus_seconds(60)), Some(Duration::ZERO));
        machine.run();
        let ahead = clock.until(START.plus_seconds(61)).unwrap();
        assert!(ahead > Duration::from_secs(3650), "a timer goes off when the clock shows it: {ahead:?}");
        machine.set(START.plus_seconds(61));
        assert_eq!(clock.now(), START.plus_seconds(61), "and goes on");
    }

    #[test]
    fn it_goes_back_when_nothing_of_before_is_left() {
        let machine = Arc::new(VirtualClock::frozen_at(START.plus_seconds(60)));
        let clock = SteadyClock::following(machine.clone());
        assert_eq!(clock.now(), START.plus_seconds(60));
        machine.set(START);
        assert_eq!(clock.restart_from_machine(), START.plus_seconds(60));
        assert_eq!(clock.now(), START);
        machine.advance(1);
        assert_eq!(clock.now(), START.plus_seconds(1));
    }

    #[test]
    fn it_never_shows_less_than_what_was_written() {
        let clock = SteadyClock::following(Arc::new(VirtualClock::frozen_at(START)));
        clock.raise_to(START.plus_seconds(-5));
        assert_eq!(clock.now(), START);
        clock.raise_to(START.plus_seconds(5));
        assert_eq!(clock.now(), START.plus_seconds(5));
    }
}
