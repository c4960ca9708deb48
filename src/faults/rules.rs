//! Fault rules as JSON: as they are set, and as they are reported.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::clock::{Period, Timestamp};

/// The longest delay of an answer.
const MAX_DELAY: Duration = Duration::from_secs(3600);
/// The most rules that hold at once.
const MAX_RULES: usize = 100;

/// All rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    /// The seed of the random draws.
    #[serde(default)]
    pub seed: u64,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The vault it applies to; all without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// The operation it applies to, by its name in the log; all without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The share of requests it acts on, 0 to 1.
    #[serde(default = "always")]
    pub rate: f64,
    /// How often it acts; without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What goes wrong.
    pub then: Effect,
}

/// The fault of a rule, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Effect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cut {
    Before,
    After,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Token {
    Expired,
}

/// All rules in force.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FaultStatus {
    /// Those without a name.
    #[serde(flatten)]
    unnamed: RuleSetStatus,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    named: BTreeMap<String, RuleSetStatus>,
}

/// The rules of a set, each with how often it has acted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RuleSetStatus {
    seed: u64,
    rules: Vec<RuleStatus>,
}

#[derive(Debug, Serialize)]
struct RuleStatus {
    #[serde(flatten)]
    rule: Rule,
    hits: u64,
}

const fn always() -> f64 {
    1.0
}

impl Rules {
    /// Validates the rules.
    ///
    /// # Errors
    /// The first invalid member, with its path.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.rules.len() > MAX_RULES {
            return Err(format!("rules: at most {MAX_RULES}"));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check().map_err(|why| format!("rules[{index}].{why}"))?;
        }
        Ok(())
    }
}

impl Rule {
    pub(super) fn matches(&self, vault: &str, operation: &str) -> bool {
        self.vault.as_ref().is_none_or(|named| named.eq_ignore_ascii_case(vault))
            && self.operation.as_ref().is_none_or(|named| named.eq_ignore_ascii_case(operation))
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err("rate: must be from 0 to 1".to_owned());
        }
        if self.times == Some(0) {
            return Err("times: must be 1 or more; leave it out for without end".to_owned());
        }
        self.then.check()
    }
}

impl Effect {
    fn check(&self) -> Result<(), String> {
        let given = [self.status.is_some(), self.delay.is_some(), self.cut.is_some(), self.token.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err("then: must be one of status, delay, cut and token".to_owned());
        }
        if self.status.is_some_and(|status| ![429, 500, 503].contains(&status)) {
            return Err("then.status: must be 429, 500 or 503".to_owned());
        }
        if self.retry_after.is_some() && self.status.is_none() {
            return Err("then.retryAfter: needs a status".to_owned());
        }
        if self.delay.is_some() && self.pause().is_none_or(|pause| pause > MAX_DELAY) {
            return Err("then.delay: must be a length of time up to an hour, such as PT0.5S".to_owned());
        }
        Ok(())
    }

    /// The delay, in milliseconds.
    fn pause(&self) -> Option<Duration> {
        let period: Period = self.delay.as_ref()?.parse().ok()?;
        let milliseconds = period.milliseconds_from(Timestamp::from_unix(0))?;
        u64::try_from(milliseconds).ok().map(Duration::from_millis)
    }

    pub(super) fn fault(&self) -> Fault {
        match (self.status, self.cut, self.token) {
            (Some(status), ..) => Fault::Status { status, retry_after: self.retry_after },
            (_, Some(Cut::Before), _) => Fault::CutBefore,
            (_, Some(Cut::After), _) => Fault::CutAfter,
            (.., Some(Token::Expired)) => Fault::TokenExpired,
            (None, None, None) => Fault::Delay(self.pause().unwrap_or_default()),
        }
    }
}

impl FaultStatus {
    pub(super) fn new(sets: impl Iterator<Item = (Option<String>, RuleSetStatus)>) -> Self {
        let mut all = Self::default();
        for (name, set) in sets {
            match name {
                Some(name) => drop(all.named.insert(name, set)),
                None => all.unnamed = set,
            }
        }
        all
    }
}

impl RuleSetStatus {
    pub(super) fn new(rules: &Rules, hits: &[u64]) -> Self {
        let shown = rules.rules.iter().zip(hits).map(|(rule, hits)| RuleStatus { rule: rule.clone(), hits: *hits });
        Self { seed: rules.seed, rules: shown.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Rules, String> {
        let rules: Rules = serde_json::from_str(text).map_err(|error| error.to_string())?;
        rules.check().map(|()| rules)
    }

    fn fault(then: &str) -> Result<Fault, String> {
        let rules = parsed(&format!(r#"{{"rules":[{{"then":{then}}}]}}"#))?;
        Ok(rules.rules[0].then.fault())
    }

    #[test]
    fn each_form_means_its_fault() {
        assert_eq!(fault(r#"{"status":429}"#), Ok(Fault::Status { status: 429, retry_after: None }));
        assert_eq!(fault(r#"{"delay":"PT0.5S"}"#), Ok(Fault::Delay(Duration::from_millis(500))));
        assert_eq!(fault(r#"{"cut":"before"}"#), Ok(Fault::CutBefore));
        assert_eq!(fault(r#"{"cut":"after"}"#), Ok(Fault::CutAfter));
        assert_eq!(fault(r#"{"token":"expired"}"#), Ok(Fault::TokenExpired));
    }

    #[test]
    fn what_is_none_is_refused_with_its_path() {
        for (then, path) in [
            ("{}", "rules[0].then: must be one of"),
            (r#"{"status":429,"cut":"after"}"#, "rules[0].then: must be one of"),
            (r#"{"status":404}"#, "rules[0].then.status: must be"),
            (r#"{"cut":"after","retryAfter":1}"#, "rules[0].then.retryAfter: needs"),
            (r#"{"delay":"soon"}"#, "rules[0].then.delay: must be"),
            (r#"{"delay":"PT2H"}"#, "rules[0].then.delay: must be"),
            (r#"{"cut":"through"}"#, "unknown variant `through`"),
            (r#"{"wait":1}"#, "unknown field `wait`"),
        ] {
            let why = fault(then).unwrap_err();
            assert!(why.starts_with(path), "{why}");
        }
        for (text, path) in [
            (r#"{"rules":[{"rate":1.5,"then":{"status":500}}]}"#, "rules[0].rate: must be"),
            (r#"{"rules":[{"times":0,"then":{"status":500}}]}"#, "rules[0].times: must be"),
            (r#"{"rules":[{"who":"x","then":{"status":500}}]}"#, "unknown field `who`"),
            ("{}", "missing field `rules`"),
        ] {
            let why = parsed(text).unwrap_err();
            assert!(why.starts_with(path), "{why}");
        }
    }
}
