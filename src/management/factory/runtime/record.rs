//! What is kept of a self-hosted runtime besides its definition, and the settings that a PATCH changes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::node::Node;
use super::refusal::RuntimeRefusal;
use crate::clock::Timestamp;

/// What a self-hosted runtime has besides its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Runtime {
    /// Its name, as it was made.
    pub name: String,
    /// Its id, which its auth keys name.
    pub id: Uuid,
    /// When it was made, on the vault clock.
    pub created: Timestamp,
    /// Whether its nodes update themselves. Nodes of Keyhaven never do; the setting is kept.
    pub auto_update: bool,
    /// The time of day at which they do, as a duration from midnight: `PT3H`.
    pub update_delay: Option<String>,
    /// Its nodes, in the order in which they registered.
    pub nodes: Vec<Node>,
    /// How often its dispatcher's credentials have overwritten those of the others.
    #[serde(default)]
    pub credential_round: u64,
    /// The runtimes of other factories' that it is shared with.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A runtime of another factory's that is a shared one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    /// Its name.
    pub name: String,
    /// The subscription of its factory.
    pub subscription: Uuid,
    /// Its factory.
    pub factory: String,
    /// Where that is.
    pub location: String,
    /// When it was linked, on the vault clock.
    pub created: Timestamp,
}

impl Link {
    /// Whether it is of the factory called `factory`, whose names are unique, and of its runtime called `name` where that is given.
    pub(super) fn is_of(&self, factory: &str, name: Option<&str>) -> bool {
        let is_named = name.is_none_or(|name| self.name.eq_ignore_ascii_case(name));
        is_named && self.factory.eq_ignore_ascii_case(factory)
    }
}

/// What changes of a runtime's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuntimeChange {
    auto_update: Option<bool>,
    update_delay: Option<String>,
}

impl RuntimeChange {
    /// The change to these values; what is absent stays.
    ///
    /// # Errors
    /// When a value is none of `On` and `Off`, or no whole hour of the day.
    pub(crate) fn parse(auto_update: Option<&str>, update_delay: Option<&str>) -> Result<Self, RuntimeRefusal> {
        let auto_update = match auto_update.map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("on") => Some(true),
            Some("off") => Some(false),
            Some(_) => return Err(RuntimeRefusal::AutoUpdate(auto_update.unwrap_or_default().to_owned())),
        };
        Ok(Self { auto_update, update_delay: update_delay.map(hour_of_day).transpose()? })
    }

    /// `runtime` after the change.
    pub(super) fn applied_to(&self, runtime: Runtime) -> Runtime {
        Runtime {
            auto_update: self.auto_update.unwrap_or(runtime.auto_update),
            update_delay: self.update_delay.clone().or(runtime.update_delay),
            ..runtime
        }
    }
}

/// The hour in `text`, in the form in which the service answers it: `PT03H`, also in quotes as its examples have it, is `PT3H`.
fn hour_of_day(text: &str) -> Result<String, RuntimeRefusal> {
    let wrong = || RuntimeRefusal::UpdateDelay(text.to_owned());
    let hour = text.trim_matches('"').strip_prefix("PT").and_then(|text| text.strip_suffix('H')).ok_or_else(wrong)?;
    let is_number = (1..=2).contains(&hour.len()) && hour.bytes().all(|byte| byte.is_ascii_digit());
    match hour.parse::<u8>() {
        Ok(hour @ 0..24) if is_number => Ok(format!("PT{hour}H")),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_at_a_whole_hour() {
        for (text, expected) in [("PT3H", "PT3H"), ("\"PT03H\"", "PT3H"), ("PT0H", "PT0H"), ("PT23H", "PT23H")] {
            assert_eq!(hour_of_day(text).unwrap(), expected);
        }
        for text in ["", "3", "PT24H", "PT3M", "PT+3H", "PT003H", "PTH", "P3H"] {
            assert!(hour_of_day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_change_does_not_name_stays() {
        let delay = Some("PT3H".to_owned());
        let runtime = Runtime {
            name: "own".to_owned(),
            id: Uuid::nil(),
            created: Timestamp::from_unix(0),
            auto_update: true,
            update_delay: delay,
            nodes: vec![],
            credential_round: 0,
            links: vec![],
        };
        let unchanged = RuntimeChange::parse(None, None).unwrap().applied_to(runtime.clone());
        assert_eq!(unchanged, runtime);
        let off = RuntimeChange::parse(Some("off"), None).unwrap().applied_to(runtime.clone());
        assert_eq!(off, Runtime { auto_update: false, ..runtime });
        assert!(RuntimeChange::parse(Some("sometimes"), None).is_err());
    }
}
