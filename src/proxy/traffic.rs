//! Counts what goes through the proxy by host and outcome, in bounded memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The most hosts that are counted by name; further ones are counted together.
const MAX_HOSTS: usize = 256;
/// The most hosts that one line of a report lists.
const MAX_LISTED: usize = 12;

/// The outcome of a connection, or of a request in absolute form, to a valid host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// This server answers: its requests are counted.
    TakenOver,
    /// It went to the real host: connections are counted.
    Tunnelled,
    /// A rule refused it: attempts are counted.
    Refused,
    /// The host did not answer: attempts are counted.
    Unreachable,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::TakenOver, Self::Tunnelled, Self::Refused, Self::Unreachable];

    const fn words(self) -> &'static str {
        match self {
            Self::TakenOver => "taken over",
            Self::Tunnelled => "tunnelled",
            Self::Refused => "refused",
            Self::Unreachable => "not reached",
        }
    }

    /// What is counted, with its number.
    fn counted(self, number: u64) -> String {
        let noun = match self {
            Self::TakenOver => "request",
            Self::Tunnelled => "connection",
            Self::Refused | Self::Unreachable => "attempt",
        };
        match number {
            0 => format!("no {noun}"),
            1 => format!("1 {noun}"),
            _ => format!("{number} {noun}s"),
        }
    }
}

/// The number of one host and outcome. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct HostCounter(Arc<AtomicU64>);

impl HostCounter {
    /// Adds one; returns the sum.
    pub(super) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn sum(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts by outcome and host (`HOST:PORT`). Shared by all connections.
#[derive(Debug, Default)]
pub struct TrafficCounter(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    hosts: BTreeMap<(Outcome, String), HostCounter>,
    others: BTreeMap<Outcome, HostCounter>,
    malformed: u64,
    is_used: bool,
}

/// The counts at one moment; `Display` writes them as lines for a person.
#[derive(Debug, PartialEq, Eq)]
pub struct TrafficReport {
    lines: Vec<Line>,
    malformed: u64,
    is_used: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    outcome: Outcome,
    hosts: Vec<(String, u64)>,
    others: u64,
}

impl TrafficCounter {
    /// Records that a client used the proxy, whatever the outcome.
    pub(super) fn record_use(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_used = true;
    }

    /// Counts a request that names no valid host; returns how many there were.
    pub(super) fn count_malformed(&self) -> u64 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.malformed += 1;
        counts.malformed
    }

    /// Adds one for `host`; returns how many of this outcome the host had, or `None` when there are too many hosts.
    pub(super) fn count(&self, outcome: Outcome, host: &str) -> Option<u64> {
        let (counter, is_named) = self.find(outcome, host);
        let sum = counter.add();
        is_named.then_some(sum)
    }

    /// The counter of `host`, which is reported from now on.
    pub(super) fn counter(&self, outcome: Outcome, host: &str) -> HostCounter {
        self.find(outcome, host).0
    }

    /// The counter of `host`, or that of all other hosts when there are too many; whether it is the host's own.
    fn find(&self, outcome: Outcome, host: &str) -> (HostCounter, bool) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (outcome, host.to_owned());
        let is_named = counts.hosts.len() < MAX_HOSTS || counts.hosts.contains_key(&key);
        let counter = match is_named {
            true => counts.hosts.entry(key).or_default(),
            false => counts.others.entry(outcome).or_default(),
        };
        (counter.clone(), is_named)
    }

    /// The counts until now.
    pub fn report(&self) -> TrafficReport {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = Outcome::ALL.into_iter().map(|outcome| counts.line(outcome)).filter(|line| !line.is_empty());
        TrafficReport { lines: lines.collect(), malformed: counts.malformed, is_used: counts.is_used }
    }
}

impl Counts {
    fn line(&self, outcome: Outcome) -> Line {
        let of_outcome = self.hosts.iter().filter(|((other, _), _)| *other == outcome);
        let hosts = of_outcome.map(|((_, host), counter)| (host.clone(), counter.sum())).collect();
        Line { outcome, hosts, others: self.others.get(&outcome).map_or(0, HostCounter::sum) }
    }
}

