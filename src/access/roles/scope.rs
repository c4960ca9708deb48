//! Scopes: the places in the hierarchy of resources at which a role is assigned, from everything down to one object of a vault.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::resource_id::{ResourceId, ResourceText};

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

/// `text` without a slash at the end, if it is the path of a scope.
fn path_of(text: &str) -> Result<&str, InvalidScope> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let mut segments = path.split('/');
    let begins = segments.next() == Some("") && text.starts_with('/');
    let is_path =
        begins && text.len() <= MAX_LENGTH && segments.all(|segment| segment.trim() == segment && !segment.is_empty());
    is_path.then_some(path).ok_or(InvalidScope)
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
        Ok(Self { text: text.to_owned(), folded: path_of(text)?.to_ascii_lowercase() })
    }

    /// The scope of what lies at `relative` below this one: `/keys/NAME`; nothing is this one itself.
    ///
    /// # Errors
    /// As for [`Scope::parse`].
    pub(crate) fn below(&self, relative: &str) -> Result<Self, InvalidScope> {
        if relative.is_empty() || relative == "/" {
            return Ok(self.clone());
        }
        let path = path_of(relative)?;
        let text = [self.text.trim_end_matches('/'), relative].concat();
        let mut folded = [&self.folded, path].concat();
        folded[self.folded.len()..].make_ascii_lowercase();
        match text.len() {
            ..=MAX_LENGTH => Ok(Self { text, folded }),
            _ => Err(InvalidScope),
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

    /// The scope of `length` bytes that contains it, or is it, in lower case; of no bytes it is everything.
    pub(crate) fn enclosing(&self, length: usize) -> Option<&str> {
        let (scope, rest) = self.folded.split_at_checked(length)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(scope)
    }

    /// Whether it is `other`, or `other` lies below it. Subscriptions below a management group are known to the caller alone.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.enclosing(self.folded.len()) == Some(&self.folded)
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

impl From<ResourceText> for Scope {
    fn from(ResourceText(text): ResourceText) -> Self {
        Self { folded: text.to_ascii_lowercase(), text }
    }
}

impl From<&ResourceId> for Scope {
    fn from(id: &ResourceId) -> Self {
        ResourceText(id.to_string()).into()
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
        for (text, expected) in [("/A/b/c", &["", "/a", "/a/b", "/a/b/c"][..]), ("/", &[""])] {
            let scope = scope(text);
            let enclosing: Vec<_> = (0..9).filter_map(|length| scope.enclosing(length)).collect();
            assert_eq!(enclosing, expected);
        }
    }

    #[test]
    fn what_lies_below_is_what_its_whole_text_is() {
        for above in ["/", "/a", "/a/"] {
            for below in ["/Keys/Cmk", "/keys/cmk/"] {
                let whole = scope(&format!("{}{below}", above.trim_end_matches('/')));
                let made = scope(above).below(below).unwrap();
                assert_eq!((made.as_str(), made.lower_case()), (whole.as_str(), whole.lower_case()), "{above} {below}");
            }
        }
        for no_path in ["keys", "/keys//k", "/keys/ k", &"/k".repeat(MAX_LENGTH / 2)] {
            assert_eq!(scope("/a").below(no_path), Err(InvalidScope), "{no_path}");
        }
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
