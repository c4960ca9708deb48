//! Single configuration entries (a vault, an identity) as the admin API reads and writes them.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Identities;
use super::authorization::{self, AssignmentEntry, Principals};
use super::error::{ConfigError, invalid};
use super::identity::{CertificateFiles, IdentityEntry};
use super::json::read;
use super::vault::VaultEntry;
use crate::access::roles::{RoleAssignment, RoleDefinition};
use crate::directory::{IdentityRecord, Tenant};
use crate::management::DescribedFactory;
use crate::vault::{InitialVault, Vault, VaultName};

/// Parses `given`, an entry of the file's `vaults`, as the vault `name`. Members that are left out keep the value of the
/// `existing` vault, if there is one.
///
/// # Errors
/// The first invalid member, with its path.
pub(crate) fn vault(
    name: &VaultName,
    existing: Option<&Vault>,
    given: &[u8],
    context: ParseContext<'_>,
) -> Result<WantedVault, ConfigError> {
    let given: Map<String, Value> = if given.trim_ascii().is_empty() { Map::new() } else { read(given)? };
    let named = given.get("name").and_then(Value::as_str);
    if named.is_some_and(|named| !named.eq_ignore_ascii_case(name.as_str())) {
        return Err(invalid("name", format!("must be '{name}', as in the path")));
    }
    let mut members = match existing {
        Some(vault) => of_vault(vault),
        None => Map::new(),
    };
    members.insert("name".to_owned(), name.as_str().into());
    members.extend(given);
    let bytes = zeroize::Zeroizing::new(Value::Object(members).to_string());
    let mut entry: VaultEntry = read(bytes.as_bytes())?;
    let ParseContext { tenant, identities, roles } = context;
    let assignments = entry.role_assignments.take();
    let vault = entry.initial("", tenant.id, identities)?.placed(tenant.subscription, None, None);
    let principals = Principals { tenant, identities: identities.all };
    let assignments = assignments.map(|given| authorization::of_vault(given, &vault, principals, roles)).transpose()?;
    Ok(WantedVault { vault, assignments })
}

/// A vault as it is wanted, and who is to have which role in it.
#[derive(Debug)]
pub(crate) struct WantedVault {
    /// The vault.
    pub vault: InitialVault,
    /// The only role assignments at it and below; none: those that there are stay.
    pub assignments: Option<Vec<RoleAssignment>>,
}

/// What the entries of a vault are read with.
#[derive(Clone, Copy)]
pub(crate) struct ParseContext<'a> {
    /// The tenant.
    pub tenant: Tenant,
    /// The identities.
    pub identities: Identities<'a>,
    /// The custom roles.
    pub roles: &'a [RoleDefinition],
}

/// Parses `given`, an entry of the file's `roleAssignments`, as the one called `name`.
///
/// # Errors
/// The first invalid member, with its path.
pub(crate) fn role_assignment(
    name: Uuid,
    mut given: Map<String, Value>,
    tenant: Tenant,
    identities: &[IdentityRecord],
    roles: &[RoleDefinition],
) -> Result<RoleAssignment, ConfigError> {
    given.entry("name").or_insert_with(|| name.to_string().into());
    let entry: AssignmentEntry = read(Value::Object(given).to_string().as_bytes())?;
    let assignment = authorization::of_top(entry, Principals { tenant, identities }, roles)?;
    match assignment.id == name {
        true => Ok(RoleAssignment { configured: false, ..assignment }),
        false => Err(invalid("name", format!("must be '{name}', as in the path"))),
    }
}

/// Parses `given` as the vault `name` that copies `source`. Members that are left out are as in the source, except aliases:
/// a host name belongs to one vault.
///
/// # Errors
/// The first invalid member, with its path.
pub(crate) fn copy(
    name: &VaultName,
    source: &Vault,
    given: &[u8],
    context: ParseContext<'_>,
) -> Result<WantedVault, ConfigError> {
    let mut template = source.clone();
    template.aliases.clear();
    vault(name, Some(&template), given, context)
}

/// The vault's settings as an entry of the file's `vaults`, without its keys and secrets.
pub(crate) fn of_vault(vault: &Vault) -> Map<String, Value> {
    let mut entry = json!({
        "name": vault.name,
        "aliases": vault.aliases,
        "sku": vault.sku,
        "enableSoftDelete": vault.soft_delete,
        "softDeleteRetentionInDays": vault.retention_days,
        "enablePurgeProtection": vault.purge_protection,
        "deletionDelay": format!("PT{}S", vault.deletion_delay),
        "accessPolicies": vault.access_policies,
        "enableRbacAuthorization": vault.role_based,
        "publicNetworkAccess": vault.network.public_access,
        "networkAcls": vault.network.acls,
        "privateEndpoints": vault.network.private_endpoints,
        "resourceGroup": vault.resource.resource_group,
        "location": vault.resource.location,
    });
    if let (Some(subscription), Value::Object(members)) = (vault.resource.subscription, &mut entry) {
        members.insert("subscriptionId".to_owned(), subscription.to_string().into());
    }
    match entry {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The factory as an entry of the file's `factories`.
pub(crate) fn of_factory(described: &DescribedFactory) -> Map<String, Value> {
    let approved = described.connections.iter().filter(|connection| connection.is_approved());
    let endpoints: Vec<_> = approved.map(|connection| connection.private_endpoint()).collect();
    let entry = json!({
        "name": described.factory.name,
        "subscriptionId": described.id.group().subscription(),
        "resourceGroup": described.factory.group,
        "location": described.factory.location,
        "publicNetworkAccess": if described.factory.is_private() { "Disabled" } else { "Enabled" },
        "privateEndpoints": endpoints,
    });
    match entry {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Parses `given`, an entry of the file's `identities`. `order` is its position among the existing ones.
///
/// # Errors
/// The first invalid member, with its path.
pub(crate) fn identity(given: &[u8], tenant: Tenant, order: usize) -> Result<IdentityRecord, ConfigError> {
    let entry: IdentityEntry = read(given)?;
    entry.record("", tenant, order, CertificateFiles::Reject)
}