impl TrafficReport {
    /// Whether any client used the proxy, whatever the outcome.
    pub const fn was_used(&self) -> bool {
        self.is_used
    }

    /// Whether a connection to a taken-over name was answered.
    pub fn has_taken_over(&self) -> bool {
        self.lines.iter().any(|line| line.outcome == Outcome::TakenOver)
    }

    /// Whether all connections to a taken-over name carried no request.
    pub fn has_silent_connections(&self) -> bool {
        let taken_over = self.lines.iter().filter(|line| line.outcome == Outcome::TakenOver);
        taken_over.flat_map(|line| &line.hosts).any(|(_, requests)| *requests == 0)
    }
}

impl Line {
    const fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.others == 0
    }
}

/// One line for each outcome that occurred.
impl fmt::Display for TrafficReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        match self.malformed {
            0 => Ok(()),
            1 => writeln!(f, "malformed: 1 request"),
            count => writeln!(f, "malformed: {count} requests"),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |(host, number): &(String, u64)| format!("{host} ({})", self.outcome.counted(*number));
        let named: Vec<_> = self.hosts.iter().take(MAX_LISTED).map(counted).collect();
        write!(f, "{}: {}", self.outcome.words(), named.join(", "))?;
        let rest = self.hosts.iter().skip(MAX_LISTED).map(|(_, number)| number).sum::<u64>() + self.others;
        if rest > 0 { write!(f, ", and {} to other hosts", self.outcome.counted(rest)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_counted_by_outcome() {
        let traffic = TrafficCounter::default();
        assert!(!traffic.report().was_used());
        assert_eq!(traffic.count(Outcome::Refused, "b.example:443"), Some(1));
        assert_eq!(traffic.count(Outcome::Refused, "b.example:8443"), Some(1));
        assert!(!traffic.report().has_taken_over());
        assert_eq!(traffic.count(Outcome::TakenOver, "acme.vault.azure.net:443"), Some(1));
        assert_eq!(traffic.count(Outcome::TakenOver, "acme.vault.azure.net:443"), Some(2));
        let expected = "taken over: acme.vault.azure.net:443 (2 requests)\n\
                        refused: b.example:443 (1 attempt), b.example:8443 (1 attempt)\n";
        assert_eq!(traffic.report().to_string(), expected);
    }

    #[test]
    fn a_host_that_was_connected_to_and_asked_nothing_is_reported() {
        let traffic = TrafficCounter::default();
        let counter = traffic.counter(Outcome::TakenOver, "acme.vault.azure.net:443");
        assert_eq!(traffic.report().to_string(), "taken over: acme.vault.azure.net:443 (no request)\n");
        assert!(traffic.report().has_taken_over() && traffic.report().has_silent_connections());
        counter.add();
        assert_eq!(traffic.report().to_string(), "taken over: acme.vault.azure.net:443 (1 request)\n");
        assert!(!traffic.report().has_silent_connections());
    }

    #[test]
    fn requests_without_a_valid_host_are_counted_apart() {
        let traffic = TrafficCounter::default();
        traffic.record_use();
        assert_eq!((traffic.report().to_string().as_str(), traffic.report().was_used()), ("", true));
        assert_eq!(traffic.count_malformed(), 1);
        assert_eq!(traffic.report().to_string(), "malformed: 1 request\n");
        assert_eq!(traffic.count_malformed(), 2);
        assert_eq!(traffic.report().to_string(), "malformed: 2 requests\n");
    }

    #[test]
    fn many_hosts_use_bounded_memory() {
        let traffic = TrafficCounter::default();
        for number in 0..1000 {
            traffic.count(Outcome::Tunnelled, &format!("{number:04}.example"));
        }
        assert_eq!(traffic.0.lock().unwrap().hosts.len(), MAX_HOSTS);
        let text = traffic.report().to_string();
        assert!(text.starts_with("tunnelled: 0000.example (1 connection), 0001.example (1 connection)"), "{text}");
        assert!(text.ends_with("0011.example (1 connection), and 988 connections to other hosts\n"), "{text}");
    }
}
