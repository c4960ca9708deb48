//! Failures to accept connections (mostly because no descriptors are left). The log has one line when they begin and one when
//! they are over, not one for each attempt.

use std::time::Duration;

use tokio::time::Instant;

/// How long no attempt must have failed before they are over: each connection that ends lets one more in meanwhile.
const QUIET_PERIOD: Duration = Duration::from_secs(5);

/// The recent failures of one listener.
#[derive(Debug, Default)]
pub(super) struct AcceptFailures {
    last_failure: Option<Instant>,
}

impl AcceptFailures {
    /// Records an attempt that failed at `now`. Returns whether it is the first of a series.
    pub(super) fn record(&mut self, now: Instant) -> bool {
        self.last_failure.replace(now).is_none()
    }

    /// When the series is over unless another attempt fails; none without one.
    pub(super) fn quiet_at(&self) -> Option<Instant> {
        self.last_failure.map(|failure| failure + QUIET_PERIOD)
    }

    /// Ends the series.
    pub(super) fn clear(&mut self) {
        self.last_failure = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_one_beginning_and_ends_when_nothing_has_failed_for_a_while() {
        let (mut failures, start) = (AcceptFailures::default(), Instant::now());
        assert_eq!(failures.quiet_at(), None);
        let firsts = (0..400).filter(|n| failures.record(start + Duration::from_millis(50) * *n)).count();
        assert_eq!(firsts, 1);
        assert_eq!(failures.quiet_at(), Some(start + Duration::from_millis(50) * 399 + QUIET_PERIOD));
        failures.clear();
        assert!(
            failures.quiet_at().is_none() && failures.record(start + QUIET_PERIOD * 9),
            "the next one is logged too"
        );
    }
}
