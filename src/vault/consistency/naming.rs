//! Records in words that a person understands.

use serde::Deserialize;
use uuid::Uuid;

use super::super::store_key::{ObjectKey, StoreKey, Table};
use super::super::{Kind, Vault, VaultName};
use super::ConsistencyCheck;
use super::orphans::object_in_words;

/// An entry of the index of what falls due, as far as it names its vault.
#[derive(Deserialize)]
struct NamesVault {
    vault: VaultName,
}

impl ConsistencyCheck {
    /// What the record at `key` is: `version 6a… of secret 'DB' in vault 'acme'`. A key that says nothing is given as it is.
    pub(crate) fn describe(&self, key: &str) -> String {
        let described = match StoreKey::parse(key) {
            Some(key) => self.describe_key(&key),
            None => of_other_rooms(key),
        };
        described.unwrap_or_else(|| format!("the record {key}"))
    }

    fn describe_key(&self, key: &StoreKey<'_>) -> Option<String> {
        match key {
            StoreKey::Vault(name) => Some(format!("vault '{name}'")),
            StoreKey::Alias(host) => Some(format!("host name '{host}'")),
            StoreKey::Event(number) => Some(format!("event {number}")),
            StoreKey::Configured { vault, object: None } => {
                Some(format!("the note that a configuration made vault '{vault}'"))
            }
            StoreKey::Configured { vault, object: Some((kind, name)) } => {
                Some(format!("the note that a configuration made {} '{name}' in vault '{vault}'", kind.singular()))
            }
            StoreKey::Object(object) => self.describe_object(object),
            StoreKey::Due { layer, object: Some((kind, name)), action, .. } => {
                Some(format!("'{action}' of {}", self.object_in_vault(*layer, *kind, name)))
            }
            StoreKey::Due { layer, object: None, action, .. } => {
                self.vault_of(*layer).map(|name| format!("'{action}' of vault '{name}'"))
            }
            StoreKey::FrozenLayer(_) | StoreKey::UnsweptLayers | StoreKey::Sweep(_) | StoreKey::Whiteout(_) => None,
        }
    }

    fn describe_object(&self, key: &ObjectKey<'_>) -> Option<String> {
        let (object, version) = (self.object_in_vault(key.layer, key.kind, key.name), key.version.unwrap_or_default());
        match key.table {
            Table::Object => Some(object),
            Table::Deleted => Some(format!("deleted {object}")),
            Table::Version => Some(format!("version {version} of {object}")),
            Table::Material => Some(format!("the secret part of version {version} of {object}")),
            Table::Policy => Some(format!("the rotation policy of {object}")),
            Table::Schedule => Some(format!("the schedule of {object}")),
            _ => None,
        }
    }

    fn object_in_vault(&self, layer: Uuid, kind: Kind, name: &str) -> String {
        let object = object_in_words(&ObjectKey { table: Table::Object, layer, kind, name, version: None });
        match self.vault_of(layer) {
            Some(vault) => format!("{object} in vault '{vault}'"),
            None => format!("{object} in a vault that is not known"),
        }
    }

    /// The vault that reads `layer`, else the one that something falls due in.
    pub(super) fn vault_of(&self, layer: Uuid) -> Option<VaultName> {
        let vaults = self.table(Table::Vault).filter_map(|(key, _)| self.read::<Vault>(key).ok().flatten());
        let mut readers = vaults.filter(|vault| vault.layer() == layer || vault.below.contains(&layer));
        readers.next().map(|vault| vault.name).or_else(|| {
            let is_of_layer = |key: &str| StoreKey::parse(key).and_then(|key| key.layer()) == Some(layer);
            let mut due = self.table(Table::Due).filter(|(key, _)| is_of_layer(key));
            due.find_map(|(key, _)| self.read::<NamesVault>(key).ok().flatten()).map(|due| due.vault)
        })
    }
}

/// The records of other rooms, in words.
fn of_other_rooms(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('/').collect();
    match parts[..] {
        ["identity", id] => Some(format!("identity {id}")),
        ["removed", id] => Some(format!("the mark of an identity that was removed, {id}")),
        ["authorization"] => Some("the role assignments".to_owned()),
        ["networks"] => Some("the virtual networks, perimeters and private endpoints".to_owned()),
        ["group" | "group-contents", _, name] => Some(format!("resource group '{name}'")),
        ["groups", subscription] => Some(format!("that a group was made in subscription {subscription}")),
        ["factory" | "factory-contents", _, group, name] => {
            Some(format!("factory '{name}' in resource group '{group}'"))
        }
        ["factory-system-keys", _, group, name] => {
            Some(format!("the system keys of factory '{name}' in resource group '{group}'"))
        }
        ["factory-name", name] => Some(format!("the name of factory '{name}'")),
        ["factory-run", _, _, factory, run] => Some(format!("the run {run} in factory '{factory}'")),
        ["factory-activity", _, _, factory, run, activity] => {
            Some(format!("the activity {activity} of the run {run} in factory '{factory}'"))
        }
        ["factory-child", _, _, factory, kind, name] => {
            Some(format!("'{name}' among the {kind} of factory '{factory}'"))
        }
        ["runtime" | "runtime-keys", _, _, factory, name] => {
            Some(format!("integration runtime '{name}' of factory '{factory}'"))
        }
        ["factory-connection", _, _, factory, name] => {
            Some(format!("private endpoint connection '{name}' of factory '{factory}'"))
        }
        ["managed-endpoint", _, _, factory, name] => {
            Some(format!("managed private endpoint '{name}' of factory '{factory}'"))
        }
        ["tenant"] => Some("the tenant of the data".to_owned()),
        ["issuer", _] => Some("the key that signs tokens".to_owned()),
        ["hook" | "handled", ..] => Some("what is kept of a webhook".to_owned()),
        ["clock", _] => Some("the time of the vault clock".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_configuration_made_has_words() {
        let check = ConsistencyCheck::default();
        let note = "the note that a configuration made";
        assert_eq!(check.describe("configured/acme"), format!("{note} vault 'acme'"));
        assert_eq!(check.describe("configured/acme/secrets/DB"), format!("{note} secret 'DB' in vault 'acme'"));
    }
}
