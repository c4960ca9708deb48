//! Azure role-based access control (RBAC): may this identity do this action at this place? Pure decisions over values.

mod action;
mod assignment;
mod built_in;
mod condition;
mod definition;
mod scope;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use action::{Action, Actions, Patterns};
pub(crate) use assignment::{DenyAssignment, ManagementGroup, PrincipalType, RoleAssignment};
pub(crate) use built_in::{BUILT_IN, DATA_ACTIONS, VAULTS, smallest_role};
pub(crate) use condition::{AssignedRole, Condition};
pub(crate) use definition::RoleDefinition;
pub(crate) use scope::Scope;

use super::Identity;

/// Every role assignment, custom role, deny assignment and management group of the tenant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Content", into = "Content")]
pub(crate) struct RoleBasedAccess {
    content: Content,
    by_principal: HashMap<Uuid, Grants>,
}

/// Where the assignments of a principal are in [`Content`], so that a decision looks at those alone that can reach its resource.
#[derive(Clone, Debug, Default)]
struct Grants {
    /// Their positions, by the [`Tail`]s of their scopes, and these by the scopes' lengths in bytes: a resource has few enclosing scopes,
    /// so most lengths need no look at what has them, and the few that a look finds are compared whole.
    by_length: BTreeMap<usize, BTreeMap<Tail, Vec<usize>>>,
    /// Those at management groups.
    at_management_groups: Vec<usize>,
}

/// What is kept of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Content {
    /// The role assignments.
    pub assignments: Vec<RoleAssignment>,
    /// The custom roles.
    pub definitions: Vec<RoleDefinition>,
    /// The deny assignments.
    pub denials: Vec<DenyAssignment>,
    /// The management groups.
    pub management_groups: Vec<ManagementGroup>,
}

/// An action that is to be decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// Who attempts it.
    pub who: &'a Identity,
    /// The action.
    pub action: Action<'a>,
    /// The resource, or the object in a vault.
    pub resource: &'a Scope,
    /// Seconds since 1970 on the vault clock.
    pub now: i64,
}

/// What suffices for encrypting, wrapping and verifying with the public part of an asymmetric key (Azure permissions for
/// security: "if the key is asymmetric, this operation can be performed by principals with read access").
const READ_KEY: &str = "keys/read";
/// The data actions that need no private key.
const PUBLIC_KEY_ACTIONS: [&str; 3] = ["keys/encrypt/action", "keys/wrap/action", "keys/verify/action"];

/// An operation of the data plane that is to be decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperationAttempt<'a> {
    /// Who attempts it.
    pub who: &'a Identity,
    /// Its data action below [`VAULTS`], for example `keys/wrap/action`.
    pub action: &'a str,
    /// The vault or the object in it.
    pub resource: &'a Scope,
    /// Seconds since 1970 on the vault clock.
    pub now: i64,
}

/// The outcome for an operation of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OperationDecision {
    /// What the roles say.
    pub decision: RoleDecision,
    /// Whether reading the key is all that allows it, so that a symmetric key must be refused.
    pub public_keys_only: bool,
}

/// The outcome of a decision by roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoleDecision {
    /// This assignment allows it.
    Allowed {
        /// Its id.
        assignment: Uuid,
    },
    /// No assignment allows it.
    NoAssignment,
    /// This deny assignment forbids it.
    Denied {
        /// Its id.
        by: Uuid,
    },
}

impl RoleBasedAccess {
    /// What is kept of it.
    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// Decides an operation of the data plane by its own action, or, where that needs no private key, by the reading of the key.
    pub(crate) fn decide_operation(&self, attempt: OperationAttempt<'_>) -> OperationDecision {
        let OperationAttempt { who, action, resource, now } = attempt;
        let decide = |action: &str| {
            self.decide(Attempt { who, action: Action::Data(&[VAULTS, action].concat()), resource, now })
        };
        let decision = decide(action);
        let public_keys_only = decision == RoleDecision::NoAssignment && PUBLIC_KEY_ACTIONS.contains(&action);
        let decision = if public_keys_only { decide(READ_KEY) } else { decision };
        OperationDecision { decision, public_keys_only }
    }

