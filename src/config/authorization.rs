//! Role assignments, custom roles, deny assignments and management groups in the configuration.

use std::collections::BTreeSet;

use serde::Deserialize;
use uuid::Uuid;

use super::error::{ConfigError, invalid};
use super::suggestion::{did_you_mean, no_identity};
use super::{Identities, derived};
use crate::access::roles::{
    Actions, BUILT_IN, Condition, Content, DenyAssignment, ManagementGroup, Patterns, PrincipalType, RoleAssignment,
    RoleDefinition, Scope,
};
use crate::authorization::{MAX_ASSIGNMENTS, MAX_OTHERS};
use crate::directory::{IdentityRecord, Tenant};
use crate::management::ConfiguredFactory;
use crate::resource_id::SubscriptionId;
use crate::vault::InitialVault;

/// The most patterns of a role or a deny assignment, of each of its lists.
const MAX_PATTERNS: usize = 100;
/// The role of those that own the subscription.
const OWNER: &str = "Owner";

/// Who may do what, as a configuration gives it.
#[derive(Default)]
pub(super) struct AuthorizationEntries {
    /// `roleAssignments` at the top.
    pub(super) assignments: Vec<AssignmentEntry>,
    /// `roleAssignments` of each identity, in their order.
    pub(super) of_identities: Vec<Vec<AssignmentEntry>>,
    /// `roleAssignments` of each vault, in their order.
    pub(super) of_vaults: Vec<Vec<AssignmentEntry>>,
    /// `roleDefinitions`.
    pub(super) definitions: Vec<DefinitionEntry>,
    /// `denyAssignments`.
    pub(super) denials: Vec<DenialEntry>,
    /// `managementGroups`.
    pub(super) management_groups: Vec<ManagementGroupEntry>,
    /// `owners`: names of identities; the default one, where the configuration does not say.
    pub(super) owners: Option<Vec<String>>,
}

/// A role assignment: `{"identity" or "objectId", "role", "scope"}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AssignmentEntry {
    name: Option<Uuid>,
    identity: Option<String>,
    object_id: Option<Uuid>,
    role: String,
    scope: Option<String>,
    condition: Option<String>,
    condition_version: Option<String>,
    principal_type: Option<PrincipalType>,
}

/// A custom role in Resource Manager's form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DefinitionEntry {
    name: Option<Uuid>,
    #[serde(rename = "id")]
    _id: Option<String>,
    #[serde(rename = "type")]
    _type: Option<String>,
    properties: DefinitionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DefinitionProperties {
    role_name: String,
    #[serde(default)]
    description: String,
    #[serde(rename = "type")]
    _type: Option<String>,
    #[serde(default)]
    assignable_scopes: Vec<String>,
    #[serde(default)]
    permissions: Vec<PermissionEntry>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PermissionEntry {
    actions: Vec<String>,
    not_actions: Vec<String>,
    data_actions: Vec<String>,
    not_data_actions: Vec<String>,
}

/// A deny assignment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DenialEntry {
    identity: Option<String>,
    object_id: Option<Uuid>,
    scope: String,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    not_actions: Vec<String>,
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
}

/// A management group.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ManagementGroupEntry {
    name: String,
    subscriptions: Vec<Uuid>,
}

/// What the entries are read with.
#[derive(Clone, Copy)]
pub(super) struct Principals<'a> {
    /// The tenant.
    pub(super) tenant: Tenant,
    /// Those that an entry may name.
    pub(super) identities: &'a [IdentityRecord],
}

