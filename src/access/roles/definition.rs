//! Role definitions: a name for a set of actions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::action::{Action, Actions, Patterns};
use super::scope::Scope;

/// A role that can be assigned: one of Azure's, or a custom one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleDefinition {
    /// The last segment of its resource id.
    pub id: Uuid,
    /// Its name, unique without regard to case.
    pub name: Cow<'static, str>,
    /// What it is for.
    #[serde(default)]
    pub description: Cow<'static, str>,
    /// What it permits.
    #[serde(flatten)]
    pub permits: Actions,
    /// What its further blocks of permissions permit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Actions>,
    /// Where it can be assigned; everywhere when empty, as the built-in ones.
    #[serde(default)]
    pub assignable_scopes: Vec<Scope>,
}

impl RoleDefinition {
    /// A built-in role, with its actions, those taken out of them, and its data actions.
    pub(super) const fn built_in(
        id: u128,
        name: &'static str,
        description: &'static str,
        [actions, not_actions, data_actions]: [&'static [&'static str]; 3],
    ) -> Self {
        let permits = Actions {
            actions: Patterns::Fixed(actions),
            not_actions: Patterns::Fixed(not_actions),
            data_actions: Patterns::Fixed(data_actions),
            not_data_actions: Patterns::Fixed(&[]),
        };
        let (name, description) = (Cow::Borrowed(name), Cow::Borrowed(description));
        Self { id: Uuid::from_u128(id), name, description, permits, more: vec![], assignable_scopes: vec![] }
    }

    /// Whether one of its blocks permits `action`: what one takes out, another can permit, as the blocks of a role add up.
    pub(crate) fn allows(&self, action: Action<'_>) -> bool {
        self.blocks().any(|block| block.allow(action))
    }

    /// Whether it permits anything in a vault.
    pub(crate) fn has_data_actions(&self) -> bool {
        self.blocks().any(|block| block.data_actions.len() > 0)
    }

    fn blocks(&self) -> impl Iterator<Item = &Actions> {
        std::iter::once(&self.permits).chain(&self.more)
    }

    /// Whether it can be assigned at `scope`.
    pub(crate) fn is_assignable_at(&self, scope: &Scope) -> bool {
        self.assignable_scopes.is_empty() || self.assignable_scopes.iter().any(|assignable| assignable.contains(scope))
    }
}
