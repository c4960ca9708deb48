//! Names of actions (`Microsoft.KeyVault/vaults/keys/read`), and patterns of them as role definitions hold them.

use serde::{Deserialize, Serialize};

/// Patterns of actions: of a built-in role, or given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub(crate) enum Patterns {
    /// Those of a built-in role.
    Fixed(&'static [&'static str]),
    /// Those of another.
    Given(Vec<String>),
}

impl Patterns {
    /// Whether one of them covers `action`.
    pub(crate) fn cover(&self, action: &str) -> bool {
        match self {
            Self::Fixed(patterns) => patterns.iter().any(|pattern| matches(pattern, action)),
            Self::Given(patterns) => patterns.iter().any(|pattern| matches(pattern, action)),
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Fixed(patterns) => patterns.len(),
            Self::Given(patterns) => patterns.len(),
        }
    }
}

impl Default for Patterns {
    fn default() -> Self {
        Self::Fixed(&[])
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        Vec::from(self.clone()) == Vec::from(other.clone())
    }
}

impl Eq for Patterns {}

impl From<Vec<String>> for Patterns {
    fn from(patterns: Vec<String>) -> Self {
        Self::Given(patterns)
    }
}

impl From<Patterns> for Vec<String> {
    fn from(patterns: Patterns) -> Self {
        match patterns {
            Patterns::Fixed(patterns) => patterns.iter().map(ToString::to_string).collect(),
            Patterns::Given(patterns) => patterns,
        }
    }
}

/// Whether `pattern` covers `action`: `*` is any text, slashes too; case does not count.
fn matches(pattern: &str, action: &str) -> bool {
    let mut pieces = pattern.as_bytes().split(|byte| *byte == b'*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = without_prefix(action.as_bytes(), first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(after) = after_first(rest, piece) else { return false };
        rest = after;
    }
    rest.len().checked_sub(last.len()).is_some_and(|start| rest[start..].eq_ignore_ascii_case(last))
}

fn without_prefix<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// What follows the first place of `piece` in `text`.
fn after_first<'t>(text: &'t [u8], piece: &[u8]) -> Option<&'t [u8]> {
    (0..=text.len()).find_map(|start| without_prefix(&text[start..], piece))
}

/// An action that is attempted, by its full name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    /// Of the management plane: `Microsoft.DataFactory/factories/write`.
    Management(&'a str),
    /// Of the data plane: `Microsoft.KeyVault/vaults/keys/read`.
    Data(&'a str),
}

impl<'a> Action<'a> {
    /// Its name.
    pub(crate) const fn name(self) -> &'a str {
        match self {
            Self::Management(name) | Self::Data(name) => name,
        }
    }
}

/// What a role permits: the actions that it lists, without those that it takes out again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Actions {
    /// Actions of the management plane.
    #[serde(default)]
    pub actions: Patterns,
    /// Those taken out of `actions`.
    #[serde(default)]
    pub not_actions: Patterns,
    /// Actions of the data plane.
    #[serde(default)]
    pub data_actions: Patterns,
    /// Those taken out of `data_actions`.
    #[serde(default)]
    pub not_data_actions: Patterns,
}

impl Actions {
    /// Whether it permits `action` of either plane.
    pub(crate) fn allow(&self, action: Action<'_>) -> bool {
        match action {
            Action::Management(action) => self.permit(action),
            Action::Data(action) => self.permit_data(action),
        }
    }

    /// Whether it permits `action` of the management plane.
    pub(crate) fn permit(&self, action: &str) -> bool {
        self.actions.cover(action) && !self.not_actions.cover(action)
    }

    /// Whether it permits `action` of the data plane.
    pub(crate) fn permit_data(&self, action: &str) -> bool {
        self.data_actions.cover(action) && !self.not_data_actions.cover(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_is_any_text_and_case_does_not_count() {
        for (pattern, action, expected) in [
            ("*", "Microsoft.KeyVault/vaults/read", true),
            ("*/read", "Microsoft.KeyVault/vaults/read", true),
            ("*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action", false),
            ("Microsoft.KeyVault/vaults/*", "microsoft.keyvault/VAULTS/keys/wrap/action", true),
            ("Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/keys/read", true),
            ("Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/read", false),
            ("Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/read/action", false),
            ("Microsoft.KeyVault/vaults/keys", "Microsoft.KeyVault/vaults/keys/read", false),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true),
            ("a*b*b", "aXbYb", true),
            ("a*b*b", "ab", false),
            ("*a", "a", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, action), expected, "{pattern} {action}");
        }
    }

    #[test]
    fn what_is_taken_out_is_not_permitted() {
        let patterns = Patterns::Fixed;
        let role = Actions {
            data_actions: patterns(&["Microsoft.KeyVault/vaults/keys/*"]),
            not_data_actions: patterns(&["*/purge/action"]),
            ..Actions::default()
        };
        assert!(role.permit_data("Microsoft.KeyVault/vaults/keys/read"));
        assert!(!role.permit_data("Microsoft.KeyVault/vaults/keys/purge/action"));
        assert!(!role.permit("Microsoft.KeyVault/vaults/keys/read"), "a data action is none of the management plane");
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_stars_are_replaced_by(
            pieces in prop::collection::vec("[a-c/]{0,4}", 1..5),
            fillings in prop::collection::vec("[a-c/]{0,4}", 5),
        ) {
            let mut action = pieces[0].clone();
            for (piece, filling) in pieces[1..].iter().zip(&fillings) {
                action += filling;
                action += piece;
            }
            prop_assert!(matches(&pieces.join("*"), &action.to_uppercase()));
        }
    }
}