impl AuthorizationEntries {
    /// Reads the entries; vaults and factories are those of the same configuration.
    pub(super) fn content(
        self,
        principals: Principals<'_>,
        vaults: &[InitialVault],
        factories: &[ConfiguredFactory],
    ) -> Result<Content, ConfigError> {
        let mut content = Content {
            definitions: each("roleDefinitions", self.definitions, MAX_OTHERS, |path, one| {
                one.definition(path, principals.tenant)
            })?,
            management_groups: each("managementGroups", self.management_groups, MAX_OTHERS, |path, one| {
                one.group(path)
            })?,
            ..Content::default()
        };
        check_names(&content.definitions)?;
        content.denials = each("denyAssignments", self.denials, MAX_OTHERS, |path, one| one.denial(path, principals))?;
        let are_default = self.owners.is_none();
        let mut owners = owners(self.owners, principals, (vaults, factories))?;
        let roles = &content.definitions;
        let mut all = each("roleAssignments", self.assignments, MAX_ASSIGNMENTS, |path, one| {
            one.assignment(path, principals, roles, None)
        })?;
        for (index, own) in self.of_identities.into_iter().enumerate() {
            let name = &principals.identities[index].name;
            all.extend(each(&format!("identities[{index}].roleAssignments"), own, MAX_ASSIGNMENTS, |path, one| {
                one.of(path, name)?.assignment(path, principals, roles, None)
            })?);
        }
        for (index, own) in self.of_vaults.into_iter().enumerate() {
            let scope = vault_scope(&vaults[index], principals.tenant);
            all.extend(each(&format!("vaults[{index}].roleAssignments"), own, MAX_ASSIGNMENTS, |path, one| {
                one.assignment(path, principals, roles, Some(&scope))
            })?);
        }
        // An entry may give the default owner a condition.
        owners.retain(|owner| !are_default || !all.iter().any(|given| given.is_same_grant(owner)));
        owners.extend(all);
        content.assignments = distinct(owners)?;
        Ok(content)
    }
}

/// Reads the `roleAssignments` of one vault, as the admin API takes them.
pub(super) fn of_vault(
    given: Vec<AssignmentEntry>,
    vault: &InitialVault,
    principals: Principals<'_>,
    roles: &[RoleDefinition],
) -> Result<Vec<RoleAssignment>, ConfigError> {
    let scope = vault_scope(vault, principals.tenant);
    let read = |path: &str, one: AssignmentEntry| one.assignment(path, principals, roles, Some(&scope));
    let given = each("roleAssignments", given, MAX_ASSIGNMENTS, read)?;
    Ok(distinct(given)?.into_iter().map(|one| RoleAssignment { configured: false, ..one }).collect())
}

/// Reads one role assignment with a full scope, as the admin API takes it.
pub(super) fn of_top(
    given: AssignmentEntry,
    principals: Principals<'_>,
    roles: &[RoleDefinition],
) -> Result<RoleAssignment, ConfigError> {
    given.assignment("", principals, roles, None)
}

fn vault_scope(vault: &InitialVault, tenant: Tenant) -> Scope {
    Scope::from(&vault.resource_id(tenant.subscription))
}

fn each<G, T>(
    path: &str,
    given: Vec<G>,
    most: usize,
    read: impl Fn(&str, G) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    if given.len() > most {
        return Err(invalid(path, format!("must be at most {most}")));
    }
    given.into_iter().enumerate().map(|(index, one)| read(&format!("{path}[{index}]"), one)).collect()
}

fn check_names(roles: &[RoleDefinition]) -> Result<(), ConfigError> {
    for (index, role) in roles.iter().enumerate() {
        let first_duplicate =
            |other: &&RoleDefinition| other.name.eq_ignore_ascii_case(&role.name) || other.id == role.id;
        if BUILT_IN.iter().chain(&roles[..index]).any(|other| first_duplicate(&other)) {
            let why = format!("there is a role called '{}', or one with its id, already", role.name);
            return Err(invalid(format!("roleDefinitions[{index}].properties.roleName"), why));
        }
    }
    Ok(())
}

/// What holds where a configuration says nothing: the default identity owns every subscription.
pub(super) fn default_access(principals: Principals<'_>, vaults: &[InitialVault]) -> Result<Content, ConfigError> {
    Ok(Content { assignments: owners(None, principals, (vaults, &[]))?, ..Content::default() })
}

/// The assignments of the role Owner at every subscription: the tenant's, and those that vaults and factories have of their own.
fn owners(
    given: Option<Vec<String>>,
    principals: Principals<'_>,
    (vaults, factories): (&[InitialVault], &[ConfiguredFactory]),
) -> Result<Vec<RoleAssignment>, ConfigError> {
    let default = || Identities::of(principals.identities).default.map(|identity| identity.name.clone());
    let names = given.unwrap_or_else(|| default().into_iter().collect());
    let of_vaults = vaults.iter().filter_map(|vault| vault.subscription);
    let own = of_vaults.chain(factories.iter().map(|factory| factory.id.group().subscription())).map(SubscriptionId);
    let subscriptions: BTreeSet<_> = own.chain([principals.tenant.subscription]).map(|one| one.to_string()).collect();
    let owned = |path: &str, name: String| {
        let owner = |scope: &String| AssignmentEntry::owner(&name, scope).assignment(path, principals, &[], None);
        subscriptions.iter().map(owner).collect::<Result<Vec<_>, _>>()
    };
    Ok(each("owners", names, MAX_OTHERS, owned)?.into_iter().flatten().collect())
}