    /// Decides an action: a deny assignment forbids, whatever roles there are; else any assignment allows.
    pub(crate) fn decide(&self, attempt: Attempt<'_>) -> RoleDecision {
        if let Some(denial) = self.content.denials.iter().find(|denial| self.denies(denial, attempt)) {
            return RoleDecision::Denied { by: denial.id };
        }
        let allowing =
            self.assignments_above(attempt.who, attempt.resource).find(|assignment| self.allows(assignment, attempt));
        allowing.map_or(RoleDecision::NoAssignment, |found| RoleDecision::Allowed { assignment: found.id })
    }

    /// Whether any assignment at the resource or anywhere below it allows the action: of a list that shows what its reader may see.
    pub(crate) fn allows_within(&self, attempt: Attempt<'_>) -> bool {
        let principals = std::iter::once(&attempt.who.object_id).chain(&attempt.who.groups);
        let grants = principals.filter_map(|principal| self.by_principal.get(principal));
        let assignments = grants.flat_map(|grants| grants.by_length.values().flat_map(BTreeMap::values).flatten());
        assignments.map(|position| &self.content.assignments[*position]).any(|assignment| {
            let below = Attempt { resource: &assignment.scope, ..attempt };
            attempt.resource.contains(&assignment.scope) && self.allows(assignment, below)
        })
    }

    /// The definition of the role with this id.
    pub(crate) fn role(&self, id: Uuid) -> Option<&RoleDefinition> {
        self.content.role(id)
    }

    /// Whether `who` may make or remove a role assignment at `scope`: the action of the management plane, and the condition of
    /// the assignment that allows it.
    #[cfg_attr(not(test), expect(dead_code, reason = "asked by the management plane's role assignments"))]
    pub(crate) fn may_assign(&self, who: &Identity, assigned: AssignedRole<'_>, scope: &Scope, now: i64) -> bool {
        let is_own = |principal| principal == who.object_id || who.groups.contains(&principal);
        let denied = self.content.denials.iter().any(|denial| {
            is_own(denial.principal) && self.reaches(&denial.scope, scope) && denial.denies.permit(assigned.action)
        });
        !denied
            && self.assignments_above(who, scope).any(|own| {
                own.effective_from <= now
                    && self.reaches(&own.scope, scope)
                    && self.role(own.role).is_some_and(|role| role.allows(Action::Management(assigned.action)))
                    && own.condition.as_ref().is_none_or(|condition| condition.allows(assigned))
            })
    }

    /// The caller's assignments at `resource` and above it, and those at management groups; others may be among them, so what asks
    /// checks that each reaches.
    fn assignments_above<'a>(
        &'a self,
        who: &'a Identity,
        resource: &'a Scope,
    ) -> impl Iterator<Item = &'a RoleAssignment> {
        let principals = std::iter::once(&who.object_id).chain(&who.groups);
        let grants = principals.filter_map(|principal| self.by_principal.get(principal));
        let positions = grants.flat_map(|grants| {
            let enclosing =
                grants.by_length.iter().filter_map(|(length, all)| all.get(&tail(resource.enclosing(*length)?)));
            enclosing.flatten().chain(&grants.at_management_groups)
        });
        positions.map(|position| &self.content.assignments[*position])
    }

    fn allows(&self, assignment: &RoleAssignment, attempt: Attempt<'_>) -> bool {
        assignment.effective_from <= attempt.now
            && self.reaches(&assignment.scope, attempt.resource)
            && self.role(assignment.role).is_some_and(|role| role.allows(attempt.action))
            && assignment.condition.as_ref().is_none_or(|condition| condition.allows_action(attempt.action.name()))
    }

    fn denies(&self, denial: &DenyAssignment, attempt: Attempt<'_>) -> bool {
        (denial.principal == attempt.who.object_id || attempt.who.groups.contains(&denial.principal))
            && self.reaches(&denial.scope, attempt.resource)
            && denial.denies.allow(attempt.action)
    }

    /// Whether what is given at `scope` holds at `resource`.
    fn reaches(&self, scope: &Scope, resource: &Scope) -> bool {
        if scope.contains(resource) {
            return true;
        }
        let Some(name) = scope.management_group() else { return false };
        let groups = self.content.management_groups.iter().filter(|group| group.name.eq_ignore_ascii_case(name));
        groups.flat_map(|group| &group.subscriptions).any(|subscription| resource.is_in_subscription(*subscription))
    }
}

