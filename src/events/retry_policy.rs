//! The retry policy: what a status means, when an attempt is retried, and when an event is given up. It is that of Event Grid
//! ("Event Grid message delivery and retry") without its random jitter.

use std::time::Duration;

/// Delays between attempts, and how many attempts are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The delays before an event's second attempt, third, and so on; the last one repeats.
    pub retry_delays: Vec<Duration>,
    /// The most attempts for an event.
    pub max_attempts: u32,
    /// How long attempts are made for an event; counted from the start of the server if that is later.
    pub time_to_live: Duration,
    /// The delays before a webhook's second handshake, third, and so on; the last one repeats.
    pub handshake_delays: Vec<Duration>,
    /// How long a validation code is valid.
    pub acceptance_timeout: Duration,
    /// The delays between single attempts while a webhook is down; the last one repeats.
    pub probe_delays: Vec<Duration>,
}

impl Default for RetryPolicy {
    /// Event Grid's: 10 s, 30 s, 1 min, 5 min, 10 min, 30 min, 1 h, 3 h, 6 h, and every 12 h; 30 attempts within 24 h.
    fn default() -> Self {
        let seconds = |all: &[u64]| all.iter().copied().map(Duration::from_secs).collect();
        Self {
            retry_delays: seconds(&[10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200]),
            max_attempts: 30,
            time_to_live: Duration::from_secs(86_400),
            handshake_delays: seconds(&[5, 10, 30, 60, 300]),
            acceptance_timeout: Duration::from_secs(600),
            probe_delays: seconds(&[10, 30, 60]),
        }
    }
}

impl RetryPolicy {
    /// The delay after the attempt of this number, counted from 1; at least `least`.
    pub(super) fn delay_after(&self, attempt: u32, least: Duration) -> Duration {
        nth_delay(&self.retry_delays, attempt.saturating_sub(1) as usize).max(least)
    }
}

/// The delay of this number, counted from 0; the last one repeats.
pub(super) fn nth_delay(delays: &[Duration], number: usize) -> Duration {
    delays.get(number).or(delays.last()).copied().unwrap_or_default()
}

/// What a status means for the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryResult {
    /// The webhook took the event.
    Delivered,
    /// The event is retried, after this delay at the least.
    Retry(Duration),
    /// The webhook will never take the event.
    Rejected,
}

/// Classifies a webhook's status. Only 200 to 204 are success; the service does not retry the four that it
/// calls configuration errors of webhooks, and waits longer for two others.
pub(super) const fn classify(status: u16) -> DeliveryResult {
    match status {
        200..=204 => DeliveryResult::Delivered,
        400 | 401 | 403 | 413 => DeliveryResult::Rejected,
        408 => DeliveryResult::Retry(Duration::from_secs(120)),
        503 => DeliveryResult::Retry(Duration::from_secs(30)),
        _ => DeliveryResult::Retry(Duration::ZERO),
    }
}

/// The service's name for a failed attempt, for dead letters.
pub(super) const fn outcome_name(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        408 | 504 => "TimedOut",
        413 => "PayloadTooLarge",
        429 | 503 => "Busy",
        _ => "GenericError",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_event_grids() {
        let policy = RetryPolicy::default();
        let pauses: Vec<u64> = (1..=12).map(|attempt| policy.delay_after(attempt, Duration::ZERO).as_secs()).collect();
        assert_eq!(pauses, [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 43_200, 43_200]);
        assert_eq!(policy.delay_after(1, Duration::from_secs(120)).as_secs(), 120);
        assert_eq!(policy.delay_after(4, Duration::from_secs(120)).as_secs(), 300);
    }

    #[test]
    fn statuses_mean_what_they_mean_to_event_grid() {
        let again = |seconds| DeliveryResult::Retry(Duration::from_secs(seconds));
        for (status, expected) in [
            (200, DeliveryResult::Delivered),
            (204, DeliveryResult::Delivered),
            (206, again(0)),
            (302, again(0)),
            (400, DeliveryResult::Rejected),
            (401, DeliveryResult::Rejected),
            (403, DeliveryResult::Rejected),
            (404, again(0)),
            (408, again(120)),
            (413, DeliveryResult::Rejected),
            (429, again(0)),
            (500, again(0)),
            (503, again(30)),
        ] {
            assert_eq!(classify(status), expected, "{status}");
        }
    }
}
