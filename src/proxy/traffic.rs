//! What went through the proxy: how often, for which host. Bounded, whatever a program asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The most hosts that are remembered by name; further ones are counted together.
const HOSTS: usize = 256;
/// The most hosts that one line of a report names.
const NAMED: usize = 12;

/// What became of a connection, or of a request in absolute form, that named a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It ended in this server.
    TakenOver,
    /// It was carried on.
    Tunnelled,
    /// It was refused.
    Refused,
    /// Nobody answered there.
    Unreachable,
}

/// Counts by fate and host.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    hosts: BTreeMap<(Fate, String), u64>,
    others: BTreeMap<Fate, u64>,
    malformed: u64,
    is_used: bool,
}

/// What went through the proxy until now, as lines for a person.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
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

impl Tally {
    /// Something asked the proxy, whatever becomes of it.
    pub(super) fn used(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_used = true;
    }

    /// Counts a request that names no host; answers how many there were.
    pub(super) fn count_malformed(&self) -> u64 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.malformed += 1;
        counts.malformed
    }

    /// Counts; answers how often this host had this fate, or nothing when there are too many hosts.
    pub(super) fn count(&self, fate: Fate, host: &str) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = (fate, host.to_owned());
        if counts.hosts.len() >= HOSTS && !counts.hosts.contains_key(&known) {
            *counts.others.entry(fate).or_default() += 1;
            return None;
        }
        let count = counts.hosts.entry(known).or_default();
        *count += 1;
        Some(*count)
    }

    /// What was counted until now.
    pub fn report(&self) -> Report {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |fate: Fate| {
            let of_fate = counts.hosts.iter().filter(|((other, _), _)| *other == fate);
            let hosts = of_fate.map(|((_, host), count)| (host.clone(), *count)).collect();
            Line { hosts, others: counts.others.get(&fate).copied().unwrap_or_default() }
        };
        Report {
            taken_over: line(Fate::TakenOver),
            tunnelled: line(Fate::Tunnelled),
            refused: line(Fate::Refused),
            unreachable: line(Fate::Unreachable),
            malformed: counts.malformed,
            is_used: counts.is_used,
        }
    }
}

impl Report {
    /// Whether the proxy was asked at all, though nothing may have come of it.
    pub const fn was_used(&self) -> bool {
        self.is_used
    }

    /// Whether a taken-over name was asked for.
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

/// One line for each fate that there was.
impl fmt::Display for Report {
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
        let named: Vec<_> = self.hosts.iter().take(NAMED).map(|(host, count)| format!("{host} ({count})")).collect();
        f.write_str(&named.join(", "))?;
        let rest = self.hosts.iter().skip(NAMED).map(|(_, count)| count).sum::<u64>() + self.others;
        if rest > 0 { write!(f, ", and {rest} to other hosts") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_counted_by_what_became_of_them() {
        let tally = Tally::default();
        assert!(!tally.report().was_used());
        assert_eq!(tally.count(Fate::Refused, "b.example"), Some(1));
        assert!(!tally.report().has_taken_over());
        assert_eq!(tally.count(Fate::TakenOver, "acme.vault.azure.net"), Some(1));
        assert_eq!(tally.count(Fate::TakenOver, "acme.vault.azure.net"), Some(2));
        assert_eq!(tally.report().to_string(), "taken over: acme.vault.azure.net (2)\nrefused: b.example (1)\n");
    }

    #[test]
    fn requests_that_name_no_host_are_counted_apart() {
        let tally = Tally::default();
        tally.used();
        assert_eq!((tally.report().to_string().as_str(), tally.report().was_used()), ("", true));
        assert_eq!(tally.count_malformed(), 1);
        assert_eq!(tally.report().to_string(), "malformed: 1 request\n");
        assert_eq!(tally.count_malformed(), 2);
        assert_eq!(tally.report().to_string(), "malformed: 2 requests\n");
    }

    #[test]
    fn a_program_that_asks_for_many_hosts_fills_no_memory() {
        let tally = Tally::default();
        for number in 0..1000 {
            tally.count(Fate::Tunnelled, &format!("{number:04}.example"));
        }
        assert_eq!(tally.0.lock().unwrap().hosts.len(), HOSTS);
        let text = tally.report().to_string();
        assert!(text.starts_with("tunnelled: 0000.example (1), 0001.example (1)"), "{text}");
        assert!(text.ends_with("0011.example (1), and 988 to other hosts\n"), "{text}");
    }
}
