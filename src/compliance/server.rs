//! The vaults, objects and factories of a running server, as its admin API describes them.

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

/// A factory and its linked services; what cannot be read of it is one of them.
pub(crate) fn factory(shown: &Value) -> Vec<Resource> {
    let name = name_of(shown);
    let mut facts = arm::factory(&shown["properties"]);
    facts.private_endpoints = Fact::Known(shown["privateEndpoints"].as_array().map_or(0, Vec::len));
    let missing: Vec<_> =
        shown["unreadableVaults"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if facts.customer_key == Fact::Known(true) && !missing.is_empty() {
        let why =
            format!("its linked services refer to secrets in {}, which its identity cannot read", missing.join(", "));
        facts.missing_role = Fact::Known(why);
    }
    let mut all = vec![resource(name.to_owned(), Facts::Factory(Box::new(facts)))];
    if let Some(why) = shown["unreadable"].as_str() {
        all.push(resource(format!("{name}/linkedservices"), Facts::Unread(format!("its key is away: {why}"))));
    }
    all.extend(shown["linkedServices"].as_array().into_iter().flatten().map(|service| {
        let facts = arm::linked_service(&service["properties"]);
        resource(format!("{name}/linkedservices/{}", name_of(service)), Facts::LinkedService(Box::new(facts)))
    }));
    all
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
