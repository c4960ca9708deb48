//! Scopes: the places in the hierarchy of resources at which a role is assigned, from everything down to one object of a vault.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::resource_id::ResourceId;

/// The most bytes of a scope: an id of a resource with names of the greatest length, and an object's.
const MAX_LENGTH: usize = 1024;
/// Where a management group's id begins.
const MANAGEMENT_GROUP: &str = "/providers/microsoft.management/managementgroups/";

/// A place in the hierarchy: `/`, `/subscriptions/ID`, the id of a resource group or of a resource, of an object below a vault,
/// or of a management group. Scopes are equal if they differ in case alone, as in Azure; it is written as it was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Scope {
    text: String,
    /// In lower case, without a slash at the end: empty for `/`.
    folded: String,
}

/// A text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidScope;

impl Scope {
    /// The scope that `text` is.
    ///
    /// # Errors
    /// When it does not begin with a slash, has an empty segment, or is longer than 1,024 bytes.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidScope> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let mut segments = path.split('/');
        let begins = segments.next() == Some("") && text.starts_with('/');
        if !begins || text.len() > MAX_LENGTH || segments.any(|segment| segment.trim() != segment || segment.is_empty())
        {
            return Err(InvalidScope);
        }
        Ok(Self { text: text.to_owned(), folded: path.to_ascii_lowercase() })
    }

    /// The scope of what lies at `relative` below this one: `/keys/NAME`; nothing is this one itself.
    ///
    /// # Errors
    /// As for [`Scope::parse`].
    pub(crate) fn below(&self, relative: &str) -> Result<Self, InvalidScope> {
        match relative {
            "" | "/" => Ok(self.clone()),
            _ => Self::parse(&format!("{}{relative}", self.as_str().trim_end_matches('/'))),
        }
    }

    /// Its text in lower case, without a slash at the end.
    pub(crate) fn lower_case(&self) -> &str {
        &self.folded
    }

    /// Its text, as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Every scope that contains it, in lower case: everything (empty) first, itself last.
    pub(crate) fn enclosing(&self) -> impl Iterator<Item = &str> {
        self.folded.match_indices('/').map(|(end, _)| &self.folded[..end]).chain([self.folded.as_str()])
    }

    /// Whether it is `other`, or `other` lies below it. Subscriptions below a management group are known to the caller alone.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        match other.folded.strip_prefix(&self.folded) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    /// Whether it is the subscription, or lies in it.
    pub(crate) fn is_in_subscription(&self, subscription: Uuid) -> bool {
        let mut segments = self.folded.split('/').skip(1);
        segments.next() == Some("subscriptions") && segments.next() == Some(&subscription.to_string())
    }

    /// Its path below `above`, as it was given; nothing when it is `above` itself.
    pub(crate) fn relative_to(&self, above: &Self) -> Option<&str> {
        above.contains(self).then(|| self.text.trim_end_matches('/').get(above.folded.len()..)).flatten()
    }

    /// The name of the management group that it is, in lower case.
    pub(crate) fn management_group(&self) -> Option<&str> {
        self.folded.strip_prefix(MANAGEMENT_GROUP).filter(|name| !name.contains('/'))
    }
}

impl From<&ResourceId> for Scope {
    fn from(id: &ResourceId) -> Self {
        let text = id.to_string();
        Self { folded: text.to_ascii_lowercase(), text }
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Scope {}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "must be a scope: /, /providers/Microsoft.Management/managementGroups/NAME, /subscriptions/ID, \
             or the id of a resource group, of a vault or of an object below it",
        )
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, InvalidScope> {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "/subscriptions/5/resourceGroups/Shop/providers/Microsoft.KeyVault/vaults/acme";

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn a_scope_contains_itself_and_what_lies_below_whatever_the_case() {
        let vault = scope(VAULT);
        for above in ["/", "/subscriptions/5", "/SUBSCRIPTIONS/5/resourcegroups/shop/", &VAULT.to_uppercase()] {
            assert!(scope(above).contains(&vault), "{above}");
        }
        for beside in
            ["/subscriptions/55", "/subscriptions/5/resourceGroups/Sho", &format!("{VAULT}2"), "/subscriptions/6"]
        {
            assert!(!scope(beside).contains(&vault), "{beside}");
        }
        let object = vault.below("/keys/cmk").unwrap();
        assert!(
            vault.contains(&object)
                && !object.contains(&vault)
                && object.contains(&scope(&format!("{VAULT}/KEYS/CMK")))
        );
        assert_eq!(vault.below("").unwrap(), vault);
    }

    #[test]
    fn the_scopes_that_contain_it_are_those_that_end_at_a_slash_of_it() {
        assert_eq!(scope("/A/b/c").enclosing().collect::<Vec<_>>(), ["", "/a", "/a/b", "/a/b/c"]);
        assert_eq!(scope("/").enclosing().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "subscriptions/5", "//", "/subscriptions//5", "/subscriptions/ 5", &"/a".repeat(600)] {
            assert_eq!(Scope::parse(text), Err(InvalidScope), "{text}");
        }
    }

    #[test]
    fn a_management_group_is_known_by_its_path() {
        let group = scope("/providers/Microsoft.Management/managementGroups/Finance");
        assert_eq!((group.management_group(), scope(VAULT).management_group()), (Some("finance"), None));
    }
}
