//! Counts the proxy's connections by host and outcome, in bounded memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The most hosts that are counted by name; further ones are counted together.
const MAX_HOSTS: usize = 256;
/// The most hosts that one line of a report lists.
const MAX_LISTED: usize = 12;

/// The outcome of a connection, or of a request in absolute form, to a valid host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// This server answered it.
    TakenOver,
    /// It went to the real host.
    Tunnelled,
    /// A rule refused it.
    Refused,
    /// The host did not answer.
    Unreachable,
}

/// Counts connections by outcome and host. Shared by all connections.
#[derive(Debug, Default)]
pub struct TrafficCounter(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    hosts: BTreeMap<(Outcome, String), u64>,
    others: BTreeMap<Outcome, u64>,
    malformed: u64,
    is_used: bool,
}

/// The counts at one moment; `Display` writes them as lines for a person.
#[derive(Debug, PartialEq, Eq)]
pub struct TrafficReport {
    taken_over: Line,
    tunnelled: Line,
    refused: Line,
    unreachable: Line,
    malformed: u64,
    is_used: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
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

    /// Counts a connection; returns how many of this outcome the host had, or `None` when there are too many hosts.
    pub(super) fn count(&self, outcome: Outcome, host: &str) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (outcome, host.to_owned());
        if counts.hosts.len() >= MAX_HOSTS && !counts.hosts.contains_key(&key) {
            *counts.others.entry(outcome).or_default() += 1;
            return None;
        }
        let count = counts.hosts.entry(key).or_default();
        *count += 1;
        Some(*count)
    }

    /// The counts until now.
    pub fn report(&self) -> TrafficReport {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |outcome: Outcome| {
            let of_fate = counts.hosts.iter().filter(|((other, _), _)| *other == outcome);
            let hosts = of_fate.map(|((_, host), count)| (host.clone(), *count)).collect();
            Line { hosts, others: counts.others.get(&outcome).copied().unwrap_or_default() }
        };
        TrafficReport {
            taken_over: line(Outcome::TakenOver),
            tunnelled: line(Outcome::Tunnelled),
            refused: line(Outcome::Refused),
            unreachable: line(Outcome::Unreachable),
            malformed: counts.malformed,
            is_used: counts.is_used,
        }
    }
}

impl TrafficReport {
    /// Whether any client used the proxy, whatever the outcome.
    pub const fn was_used(&self) -> bool {
        self.is_used
    }

    /// Whether a connection to a taken-over name was answered.
    pub fn has_taken_over(&self) -> bool {
        !self.taken_over.is_empty()
    }

    const fn lines(&self) -> [(&'static str, &Line); 4] {
        [
            ("taken over", &self.taken_over),
            ("tunnelled", &self.tunnelled),
            ("refused", &self.refused),
            ("not reached", &self.unreachable),
        ]
    }
}

impl Line {
    fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.others == 0
    }
}

/// One line for each outcome that occurred.
impl fmt::Display for TrafficReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, line) in self.lines().into_iter().filter(|(_, line)| !line.is_empty()) {
            writeln!(f, "{what}: {line}")?;
        }
        match self.malformed {
            0 => Ok(()),
            1 => writeln!(f, "malformed: 1 request"),
            count => writeln!(f, "malformed: {count} requests"),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<_> =
            self.hosts.iter().take(MAX_LISTED).map(|(host, count)| format!("{host} ({count})")).collect();
        f.write_str(&named.join(", "))?;
        let rest = self.hosts.iter().skip(MAX_LISTED).map(|(_, count)| count).sum::<u64>() + self.others;
        if rest > 0 { write!(f, ", and {rest} to other hosts") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_counted_by_outcome() {
        let traffic = TrafficCounter::default();
        assert!(!traffic.report().was_used());
        assert_eq!(traffic.count(Outcome::Refused, "b.example"), Some(1));
        assert!(!traffic.report().has_taken_over());
        assert_eq!(traffic.count(Outcome::TakenOver, "acme.vault.azure.net"), Some(1));
        assert_eq!(traffic.count(Outcome::TakenOver, "acme.vault.azure.net"), Some(2));
        assert_eq!(traffic.report().to_string(), "taken over: acme.vault.azure.net (2)\nrefused: b.example (1)\n");
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
        assert!(text.starts_with("tunnelled: 0000.example (1), 0001.example (1)"), "{text}");
        assert!(text.ends_with("0011.example (1), and 988 to other hosts\n"), "{text}");
    }
}
