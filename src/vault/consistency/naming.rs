//! Records in words that a person understands.

use serde::Deserialize;

use super::super::{Kind, Vault, VaultName};
use super::ConsistencyCheck;

/// An entry of what falls due, as far as it names its vault.
#[derive(Deserialize)]
struct NamesVault {
    vault: VaultName,
}

impl ConsistencyCheck {
    /// What the record at `key` is: `version 6a… of secret 'DB' in vault 'acme'`. A key that says nothing is given as it is.
    pub fn describe(&self, key: &str) -> String {
        let parts: Vec<&str> = key.split('/').collect();
        let object = |layer, collection, name| self.named(layer, collection, name);
        let described = match parts[..] {
            ["vault", name] => Some(format!("vault '{name}'")),
            ["alias", host] => Some(format!("host name '{host}'")),
            ["identity", id] => Some(format!("identity {id}")),
            ["issuer", _] => Some("the key that signs tokens".to_owned()),
            ["event", number] => Some(format!("event {number}")),
            ["hook" | "told", ..] => Some("what is kept of a webhook".to_owned()),
            ["clock", _] => Some("the time of the vault clock".to_owned()),
            ["object", layer, collection, name] => object(layer, collection, name),
            ["deleted", layer, collection, name] => {
                object(layer, collection, name).map(|object| format!("deleted {object}"))
            }
            ["version", layer, collection, name, version] => {
                object(layer, collection, name).map(|object| format!("version {version} of {object}"))
            }
            ["material", layer, collection, name, version] => object(layer, collection, name)
                .map(|object| format!("the secret part of version {version} of {object}")),
            ["rotation", layer, collection, name] => {
                object(layer, collection, name).map(|object| format!("the rotation policy of {object}"))
            }
            ["schedule", layer, collection, name] => {
                object(layer, collection, name).map(|object| format!("the schedule of {object}"))
            }
            ["due", _, layer, collection, name, what] => {
                object(layer, collection, name).map(|object| format!("'{what}' of {object}"))
            }
            _ => None,
        };
        described.unwrap_or_else(|| format!("the record {key}"))
    }

    fn named(&self, layer: &str, collection: &str, name: &str) -> Option<String> {
        let kind = kind(collection)?;
        Some(match self.vault_of(layer) {
            Some(vault) => format!("{kind} '{name}' in vault '{vault}'"),
            None => format!("{kind} '{name}' in a vault that is not known"),
        })
    }

    /// The object that the rest of a key is about, behind its layer: `secret 'DB'`.
    pub(super) fn object_of(&self, rest: &str) -> Option<String> {
        let parts: Vec<&str> = rest.split('/').collect();
        let ([collection, name] | [collection, name, _]) = parts[..] else { return None };
        Some(format!("{} '{name}'", kind(collection)?))
    }

    /// The vault that reads `layer`, else the one that something falls due in.
    pub(super) fn vault_of(&self, layer: &str) -> Option<VaultName> {
        let is = |id: uuid::Uuid| id.simple().to_string() == layer;
        let vaults = self.below("vault/").filter_map(|(key, _)| self.read::<Vault>(key).ok().flatten());
        let mut readers = vaults.filter(|vault| is(vault.layer()) || vault.below.iter().copied().any(is));
        readers.next().map(|vault| vault.name).or_else(|| {
            let mut due = self.below("due/").filter(|(key, _)| key.split('/').nth(2) == Some(layer));
            due.find_map(|(key, _)| self.read::<NamesVault>(key).ok().flatten()).map(|due| due.vault)
        })
    }
}

fn kind(collection: &str) -> Option<&'static str> {
    let is = |kind: Kind| kind.collection() == collection;
    [(Kind::Key, "key"), (Kind::Secret, "secret")].into_iter().find(|(kind, _)| is(*kind)).map(|(_, word)| word)
}