/// Each assignment once: what is said twice is one assignment. Two that differ in their condition are refused: the service has
/// one for a principal, a role and a scope.
fn distinct(all: Vec<RoleAssignment>) -> Result<Vec<RoleAssignment>, ConfigError> {
    let mut distinct: Vec<RoleAssignment> = Vec::new();
    for assignment in all {
        match distinct.iter().find(|other| other.is_same_grant(&assignment) || other.id == assignment.id) {
            Some(other) if !other.is_same_grant(&assignment) => {
                return Err(invalid("roleAssignments", format!("two assignments have the name {}", other.id)));
            }
            Some(other) if other.condition != assignment.condition => {
                let RoleAssignment { principal, role, scope, .. } = other;
                let what = format!("two give the role {role} to {principal} at {scope}, with different conditions");
                return Err(invalid("roleAssignments", format!("{what}: keep one of them")));
            }
            Some(_) => {}
            None => distinct.push(assignment),
        }
    }
    match distinct.len() <= MAX_ASSIGNMENTS {
        true => Ok(distinct),
        false => Err(invalid(
            "roleAssignments",
            format!("must be at most {MAX_ASSIGNMENTS}, those of vaults and identities included"),
        )),
    }
}

impl AssignmentEntry {
    /// The role Owner of the identity called `name` at `scope`.
    fn owner(name: &str, scope: &str) -> Self {
        Self {
            name: None,
            identity: Some(name.to_owned()),
            object_id: None,
            role: OWNER.to_owned(),
            scope: Some(scope.to_owned()),
            condition: None,
            condition_version: None,
            principal_type: None,
        }
    }

    /// This entry of the identity called `name`.
    fn of(mut self, path: &str, name: &str) -> Result<Self, ConfigError> {
        if self.identity.is_some() || self.object_id.is_some() {
            return Err(invalid(path, format!("is of the identity '{name}': leave 'identity' and 'objectId' out")));
        }
        self.identity = Some(name.to_owned());
        Ok(self)
    }

    /// `above` is the scope that the entry's is relative to.
    fn assignment(
        self,
        path: &str,
        principals: Principals<'_>,
        custom: &[RoleDefinition],
        above: Option<&Scope>,
    ) -> Result<RoleAssignment, ConfigError> {
        let principal = principal(path, self.identity.as_deref(), self.object_id, principals)?;
        let role = role(path, &self.role, custom)?;
        let scope = scope(&format!("{path}.scope"), self.scope.as_deref(), above)?;
        if !role.is_assignable_at(&scope) {
            return Err(invalid(
                format!("{path}.scope"),
                format!("is not among the assignableScopes of '{}'", role.name),
            ));
        }
        let condition = self.condition.map(|text| Condition::parse(&text));
        let condition =
            condition.transpose().map_err(|error| invalid(format!("{path}.condition"), error.to_string()))?;
        if self.condition_version.is_some_and(|version| version != "2.0") {
            return Err(invalid(format!("{path}.conditionVersion"), "must be 2.0"));
        }
        let what = format!("{principal}/{}/{}", role.id, scope.lower_case());
        Ok(RoleAssignment {
            id: self.name.unwrap_or_else(|| derived(principals.tenant.id, "roleAssignment", &what)),
            principal,
            principal_type: self.principal_type.unwrap_or_default(),
            role: role.id,
            scope,
            condition,
            effective_from: 0,
            configured: true,
        })
    }
}

fn principal(
    path: &str,
    name: Option<&str>,
    object_id: Option<Uuid>,
    principals: Principals<'_>,
) -> Result<Uuid, ConfigError> {
    match (name, object_id) {
        (Some(name), None) => {
            let known = principals.identities.iter().find(|identity| identity.name == name);
            let known =
                known.ok_or_else(|| invalid(format!("{path}.identity"), no_identity(name, principals.identities)))?;
            Ok(known.object_id)
        }
        (None, Some(object_id)) => Ok(object_id),
        _ => Err(invalid(path, "give either 'identity' or 'objectId'")),
    }
}

