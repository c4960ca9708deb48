//! Fault injection, for testing clients: rules by vault, operation and rate that pick requests, and the fault of each. Off by
//! default; seeded and counted, so that a run can be repeated. Knows no HTTP: the door of the vaults applies the faults.

mod rules;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::random::{Random, SeededRandom};

pub(crate) use rules::{FaultStatus, Rule, Rules};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered with this status, and nothing is done.
    Status {
        /// 429, 500 or 503.
        status: u16,
        /// The seconds of the `Retry-After` header, if there is to be one.
        retry_after: Option<u32>,
    },
    /// It is answered later.
    Delay(Duration),
    /// The connection ends, and nothing was done.
    CutBefore,
    /// The connection ends when everything was done.
    CutAfter,
    /// Its token is taken for one that has expired.
    TokenExpired,
}

/// The rules in force, and how often each has acted.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// So that requests of a server without rules cost nothing.
    active: AtomicBool,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    rules: Rules,
    hits: Vec<u64>,
    random: SeededRandom,
}

impl Faults {
    /// Whether there are any rules.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Replaces all rules.
    pub(crate) fn replace(&self, rules: Rules) {
        let active = !rules.rules.is_empty();
        let (hits, random) = (vec![0; rules.rules.len()], SeededRandom::new(rules.seed));
        *self.state() = Some(State { rules, hits, random });
        self.active.store(active, Ordering::Release);
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.active.store(false, Ordering::Release);
        *self.state() = None;
    }

    /// The rules in force, and how often each has acted.
    pub(crate) fn status(&self) -> FaultStatus {
        self.state().as_ref().map_or_else(FaultStatus::default, |state| FaultStatus::new(&state.rules, &state.hits))
    }

    /// Picks the fault of a request for `operation` in `vault`: the first rule that matches acts.
    pub(crate) fn pick(&self, vault: &str, operation: &str) -> Option<Fault> {
        let mut state = self.state();
        let State { rules, hits, random } = state.as_mut()?;
        for (rule, hits) in rules.rules.iter().zip(hits) {
            let applies = rule.matches(vault, operation) && rule.times.is_none_or(|times| *hits < times);
            if applies && draw(random) < rule.rate {
                *hits += 1;
                return Some(rule.then.fault());
            }
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number from 0 to below 1.
fn draw(random: &SeededRandom) -> f64 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        let faults = Faults::default();
        faults.replace(serde_json::from_str(text).unwrap());
        faults
    }

    #[test]
    fn the_first_rule_that_fits_acts_as_often_as_it_may() {
        let faults = faults(
            r#"{"rules":[{"vault":"acme","operation":"keywrap","times":2,"then":{"status":429,"retryAfter":3}},
                         {"operation":"KeyWrap","then":{"cut":"after"}}]}"#,
        );
        let throttled = Fault::Status { status: 429, retry_after: Some(3) };
        assert_eq!(faults.pick("other", "KeyWrap"), Some(Fault::CutAfter));
        for expected in [throttled, throttled, Fault::CutAfter] {
            assert_eq!(faults.pick("acme", "KeyWrap"), Some(expected));
        }
        assert_eq!(faults.pick("acme", "KeyGet"), None);
        let hits: Vec<u64> = faults.status().rules.iter().map(|rule| rule.hits).collect();
        assert_eq!(hits, [2, 2]);
        faults.clear();
        assert_eq!((faults.is_active(), faults.pick("acme", "KeyWrap")), (false, None));
    }

    #[test]
    fn a_rate_is_met_alike_with_the_same_seed() {
        let hits = |seed: u32| -> Vec<bool> {
            let faults = faults(&format!(r#"{{"seed":{seed},"rules":[{{"rate":0.3,"then":{{"status":500}}}}]}}"#));
            (0..1000).map(|_| faults.pick("v", "KeyGet").is_some()).collect()
        };
        let count = hits(1).iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&count), "{count}");
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
        let never = faults(r#"{"rules":[{"rate":0,"then":{"status":500}}]}"#);
        assert!((0..1000).all(|_| never.pick("v", "KeyGet").is_none()));
    }
}