impl Content {
    /// The definition of the role with this id.
    pub(crate) fn role(&self, id: Uuid) -> Option<&RoleDefinition> {
        BUILT_IN.iter().chain(&self.definitions).find(|role| role.id == id)
    }
}

/// The last bytes of a scope in lower case, in which scopes of one length differ most: they lie side by side in the index, where the
/// scopes themselves would each be looked up elsewhere.
type Tail = u64;

/// The tail of `scope`; a scope that is shorter has none.
fn tail(scope: &str) -> Tail {
    scope.as_bytes().last_chunk().map_or(0, |last| Tail::from_ne_bytes(*last))
}

impl Grants {
    fn add(&mut self, scope: &str, position: usize) {
        self.by_length.entry(scope.len()).or_default().entry(tail(scope)).or_default().push(position);
    }
}

impl From<Content> for RoleBasedAccess {
    fn from(content: Content) -> Self {
        let mut by_principal = HashMap::<Uuid, Grants>::new();
        for (position, assignment) in content.assignments.iter().enumerate() {
            let grants = by_principal.entry(assignment.principal).or_default();
            match assignment.scope.management_group() {
                Some(_) => grants.at_management_groups.push(position),
                None => grants.add(assignment.scope.lower_case(), position),
            }
        }
        Self { content, by_principal }
    }
}

