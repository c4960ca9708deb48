//! Whether connections can be accepted. While they cannot (no descriptors are left, mostly), the log says so once, and once
//! that it is over; not at each attempt.

use std::time::Duration;

use tokio::time::Instant;

/// How long no attempt must have failed before it is over: each connection that ends lets one more in meanwhile.
const QUIET: Duration = Duration::from_secs(5);

/// The state of one listener.
#[derive(Debug, Default)]
pub(super) struct Outage {
    last_failure: Option<Instant>,
}

impl Outage {
    /// An attempt failed at `now`; answers whether it is the first of an outage.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.last_failure.replace(now).is_none()
    }

    /// When it is over unless another attempt fails; none while there is no outage.
    pub(super) fn over_at(&self) -> Option<Instant> {
        self.last_failure.map(|failure| failure + QUIET)
    }

    /// It is over.
    pub(super) fn over(&mut self) {
        self.last_failure = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_has_one_beginning_and_ends_when_nothing_has_failed_for_a_while() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert_eq!(outage.over_at(), None);
        let firsts = (0..400).filter(|n| outage.failed(start + Duration::from_millis(50) * *n)).count();
        assert_eq!(firsts, 1);
        assert_eq!(outage.over_at(), Some(start + Duration::from_millis(50) * 399 + QUIET));
        outage.over();
        assert!(outage.over_at().is_none() && outage.failed(start + QUIET * 9), "the next one is logged too");
    }
}
