//! Single configuration entries (a vault, an identity) as the admin API reads and writes them.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Identities;
use super::error::{ConfigError, invalid};
use super::identity::{CertificateFiles, IdentityEntry};
use super::json::read;
use super::vault::VaultEntry;
use crate::directory::{IdentityRecord, Tenant};
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
    tenant: Uuid,
    identities: Identities<'_>,
) -> Result<InitialVault, ConfigError> {
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
    let entry: VaultEntry = read(bytes.as_bytes())?;
    entry.initial("", tenant, identities)
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
    tenant: Uuid,
    identities: Identities<'_>,
) -> Result<InitialVault, ConfigError> {
    let mut template = source.clone();
    template.aliases.clear();
    vault(name, Some(&template), given, tenant, identities)
}

/// The vault's settings as an entry of the file's `vaults`, without its keys and secrets.
pub(crate) fn of_vault(vault: &Vault) -> Map<String, Value> {
    let entry = json!({
        "name": vault.name,
        "aliases": vault.aliases,
        "sku": vault.sku,
        "enableSoftDelete": vault.soft_delete,
        "softDeleteRetentionInDays": vault.retention_days,
        "enablePurgeProtection": vault.purge_protection,
        "deletionDelay": format!("PT{}S", vault.deletion_delay),
        "accessPolicies": vault.access_policies,
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
