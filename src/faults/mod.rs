//! Faults, for testing clients: rules by vault, operation and rate that say which requests go wrong, and how. Off until
//! somebody asks for them; then seeded and counted, so that a run can be repeated. Knows no HTTP: who serves requests
//! asks here, and acts.

mod rules;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::random::{Random, SeededRandom};

pub use rules::{Rule, Rules, Shown};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
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

/// The rules that hold, and how often each acted.
#[derive(Debug, Default)]
pub struct Faults {
    /// So that requests of a server without rules cost nothing.
    any: AtomicBool,
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
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Puts `rules` in the place of all that hold.
    pub fn replace(&self, rules: Rules) {
        let any = !rules.rules.is_empty();
        let (hits, random) = (vec![0; rules.rules.len()], SeededRandom::new(rules.seed));
        *self.state() = Some(State { rules, hits, random });
        self.any.store(any, Ordering::Release);
    }

    /// Lets nothing go wrong any more.
    pub fn clear(&self) {
        self.any.store(false, Ordering::Release);
        *self.state() = None;
    }

    /// The rules that hold, and how often each acted.
    pub fn shown(&self) -> Shown {
        self.state().as_ref().map_or_else(Shown::default, |state| Shown::new(&state.rules, &state.hits))
    }

    /// What goes wrong with a request for `operation` in `vault`: the first rule that fits acts.
    pub fn strike(&self, vault: &str, operation: &str) -> Option<Fault> {
        let mut state = self.state();
        let State { rules, hits, random } = state.as_mut()?;
        for (rule, hits) in rules.rules.iter().zip(hits) {
            let fits = rule.fits(vault, operation) && rule.times.is_none_or(|times| *hits < times);
            if fits && draw(random) < rule.rate {
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
        assert_eq!(faults.strike("other", "KeyWrap"), Some(Fault::CutAfter));
        for expected in [throttled, throttled, Fault::CutAfter] {
            assert_eq!(faults.strike("acme", "KeyWrap"), Some(expected));
        }
        assert_eq!(faults.strike("acme", "KeyGet"), None);
        let hits: Vec<u64> = faults.shown().rules.iter().map(|rule| rule.hits).collect();
        assert_eq!(hits, [2, 2]);
        faults.clear();
        assert_eq!((faults.any(), faults.strike("acme", "KeyWrap")), (false, None));
    }

    #[test]
    fn a_rate_is_met_alike_with_the_same_seed() {
        let hits = |seed: u32| -> Vec<bool> {
            let faults = faults(&format!(r#"{{"seed":{seed},"rules":[{{"rate":0.3,"then":{{"status":500}}}}]}}"#));
            (0..1000).map(|_| faults.strike("v", "KeyGet").is_some()).collect()
        };
        let count = hits(1).iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&count), "{count}");
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
        let never = faults(r#"{"rules":[{"rate":0,"then":{"status":500}}]}"#);
        assert!((0..1000).all(|_| never.strike("v", "KeyGet").is_none()));
    }
}
