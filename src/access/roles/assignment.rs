//! Who has which role where, and to whom it is denied.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::action::Actions;
use super::condition::Condition;
use super::scope::Scope;

/// A role given to a principal at a scope, and so at everything below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleAssignment {
    /// The last segment of its resource id.
    pub id: Uuid,
    /// The object id of the identity or group.
    pub principal: Uuid,
    /// What the principal is.
    #[serde(default)]
    pub principal_type: PrincipalType,
    /// The id of the role's definition.
    pub role: Uuid,
    /// Where it holds.
    pub scope: Scope,
    /// When it holds for an assignment of roles; always, without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Seconds since 1970 on the vault clock from which on it counts.
    #[serde(default)]
    pub effective_from: i64,
    /// Whether the configuration made it.
    #[serde(default)]
    pub configured: bool,
}

impl RoleAssignment {
    /// Whether it gives the same role to the same principal at the same scope, be it under another condition.
    pub(crate) fn is_same_grant(&self, other: &Self) -> bool {
        (self.principal, self.role, &self.scope) == (other.principal, other.role, &other.scope)
    }

    /// The same role of the same principal at another scope. Its id follows from this one's and the scope.
    pub(crate) fn at(&self, scope: Scope) -> Self {
        let id = Uuid::new_v5(&self.id, scope.lower_case().as_bytes());
        Self { id, scope, configured: false, ..self.clone() }
    }
}

/// What a principal is, in the service's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PrincipalType {
    /// A person.
    User,
    /// A group of principals.
    Group,
    /// An application or a managed identity.
    #[default]
    ServicePrincipal,
}

impl PrincipalType {
    /// The service's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::ServicePrincipal => "ServicePrincipal",
        }
    }
}

/// Actions that are denied to a principal at a scope, whatever its roles are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DenyAssignment {
    /// The last segment of its resource id.
    pub id: Uuid,
    /// The object id of the identity or group.
    pub principal: Uuid,
    /// What is denied.
    #[serde(flatten)]
    pub denies: Actions,
    /// Where it holds.
    pub scope: Scope,
    /// Whether it came with the copy of a vault, and no configuration made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copied: bool,
}

impl DenyAssignment {
    /// The same for the same principal at another scope. Its id follows from this one's and the scope.
    pub(crate) fn at(&self, scope: Scope) -> Self {
        let id = Uuid::new_v5(&self.id, scope.lower_case().as_bytes());
        Self { id, scope, copied: true, ..self.clone() }
    }
}

/// A management group: subscriptions that roles are assigned for together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagementGroup {
    /// The last segment of its id.
    pub name: String,
    /// The subscriptions in it.
    pub subscriptions: Vec<Uuid>,
}
