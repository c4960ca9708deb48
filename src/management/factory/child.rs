//! What a factory holds: linked services, datasets, pipelines, data flows, triggers, its managed virtual network, integration runtimes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::kind::ChildKind;
use super::runtime::definition;
use crate::management::refusal::Refusal;

/// The members of a definition.
pub(crate) type Definition = Map<String, Value>;

/// Something in a factory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    /// Its name, as it was made.
    pub name: String,
    /// Its definition.
    pub properties: Definition,
    /// Changes with every change.
    pub etag: Uuid,
}

/// What is recorded of it. Under a customer's key the record shows name and etag alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChildRecord {
    pub(super) name: String,
    /// The definition, where no customer's key is in use.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) properties: Definition,
    /// The definition under the factory's data key, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    pub(super) etag: Uuid,
}

/// The only name of a managed virtual network.
const NETWORK_NAME: &str = "default";
/// The one type of linked service that holds no credential.
const KEY_VAULT: &str = "AzureKeyVault";

/// `properties` of what is called `name`, with the members that the service adds; `existing` is what it replaces.
pub(super) fn defining(
    (kind, name): (ChildKind, &str),
    mut properties: Definition,
    existing: Option<&Child>,
    network_id: Uuid,
) -> Result<Definition, Refusal> {
    let kind_of = properties.get("type").and_then(Value::as_str);
    if kind.has_type() && kind_of.is_none_or(str::is_empty) {
        return Err(Refusal::Definition("the definition has no properties.type".to_owned()));
    }
    let kept = |member: &str| existing.and_then(|child| child.properties.get(member)).cloned();
    match kind {
        ChildKind::LinkedService if kind_of != Some(KEY_VAULT) => {
            return Err(Refusal::LinkedServiceType(kind_of.unwrap_or_default().to_owned()));
        }
        ChildKind::LinkedService => check_vault(&properties)?,
        ChildKind::Trigger => {
            properties.insert("runtimeState".to_owned(), kept("runtimeState").unwrap_or_else(|| "Stopped".into()));
        }
        ChildKind::ManagedVirtualNetwork if !name.eq_ignore_ascii_case(NETWORK_NAME) => {
            return Err(Refusal::NetworkName);
        }
        ChildKind::ManagedVirtualNetwork => {
            let id = kept("vNetId").unwrap_or_else(|| network_id.to_string().into());
            properties.insert("vNetId".to_owned(), id);
        }
        ChildKind::IntegrationRuntime => {
            definition::check(&properties, existing.map(|child| &child.properties)).map_err(Refusal::Runtime)?;
        }
        ChildKind::Dataset | ChildKind::Pipeline | ChildKind::DataFlow => {}
    }
    match secret_in(&Value::Object(properties.clone())) {
        Some(member) => Err(Refusal::SecretInDefinition(member)),
        None => Ok(properties),
    }
}

/// Refuses a linked service of a vault that names none.
fn check_vault(properties: &Definition) -> Result<(), Refusal> {
    let url = properties.get("typeProperties").and_then(|own| own.get("baseUrl"));
    match url {
        Some(Value::String(url)) if !url.is_empty() => Ok(()),
        // An expression.
        Some(Value::Object(_)) => Ok(()),
        _ => Err(Refusal::Definition("the definition has no properties.typeProperties.baseUrl".to_owned())),
    }
}

/// The member that holds a secret in the open or a credential of the service.
fn secret_in(value: &Value) -> Option<String> {
    match value {
        Value::Array(all) => all.iter().find_map(secret_in),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let is_credential = name.eq_ignore_ascii_case("encryptedCredential") && !value.is_null();
            (is_credential || is_secure_string(value)).then(|| name.clone()).or_else(|| secret_in(value))
        }),
        _ => None,
    }
}

/// Whether it is `{"type": "SecureString", "value": …}`, and no declaration of a parameter.
fn is_secure_string(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str);
    let holds = value.get("value").or_else(|| value.get("defaultValue")).is_some();
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("SecureString")) && holds
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_in_the_open_is_found_wherever_it_is() {
        for (value, expected) in [
            (json!({"a": {"type": "SecureString", "value": "x"}}), Some("a")),
            (json!({"a": [{"b": {"type": "securestring", "value": ""}}]}), Some("b")),
            (json!({"a": {"type": "SecureString"}}), None),
            (json!({"a": {"type": "SecureString", "defaultValue": "x"}}), Some("a")),
            (json!({"typeProperties": {"encryptedCredential": "x"}}), Some("encryptedCredential")),
            (json!({"a": {"type": "AzureKeyVaultSecret", "secretName": "s"}}), None),
        ] {
            assert_eq!(secret_in(&value).as_deref(), expected, "{value}");
        }
    }
}