impl From<RoleBasedAccess> for Content {
    fn from(access: RoleBasedAccess) -> Self {
        access.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: Uuid = Uuid::from_u128(5);
    const ENCRYPTION_USER: Uuid = Uuid::from_u128(0xe147488a_f6f5_4113_8e2d_b22465e65bf6);
    const WRAP: &str = "Microsoft.KeyVault/vaults/keys/wrap/action";

    fn scope(relative: &str) -> Scope {
        let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/shop");
        let vault = format!("{group}/providers/Microsoft.KeyVault/vaults");
        Scope::parse(&relative.replace("VAULTS", &vault).replace("GROUP", &group)).unwrap()
    }

    fn caller() -> Identity {
        let [tenant, object_id, app_id, group] = [1, 2, 3, 4].map(Uuid::from_u128);
        Identity { tenant, object_id, app_id, groups: vec![group] }
    }

    fn assignment(principal: u128, at: &str) -> RoleAssignment {
        RoleAssignment {
            id: Uuid::from_u128(70),
            principal: Uuid::from_u128(principal),
            principal_type: PrincipalType::ServicePrincipal,
            role: ENCRYPTION_USER,
            scope: scope(at),
            condition: None,
            effective_from: 0,
            configured: false,
        }
    }

    fn access(content: Content) -> RoleBasedAccess {
        content.into()
    }

    fn decided(access: &RoleBasedAccess, data_action: &str, at: &str) -> RoleDecision {
        access.decide(Attempt { who: &caller(), action: Action::Data(data_action), resource: &scope(at), now: 100 })
    }

    const ALLOWED: RoleDecision = RoleDecision::Allowed { assignment: Uuid::from_u128(70) };

    #[test]
    fn an_assignment_holds_at_its_scope_and_below() {
        for (at, expected) in [
            ("/", ALLOWED),
            ("/providers/Microsoft.Management/managementGroups/finance", ALLOWED),
            ("/providers/Microsoft.Management/managementGroups/sales", RoleDecision::NoAssignment),
            ("/subscriptions/00000000-0000-0000-0000-000000000005", ALLOWED),
            ("/subscriptions/00000000-0000-0000-0000-000000000006", RoleDecision::NoAssignment),
            ("GROUP", ALLOWED),
            ("VAULTS/acme", ALLOWED),
            ("VAULTS/other", RoleDecision::NoAssignment),
            ("VAULTS/acme/keys/cmk", ALLOWED),
            ("VAULTS/acme/keys/other", RoleDecision::NoAssignment),
            ("VAULTS/acme/secrets/cmk", RoleDecision::NoAssignment),
        ] {
            let finance = ManagementGroup { name: "Finance".to_owned(), subscriptions: vec![SUBSCRIPTION] };
            let content = Content {
                assignments: vec![assignment(2, at)],
                management_groups: vec![finance],
                ..Content::default()
            };
            assert_eq!(decided(&access(content), WRAP, "VAULTS/acme/keys/CMK"), expected, "{at}");
        }
        let object = access(Content { assignments: vec![assignment(2, "VAULTS/acme/keys/cmk")], ..Content::default() });
        assert_eq!(decided(&object, WRAP, "VAULTS/acme"), RoleDecision::NoAssignment, "a list is of the vault");
    }

    #[test]
    fn a_role_permits_its_actions_alone_and_to_its_principals_alone() {
        let own = access(Content { assignments: vec![assignment(2, "VAULTS/acme")], ..Content::default() });
        assert_eq!(
            decided(&own, "Microsoft.KeyVault/vaults/keys/sign/action", "VAULTS/acme"),
            RoleDecision::NoAssignment
        );
        let groups = access(Content { assignments: vec![assignment(4, "VAULTS/acme")], ..Content::default() });
        assert_eq!(decided(&groups, WRAP, "VAULTS/acme"), ALLOWED, "a group's is its members'");
        let others = access(Content { assignments: vec![assignment(9, "VAULTS/acme")], ..Content::default() });
        assert_eq!(decided(&others, WRAP, "VAULTS/acme"), RoleDecision::NoAssignment);
        let unknown = RoleAssignment { role: Uuid::from_u128(1), ..assignment(2, "VAULTS/acme") };
        let unknown = access(Content { assignments: vec![unknown], ..Content::default() });
        assert_eq!(decided(&unknown, WRAP, "VAULTS/acme"), RoleDecision::NoAssignment);
    }

    #[test]
    fn an_assignment_counts_from_its_moment_on() {
        let later = |effective_from| RoleAssignment { effective_from, ..assignment(2, "VAULTS/acme") };
        let at = |moment| {
            decided(&access(Content { assignments: vec![later(moment)], ..Content::default() }), WRAP, "VAULTS/acme")
        };
        assert_eq!((at(100), at(101)), (ALLOWED, RoleDecision::NoAssignment));
    }

    #[test]
    fn a_denial_forbids_what_a_role_allows() {
        let denial = |principal, at: &str, action: &'static str| DenyAssignment {
            id: Uuid::from_u128(80),
            principal: Uuid::from_u128(principal),
            denies: Actions { data_actions: action::Patterns::from(vec![action.to_owned()]), ..Actions::default() },
            scope: scope(at),
            copied: false,
        };
        let denied = RoleDecision::Denied { by: Uuid::from_u128(80) };
        for (denial, expected) in [
            (denial(2, "/", "*"), denied),
            (denial(4, "VAULTS/acme/keys/cmk", "*/wrap/action"), denied),
            (denial(9, "/", "*"), ALLOWED),
            (denial(2, "VAULTS/acme/keys/other", "*"), ALLOWED),
            (denial(2, "/", "*/sign/action"), ALLOWED),
        ] {
            let content =
                Content { assignments: vec![assignment(2, "/")], denials: vec![denial], ..Content::default() };
            assert_eq!(decided(&access(content), WRAP, "VAULTS/acme/keys/cmk"), expected);
        }
    }

    #[test]
    fn reading_a_key_allows_what_needs_its_public_part_alone() {
        const READER: Uuid = Uuid::from_u128(0x21090545_7ca7_4776_b22c_e363652d74d2);
        let reader = RoleAssignment { role: READER, ..assignment(2, "/") };
        let access = access(Content { assignments: vec![reader], ..Content::default() });
        for (action, expected) in [
            ("keys/wrap/action", (ALLOWED, true)),
            ("keys/verify/action", (ALLOWED, true)),
            ("keys/read", (ALLOWED, false)),
            ("keys/unwrap/action", (RoleDecision::NoAssignment, false)),
        ] {
            let resource = &scope("VAULTS/acme/keys/k");
            let decided = access.decide_operation(OperationAttempt { who: &caller(), action, resource, now: 100 });
            assert_eq!((decided.decision, decided.public_keys_only), expected, "{action}");
        }
    }

