//! Fault injection, for testing clients: rules by vault, operation and rate that pick requests, and the fault of each. Off by
//! default; seeded and counted, so that a run can be repeated. Knows no HTTP: the door of the vaults applies the faults.

mod rule_set;
mod rules;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rule_set::RuleSet;

pub(crate) use rules::{FaultStatus, Rule, RuleSetStatus, Rules};

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

/// The most sets with a name at once.
const MAX_NAMED: usize = 1000;

/// The rules in force, in sets: one without a name, and one for each client that keeps its rules apart from those of others.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// So that requests of a server without rules cost nothing.
    active: AtomicBool,
    sets: Mutex<Vec<RuleSet>>,
}

/// There are as many sets with a name as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManySets {
    /// The maximum.
    pub most: usize,
}

impl Faults {
    /// Whether there are any rules.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Replaces all rules, those of every name too.
    pub(crate) fn replace(&self, rules: Rules) {
        self.change(|sets| *sets = vec![RuleSet::new(None, rules)]);
    }

    /// Replaces the rules called `name`, and no others; new ones come last.
    ///
    /// # Errors
    /// [`TooManySets`].
    pub(crate) fn put(&self, name: &str, rules: Rules) -> Result<(), TooManySets> {
        let set = RuleSet::new(Some(name.to_owned()), rules);
        self.change(|sets| {
            match sets.iter().position(|set| set.name.as_deref() == Some(name)) {
                Some(at) => sets[at] = set,
                None if sets.iter().filter(|set| set.name.is_some()).count() >= MAX_NAMED => {
                    return Err(TooManySets { most: MAX_NAMED });
                }
                None => sets.push(set),
            }
            Ok(())
        })
    }

    /// Removes the rules called `name`; answers whether there were any.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.change(|sets| {
            let before = sets.len();
            sets.retain(|set| set.name.as_deref() != Some(name));
            sets.len() < before
        })
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.change(Vec::clear);
    }

    /// The rules in force, and how often each has acted.
    pub(crate) fn status(&self) -> FaultStatus {
        FaultStatus::new(self.sets().iter().map(|set| (set.name.clone(), set.status())))
    }

    /// The rules called `name`, and how often each has acted.
    pub(crate) fn status_of(&self, name: &str) -> Option<RuleSetStatus> {
        self.sets().iter().find(|set| set.name.as_deref() == Some(name)).map(RuleSet::status)
    }

    /// Picks the fault of a request for `operation` in `vault`: the first rule that matches acts.
    pub(crate) fn pick(&self, vault: &str, operation: &str) -> Option<Fault> {
        self.sets().iter_mut().find_map(|set| set.pick(vault, operation))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<RuleSet>) -> T) -> T {
        let mut sets = self.sets();
        let changed = change(&mut sets);
        self.active.store(sets.iter().any(RuleSet::has_rules), Ordering::Release);
        changed
    }

    fn sets(&self) -> MutexGuard<'_, Vec<RuleSet>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let shown = serde_json::to_value(faults.status()).unwrap();
        assert_eq!((&shown["rules"][0]["hits"], &shown["rules"][1]["hits"]), (&2.into(), &2.into()));
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

    #[test]
    fn rules_with_a_name_are_changed_alone() {
        let faults = Faults::default();
        let rules = |status: u16| -> Rules {
            serde_json::from_str(&format!(r#"{{"rules":[{{"then":{{"status":{status}}}}}]}}"#)).unwrap()
        };
        let answered = |status| Some(Fault::Status { status, retry_after: None });
        let hits = |name: &str| serde_json::to_value(faults.status_of(name)).unwrap()["rules"][0]["hits"].clone();
        faults.put("one", rules(500)).unwrap();
        faults.put("two", rules(503)).unwrap();
        assert_eq!(faults.pick("v", "KeyGet"), answered(500), "the oldest comes first");
        faults.put("one", rules(429)).unwrap();
        assert_eq!((faults.pick("v", "KeyGet"), hits("one"), hits("two")), (answered(429), 1.into(), 0.into()));
        assert_eq!((faults.remove("one"), faults.remove("one")), (true, false));
        assert_eq!(faults.pick("v", "KeyGet"), answered(503));
        faults.replace(rules(500));
        assert!(faults.status_of("two").is_none(), "all are replaced");
        for number in 0..MAX_NAMED {
            faults.put(&number.to_string(), rules(500)).unwrap();
        }
        assert_eq!(faults.put("more", rules(500)), Err(TooManySets { most: MAX_NAMED }));
        assert_eq!(faults.put("0", rules(503)), Ok(()));
        faults.clear();
        assert!(!faults.is_active());
    }

    #[test]
    fn sets_without_rules_cost_a_request_nothing() {
        let faults = faults(r#"{"rules":[]}"#);
        assert!(!faults.is_active());
        faults.put("one", serde_json::from_str(r#"{"rules":[]}"#).unwrap()).unwrap();
        assert!(!faults.is_active());
        faults.put("one", serde_json::from_str(r#"{"rules":[{"then":{"status":500}}]}"#).unwrap()).unwrap();
        assert!(faults.is_active());
    }
}
