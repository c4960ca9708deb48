//! The terms of delivery: what an answer means, when an attempt is made again, and when no more are made. They are
//! those of Event Grid ("Event Grid message delivery and retry"), without its randomness.

use std::time::Duration;

/// What is waited for between attempts, and how many are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The pauses before an event's second attempt, third, and so on; the last one repeats.
    pub retries: Vec<Duration>,
    /// The most attempts for an event.
    pub attempts: u32,
    /// How long attempts are made for an event; counted anew at each start of the server.
    pub time_to_live: Duration,
    /// The pauses before a webhook's second handshake, third, and so on; the last one repeats.
    pub handshakes: Vec<Duration>,
    /// How long a webhook may take to accept by the URL that it was given.
    pub acceptance: Duration,
    /// The pauses while nothing reaches a webhook: one attempt is made after each; the last one repeats.
    pub rests: Vec<Duration>,
}

impl Default for Terms {
    /// Event Grid's: 10 s, 30 s, 1 min, 5 min, 10 min, 30 min, 1 h, 3 h, 6 h, and every 12 h; 30 attempts within 24 h.
    fn default() -> Self {
        let seconds = |all: &[u64]| all.iter().copied().map(Duration::from_secs).collect();
        Self {
            retries: seconds(&[10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200]),
            attempts: 30,
            time_to_live: Duration::from_secs(86_400),
            handshakes: seconds(&[5, 10, 30, 60, 300]),
            acceptance: Duration::from_secs(600),
            rests: seconds(&[10, 30, 60]),
        }
    }
}

impl Terms {
    /// The pause after the attempt of this number, counted from 1, which ended in `verdict`.
    pub(super) fn pause(&self, attempt: u32, least: Duration) -> Duration {
        step(&self.retries, attempt.saturating_sub(1) as usize).max(least)
    }
}

/// The pause of this number, counted from 0.
pub(super) fn step(steps: &[Duration], number: usize) -> Duration {
    steps.get(number).or(steps.last()).copied().unwrap_or_default()
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The event was taken.
    Told,
    /// It is tried again, after this pause at the least.
    Again(Duration),
    /// It would never be taken.
    Never,
}

/// What a webhook's status says of the event. Only 200 to 204 are success; the service does not retry the four that it
/// calls configuration errors of webhooks, and waits longer for two others.
pub(super) const fn verdict(status: u16) -> Verdict {
    match status {
        200..=204 => Verdict::Told,
        400 | 401 | 403 | 413 => Verdict::Never,
        408 => Verdict::Again(Duration::from_secs(120)),
        503 => Verdict::Again(Duration::from_secs(30)),
        _ => Verdict::Again(Duration::ZERO),
    }
}

/// The service's word for a failed attempt, as a dead letter has it.
pub(super) const fn outcome(status: u16) -> &'static str {
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
        let terms = Terms::default();
        let pauses: Vec<u64> = (1..=12).map(|attempt| terms.pause(attempt, Duration::ZERO).as_secs()).collect();
        assert_eq!(pauses, [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 43_200, 43_200]);
        assert_eq!(terms.pause(1, Duration::from_secs(120)).as_secs(), 120);
        assert_eq!(terms.pause(4, Duration::from_secs(120)).as_secs(), 300);
    }

    #[test]
    fn statuses_mean_what_they_mean_to_event_grid() {
        let again = |seconds| Verdict::Again(Duration::from_secs(seconds));
        for (status, expected) in [
            (200, Verdict::Told),
            (204, Verdict::Told),
            (206, again(0)),
            (302, again(0)),
            (400, Verdict::Never),
            (401, Verdict::Never),
            (403, Verdict::Never),
            (404, again(0)),
            (408, again(120)),
            (413, Verdict::Never),
            (429, again(0)),
            (500, again(0)),
            (503, again(30)),
        ] {
            assert_eq!(verdict(status), expected, "{status}");
        }
    }
}