    #[test]
    fn custom_roles_are_found_by_name_and_id() {
        let custom = RoleDefinition::built_in(9, "Wrapper", "", [&[], &[], &[WRAP]]);
        let mine = RoleAssignment { role: custom.id, ..assignment(2, "/") };
        let access = access(Content { assignments: vec![mine], definitions: vec![custom], ..Content::default() });
        assert_eq!(decided(&access, WRAP, "VAULTS/acme"), ALLOWED);
    }

    /// Who may assign roles: the role of the asker, its condition, the role that is assigned, the action, and the outcome.
    #[test]
    fn assigning_roles_takes_a_role_that_may_and_its_condition() {
        use super::condition::{DELETE, WRITE};
        const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
        const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
        const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
        const ACCESS: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";
        const RBAC: &str = "f58310d9-a9f6-439a-9e8d-f62e7b41a168";
        const DATA_ACCESS: &str = "8b54135c-b56d-4d72-a534-26097cfdc8d8";
        const KEY_VAULT: &str = "f25e0fa2-a7c8-4377-a976-54943a77a395";
        const ADMINISTRATOR: &str = "00482a5a-887f-4fb3-b363-3b7fe8e74483";
        let only_encryption = format!(
            "!(ActionMatches{{'{WRITE}'}}) OR \
             @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] GuidEquals {{{ENCRYPTION_USER}}}"
        );
        let not_itself = "@Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidNotEquals \
                          {00000000-0000-0000-0000-000000000002}";
        for (role, condition, given, action, expected) in [
            (OWNER, "", OWNER, WRITE, true),
            (OWNER, "", OWNER, DELETE, true),
            (ACCESS, "", OWNER, WRITE, true),
            (RBAC, "", OWNER, WRITE, true),
            (DATA_ACCESS, "", ADMINISTRATOR, DELETE, true),
            (CONTRIBUTOR, "", READER, WRITE, false),
            (CONTRIBUTOR, "", READER, DELETE, false),
            (READER, "", READER, WRITE, false),
            (KEY_VAULT, "", ADMINISTRATOR, WRITE, false),
            (ADMINISTRATOR, "", ADMINISTRATOR, WRITE, false),
            (RBAC, &only_encryption, "e147488a-f6f5-4113-8e2d-b22465e65bf6", WRITE, true),
            (RBAC, &only_encryption, OWNER, WRITE, false),
            (RBAC, &only_encryption, OWNER, DELETE, true),
            (RBAC, not_itself, READER, WRITE, false),
        ] {
            let uuid = |text: &str| Uuid::parse_str(text).unwrap();
            let condition = Some(condition).filter(|text| !text.is_empty()).map(|text| Condition::parse(text).unwrap());
            let own = RoleAssignment { role: uuid(role), condition, ..assignment(2, "GROUP") };
            let access = access(Content { assignments: vec![own], ..Content::default() });
            let assigned =
                AssignedRole { action, role: uuid(given), principal: Uuid::from_u128(2), principal_type: "User" };
            let decided = |at: &str| access.may_assign(&caller(), assigned, &scope(at), 100);
            assert_eq!(decided("VAULTS/acme"), expected, "{role} {given} {action}");
            assert!(!decided("/subscriptions/00000000-0000-0000-0000-000000000005"), "above its scope");
        }
    }

    #[test]
    fn it_is_kept_as_it_was() {
        let content = Content { assignments: vec![assignment(2, "/")], ..Content::default() };
        let bytes = serde_json::to_vec(&access(content.clone())).unwrap();
        assert_eq!(serde_json::from_slice::<RoleBasedAccess>(&bytes).unwrap().content(), &content);
    }
}
