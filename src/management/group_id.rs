//! The id of a resource group: `/subscriptions/SUBSCRIPTION/resourceGroups/NAME`.

use std::fmt;

use uuid::Uuid;

use crate::access::roles::Scope;
use crate::resource_id::{ResourceText, SubscriptionId};
use crate::store::EntryKey;

/// The longest name, in characters.
const MAX_NAME: usize = 90;

/// The id of a resource group. Its name counts without regard to the case of ASCII letters, as in scopes of roles, and is written as it
/// was given.
#[derive(Clone, Debug)]
pub(crate) struct GroupId {
    subscription: Uuid,
    name: String,
}

/// A text is no name of a resource group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidGroupName;

impl GroupId {
    /// The group called `name`: letters, digits, `-`, `_`, `.` and parentheses, no dot at the end.
    ///
    /// # Errors
    /// When no group can be called so.
    pub(crate) fn parse(subscription: Uuid, name: &str) -> Result<Self, InvalidGroupName> {
        let is_fine = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
        let length = name.chars().count();
        let valid = (1..=MAX_NAME).contains(&length) && name.chars().all(is_fine) && !name.ends_with('.');
        valid.then(|| Self { subscription, name: name.to_owned() }).ok_or(InvalidGroupName)
    }

    /// Its subscription.
    pub(crate) fn subscription(&self) -> Uuid {
        self.subscription
    }

    /// Its name, as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the group called `name` in `subscription` is this one.
    pub(crate) fn is(&self, subscription: Uuid, name: &str) -> bool {
        self.subscription == subscription && self.name.eq_ignore_ascii_case(name)
    }

    /// The scope of roles that it is.
    pub(crate) fn scope(&self) -> Scope {
        ResourceText(self.to_string()).into()
    }

    /// Where its record is.
    pub(super) fn key(&self) -> EntryKey {
        EntryKey::from(format!("group/{}", self.path()))
    }

    /// Where it is recorded that a resource was put into it.
    pub(super) fn stamp(&self) -> EntryKey {
        EntryKey::from(format!("group-contents/{}", self.path()))
    }

    /// What the keys of all factories in it begin with.
    pub(super) fn factories(&self) -> EntryKey {
        EntryKey::from(format!("factory/{}/", self.path()))
    }

    /// What keys hold of it, in lower case.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.subscription, self.name.to_ascii_lowercase())
    }

    /// Where it is recorded that a group was made in `subscription`.
    pub(super) fn last_of(subscription: Uuid) -> EntryKey {
        EntryKey::from(format!("groups/{subscription}"))
    }

    /// What the keys of all groups of `subscription` begin with.
    pub(super) fn keys_of(subscription: Uuid) -> EntryKey {
        EntryKey::from(format!("group/{subscription}/"))
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/resourceGroups/{}", SubscriptionId(self.subscription), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_are_one_group_where_they_are_one_scope() {
        let id = |name: &str| GroupId::parse(Uuid::nil(), name).unwrap();
        for (one, other, expected) in [("Shop", "sHOP", true), ("größe", "GRößE", true), ("größe", "grÖße", false)]
        {
            assert_eq!(id(one).is(Uuid::nil(), other), expected, "{other}");
            assert_eq!(id(one).key() == id(other).key(), expected, "{other}");
            assert_eq!(id(one).scope() == id(other).scope(), expected, "{other}");
        }
    }

    #[test]
    fn a_group_is_called_as_azure_allows() {
        let longest = "g".repeat(MAX_NAME);
        for name in ["g", "Shop_1", "a.b-(c)", "größe", &longest] {
            assert!(GroupId::parse(Uuid::nil(), name).is_ok(), "{name}");
        }
        for name in ["", "g.", "a b", "a/b", "g%", &format!("{longest}g")] {
            assert!(GroupId::parse(Uuid::nil(), name).is_err(), "{name}");
        }
    }
}
