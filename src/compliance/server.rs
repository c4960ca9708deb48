//! The vaults and objects of a running server, as its admin API describes them.

use serde_json::Value;

use super::arm;
use super::facts::{Dates, Fact, Facts, KeyFacts, Resource, SecretFacts, VaultFacts};
use super::tree::{flag, moment, number, text, texts};

/// A vault.
pub(crate) fn vault(vault: &Value) -> Resource {
    let endpoints = vault["privateEndpoints"].as_array().map_or(0, Vec::len);
    let facts = VaultFacts {
        api_version: Fact::Unset,
        create_mode: Fact::Unset,
        soft_delete: flag(vault, &["enableSoftDelete"]),
        purge_protection: flag(vault, &["enablePurgeProtection"]),
        roles: flag(vault, &["enableRbacAuthorization"]),
        public_access: text(vault, &["publicNetworkAccess"]),
        default_action: text(vault, &["networkAcls", "defaultAction"]),
        ip_rules: texts(vault, &["networkAcls", "ipRules"], |rule| text(rule, &[])),
        private_endpoints: Fact::Known(endpoints),
        logs: Fact::Unset,
    };
    resource(name_of(vault).to_owned(), Facts::Vault(Box::new(facts)))
}

/// A key of `vault`.
pub(crate) fn key(vault: &Value, key: &Value) -> Resource {
    let facts = KeyFacts {
        kty: text(key, &["kty"]),
        size: number(key, &["key_size"]),
        curve: text(key, &["crv"]),
        dates: dates(key),
        rotates: moment(key, &["rotates"]),
    };
    resource(format!("{}/keys/{}", name_of(vault), name_of(key)), Facts::Key(Box::new(facts)))
}

/// A secret of `vault`, without its value.
pub(crate) fn secret(vault: &Value, secret: &Value) -> Resource {
    let facts = SecretFacts { content_type: text(secret, &["contentType"]), dates: dates(secret) };
    resource(format!("{}/secrets/{}", name_of(vault), name_of(secret)), Facts::Secret(facts))
}

fn resource(name: String, facts: Facts) -> Resource {
    Resource { name, pointer: None, is_azurerm: false, facts }
}

fn name_of(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

fn dates(object: &Value) -> Dates {
    arm::dates(object, moment(object, &["attributes", "created"]))
}