fn role<'r>(path: &str, name: &str, custom: &'r [RoleDefinition]) -> Result<&'r RoleDefinition, ConfigError> {
    let id = Uuid::parse_str(name.rsplit('/').next().unwrap_or_default()).ok();
    let all = || BUILT_IN.iter().chain(custom);
    let found = all().find(|role| Some(role.id) == id || role.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let guess = did_you_mean(name, all().map(|role| &*role.name));
        invalid(format!("{path}.role"), format!("there is no role '{name}'{guess}; give the name or the GUID of a built-in role, or define it in 'roleDefinitions'"))
    })
}

fn scope(path: &str, given: Option<&str>, above: Option<&Scope>) -> Result<Scope, ConfigError> {
    let Some(vault) = above else {
        let text = given.ok_or_else(|| invalid(path, "is missing: /subscriptions/ID, or an id below it"))?;
        return Scope::parse(text).map_err(|error| invalid(path, error.to_string()));
    };
    let relative = given.unwrap_or_default();
    let segments: Vec<&str> = relative.split('/').collect();
    let is_object = matches!(segments[..], ["", "keys" | "secrets" | "certificates", name] if !name.is_empty());
    if !relative.is_empty() && !is_object {
        return Err(invalid(
            path,
            "must be relative to the vault: \"\", /keys/NAME, /secrets/NAME or /certificates/NAME",
        ));
    }
    vault.below(relative).map_err(|error| invalid(path, error.to_string()))
}

impl DefinitionEntry {
    fn definition(self, path: &str, tenant: Tenant) -> Result<RoleDefinition, ConfigError> {
        let DefinitionProperties { role_name, description, assignable_scopes, permissions, .. } = self.properties;
        if role_name.trim().is_empty() {
            return Err(invalid(format!("{path}.properties.roleName"), "must not be empty"));
        }
        let blocks = format!("{path}.properties.permissions");
        let mut more = each(&blocks, permissions, MAX_PATTERNS, |_, one| Ok(one.actions()))?;
        check_patterns(&blocks, &more)?;
        let permits = if more.is_empty() { Actions::default() } else { more.remove(0) };
        let assignable_scopes =
            each(&format!("{path}.properties.assignableScopes"), assignable_scopes, MAX_OTHERS, |path, text| {
                Scope::parse(&text).map_err(|error| invalid(path, error.to_string()))
            })?;
        let id = self.name.unwrap_or_else(|| derived(tenant.id, "roleDefinition", &role_name.to_lowercase()));
        let (name, description) = (role_name.into(), description.into());
        Ok(RoleDefinition { id, name, description, permits, more, assignable_scopes })
    }
}

fn check_patterns(path: &str, blocks: &[Actions]) -> Result<(), ConfigError> {
    let lists =
        |one: &Actions| [&one.actions, &one.not_actions, &one.data_actions, &one.not_data_actions].map(Patterns::len);
    let fits = |sort: usize| blocks.iter().map(|one| lists(one)[sort]).sum::<usize>() <= MAX_PATTERNS;
    match (0..4).all(fits) {
        true => Ok(()),
        false => Err(invalid(path, format!("must have at most {MAX_PATTERNS} actions of each sort"))),
    }
}

impl PermissionEntry {
    fn actions(self) -> Actions {
        Actions {
            actions: self.actions.into(),
            not_actions: self.not_actions.into(),
            data_actions: self.data_actions.into(),
            not_data_actions: self.not_data_actions.into(),
        }
    }
}

impl DenialEntry {
    fn denial(self, path: &str, principals: Principals<'_>) -> Result<DenyAssignment, ConfigError> {
        let principal = principal(path, self.identity.as_deref(), self.object_id, principals)?;
        let scope = scope(&format!("{path}.scope"), Some(&self.scope), None)?;
        let denies = Actions {
            actions: self.actions.into(),
            not_actions: self.not_actions.into(),
            data_actions: self.data_actions.into(),
            not_data_actions: self.not_data_actions.into(),
        };
        check_patterns(path, std::slice::from_ref(&denies))?;
        let listed = serde_json::to_string(&denies).unwrap_or_default();
        let what = format!("{principal}/{}/{listed}", scope.lower_case());
        let id = derived(principals.tenant.id, "denyAssignment", &what);
        Ok(DenyAssignment { id, principal, denies, scope, copied: false })
    }
}

impl ManagementGroupEntry {
    fn group(self, path: &str) -> Result<ManagementGroup, ConfigError> {
        if self.name.is_empty() || self.name.contains('/') {
            return Err(invalid(format!("{path}.name"), "must not be empty or hold a slash"));
        }
        Ok(ManagementGroup { name: self.name, subscriptions: self.subscriptions })
    }
}
