//! The least grants, as values: access policies, role assignments, custom roles.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::needs::{Needs, Place, needs};
use super::roles::{any_permits, least_roles};
use super::{Usage, Use, operation_of, vault_name};
use crate::operation::Operation;

/// The least that grants what was used.
#[derive(Debug)]
pub(crate) struct Grants {
    /// By the vault's id.
    pub(super) vaults: BTreeMap<String, VaultGrants>,
}

/// What is granted in one vault.
#[derive(Debug)]
pub(super) struct VaultGrants {
    /// Whether roles decide there.
    pub(super) by_roles: bool,
    /// By the identity's object id.
    pub(super) identities: BTreeMap<Uuid, Needs>,
}

/// A role for an identity at a scope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) principal: Uuid,
    /// The identity's name.
    pub(super) name: String,
    pub(super) role: String,
    /// The role's id; none of a custom role.
    pub(super) role_id: Option<Uuid>,
    pub(super) scope: String,
}

/// A custom role for one identity in one vault.
#[derive(Debug)]
pub(super) struct CustomRole {
    pub(super) name: String,
    pub(super) data_actions: BTreeSet<&'static str>,
    pub(super) assignable_scope: String,
}

impl Grants {
    /// The least for everything that was permitted.
    pub(crate) fn of(usage: &Usage, operations: &[&'static Operation]) -> Self {
        let vaults = needs(usage, operations).into_iter().map(|(vault, identities)| {
            let by_roles = usage.is_by_roles(&vault);
            (vault, VaultGrants { by_roles, identities })
        });
        Self { vaults: vaults.collect() }
    }

    /// Whether nothing was used.
    pub(crate) fn is_empty(&self) -> bool {
        self.vaults.is_empty()
    }
}

impl VaultGrants {
    /// The built-in roles of every identity.
    pub(super) fn assignments(&self, vault: &str) -> Vec<Assignment> {
        let of = |(principal, needs): (&Uuid, &Needs)| of_identity(*principal, needs, vault);
        self.identities.iter().flat_map(of).collect()
    }

    /// A custom role for every identity, and its assignment.
    pub(super) fn custom(&self, vault: &str) -> Vec<(CustomRole, Assignment)> {
        let custom = |(principal, needs): (&Uuid, &Needs)| {
            let name = format!("{} in {}", needs.name, vault_name(vault));
            let places: Vec<_> = needs.by_place().into_keys().collect();
            let place = if let [only] = &places[..] { only } else { &Place::Vault };
            let role = CustomRole {
                name: name.clone(),
                data_actions: needs.all_actions(),
                assignable_scope: vault.split("/providers/").next().unwrap_or_default().to_owned(),
            };
            (role, assignment(*principal, needs, name, None, scope(vault, place)))
        };
        self.identities.iter().map(custom).collect()
    }
}

/// Roles at the vault first; at objects what those do not grant.
fn of_identity(principal: Uuid, needs: &Needs, vault: &str) -> Vec<Assignment> {
    let mut by_place = needs.by_place();
    let at_vault = by_place.remove(&Place::Vault).map(|actions| least_roles(&actions)).unwrap_or_default();
    let mut all: Vec<_> = at_vault.iter().map(|role| (*role, Place::Vault)).collect();
    for (place, mut actions) in by_place {
        actions.retain(|action| !any_permits(&at_vault, action));
        all.extend(least_roles(&actions).into_iter().map(|role| (role, place.clone())));
    }
    let made = all
        .into_iter()
        .map(|(role, place)| assignment(principal, needs, role.name.to_string(), Some(role.id), scope(vault, &place)));
    made.collect()
}

fn assignment(principal: Uuid, needs: &Needs, role: String, role_id: Option<Uuid>, scope: String) -> Assignment {
    Assignment { principal, name: needs.name.clone(), role, role_id, scope }
}

fn scope(vault: &str, place: &Place) -> String {
    match place {
        Place::Vault => vault.to_owned(),
        Place::Object(object) => format!("{vault}/{object}"),
    }
}

/// A line for people about something that was refused.
pub(crate) fn refused_line(usage: &Usage, (what, times): (&Use, u64), operations: &[&'static Operation]) -> String {
    let permission = operation_of(operations, what.operation).map(|operation| operation.permission.to_string());
    let object = what.object.as_ref().map(|object| format!("/{object}")).unwrap_or_default();
    let (who, requests) = (usage.name(what.principal), if times == 1 { "request" } else { "requests" });
    format!(
        "asked but refused: {who} {} {}{object} ({times} {requests}), which takes {}",
        what.operation,
        what.vault_name(),
        permission.unwrap_or_default()
    )
}
