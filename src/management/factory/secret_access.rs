//! Which vaults a factory refers to and cannot read: its own identity lacks the permission. A credential of a vault's linked service is
//! another identity's, and is not looked at.

use std::collections::BTreeSet;

use serde_json::Value;

use super::child::Child;
use super::{Factory, Management};
use crate::access::roles::{Action, Attempt, RoleDecision};
use crate::clock::Timestamp;
use crate::management::refusal::Refusal;
use crate::vault::{Vault, VaultName};

const REFERENCE: &str = "AzureKeyVaultSecret";
const KEY_VAULT: &str = "AzureKeyVault";
/// What reading a secret takes in a vault in which roles decide.
const READS: &str = "Microsoft.KeyVault/vaults/secrets/getSecret/action";

impl Management {
    /// The names of vaults here that the linked services `services` of `factory` refer to, and whose secrets its own identity may not
    /// read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn unreadable_vaults(
        &self,
        factory: &Factory,
        services: &[Child],
        now: Timestamp,
    ) -> Result<Vec<String>, Refusal> {
        let mut unreadable = Vec::new();
        for name in vaults_of(services) {
            if let Some(vault) = self.vaults.find(&name).await?
                && !self.may_read(factory, &vault, now).await?
            {
                unreadable.push(name.to_string());
            }
        }
        Ok(unreadable)
    }

    async fn may_read(&self, factory: &Factory, vault: &Vault, now: Timestamp) -> Result<bool, Refusal> {
        let Some(own) = factory.own_identity() else { return Ok(false) };
        let who = self.identity_of(own).await?;
        if !vault.role_based {
            let grants =
                |one: &crate::access::AccessPolicy| one.applies_to(&who) && one.permissions.grants("secrets", "get");
            return Ok(vault.access_policies.iter().any(grants));
        }
        let scope = vault.scope(self.directory.tenant().subscription);
        let attempt = Attempt { who: &who, action: Action::Data(READS), resource: &scope, now: now.unix() };
        let access = self.authorization.current().await?.access;
        Ok(matches!(access.decide(attempt), RoleDecision::Allowed { .. }))
    }
}

/// The vaults that references to secrets lead to, through linked services without a credential of their own.
fn vaults_of(services: &[Child]) -> BTreeSet<VaultName> {
    let mut stores = BTreeSet::new();
    services.iter().for_each(|service| service.properties.values().for_each(|value| collect(value, &mut stores)));
    let is_store = |service: &&Child| {
        let is_vault = service.properties.get("type").and_then(Value::as_str) == Some(KEY_VAULT);
        is_vault && stores.contains(&service.name.to_lowercase())
    };
    services.iter().filter(is_store).filter_map(vault_of).collect()
}

fn vault_of(service: &Child) -> Option<VaultName> {
    let own = service.properties.get("typeProperties")?;
    if !own["credential"].is_null() {
        return None;
    }
    let host = own["baseUrl"].as_str()?.strip_prefix("https://")?;
    VaultName::parse(host.split('.').next()?)
}

/// Adds the names of the linked services, in lower case, that references to secrets within `value` lead to.
fn collect(value: &Value, stores: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|one| collect(one, stores)),
        Value::Object(members) => {
            if value["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(REFERENCE)) {
                stores.extend(value["store"]["referenceName"].as_str().map(str::to_lowercase));
            }
            members.values().for_each(|one| collect(one, stores));
        }
        _ => {}
    }
}
