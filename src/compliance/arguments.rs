//! Parameters of rules, and the values that they are given.

use std::fmt;

use serde_json::Value;

use super::tree::as_number;
use crate::access::network::AddressRange;
use crate::clock::Timestamp;

/// A parameter of a rule.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name in the definition.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The definition's default, as JSON; none where a value must be given.
    pub default: Option<&'static str>,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// A number that is not negative, in digits or as a text of digits.
    Number,
    /// One of these numbers.
    OneNumber(&'static [i64]),
    /// One of these texts.
    OneText(&'static [&'static str]),
    /// A list of these texts.
    Texts(&'static [&'static str]),
    /// A list of addresses and ranges of them.
    Ranges,
}

/// What a rule is checked with.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// The present moment.
    pub now: Timestamp,
    /// A value for each parameter, each of the form that the parameter takes.
    pub given: Vec<(&'static str, Value)>,
}

impl Parameter {
    /// Whether it takes `value`; else what would be good.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        let is_text = |all: &[&str], value: &Value| value.as_str().is_some_and(|text| all.contains(&text));
        let each = |fits: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|all| all.iter().all(fits));
        let is_range = |value: &Value| value.as_str().is_some_and(|text| text.parse::<AddressRange>().is_ok());
        let (fits, expected) = match self.takes {
            Takes::Number => (as_number(value).is_some_and(|number| number >= 0), "a number".to_owned()),
            Takes::OneNumber(all) => {
                (as_number(value).is_some_and(|one| all.contains(&one)), format!("one of {all:?}"))
            }
            Takes::OneText(all) => (is_text(all, value), format!("one of {}", all.join(", "))),
            Takes::Texts(all) => (each(&|one| is_text(all, one)), format!("a list of {}", all.join(", "))),
            Takes::Ranges => (each(&is_range), "a list of addresses or ranges, such as 203.0.113.0/24".to_owned()),
        };
        if fits { Ok(()) } else { Err(format!("{} must be {expected}", self.name)) }
    }

    /// The definition's default.
    pub(crate) fn default(&self) -> Option<Value> {
        serde_json::from_str(self.default?).ok()
    }
}

impl fmt::Display for Parameter {
    /// `name=default`, or the name alone where a value must be given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.default.map_or_else(String::new, |default| format!("={default}")))
    }
}

/// The value of each parameter is checked before, so that what is of another form does not occur.
impl Arguments {
    /// Those of a rule without parameters that looks at no clock.
    pub(super) const NONE: Self = Self { now: Timestamp::from_unix(0), given: vec![] };

    fn value(&self, name: &str) -> &Value {
        self.given.iter().find(|(given, _)| *given == name).map_or(&Value::Null, |(_, value)| value)
    }

    /// The number called `name`.
    pub(super) fn number(&self, name: &str) -> i64 {
        as_number(self.value(name)).unwrap_or_default()
    }

    /// The text called `name`.
    pub(super) fn text(&self, name: &str) -> &str {
        self.value(name).as_str().unwrap_or_default()
    }

    /// The texts called `name`.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let all = self.value(name).as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The ranges called `name`.
    pub(super) fn ranges(&self, name: &str) -> Vec<AddressRange> {
        self.texts(name).iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// `text`, in which the names of parameters in braces are replaced by their values.
    pub(super) fn fill(&self, text: &str) -> String {
        self.given.iter().fold(text.to_owned(), |text, (name, value)| {
            let words = match value {
                Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            text.replace(&format!("{{{name}}}"), &words)
        })
    }
}
