//! Rules with the state of their use: how often each has acted, and the random draws of their seed.

use super::Fault;
use super::rules::{RuleSetStatus, Rules};
use crate::random::{Random, SeededRandom};

/// Rules in force.
#[derive(Debug)]
pub(super) struct RuleSet {
    /// The name; `None` is the set of those that have none.
    pub name: Option<String>,
    rules: Rules,
    hits: Vec<u64>,
    random: SeededRandom,
}

impl RuleSet {
    /// Rules that have not acted yet.
    pub(super) fn new(name: Option<String>, rules: Rules) -> Self {
        let (hits, random) = (vec![0; rules.rules.len()], SeededRandom::new(rules.seed));
        Self { name, rules, hits, random }
    }

    /// Whether there is a rule that could act.
    pub(super) const fn has_rules(&self) -> bool {
        !self.hits.is_empty()
    }

    /// Picks the fault of a request for `operation` in `vault`: the first rule that matches acts.
    pub(super) fn pick(&mut self, vault: &str, operation: &str) -> Option<Fault> {
        for (rule, hits) in self.rules.rules.iter().zip(&mut self.hits) {
            let applies = rule.matches(vault, operation) && rule.times.is_none_or(|times| *hits < times);
            if applies && draw(&self.random) < rule.rate {
                *hits += 1;
                return Some(rule.then.fault());
            }
        }
        None
    }

    /// The rules, and how often each has acted.
    pub(super) fn status(&self) -> RuleSetStatus {
        RuleSetStatus::new(&self.rules, &self.hits)
    }
}

/// A number from 0 to below 1.
fn draw(random: &SeededRandom) -> f64 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}
