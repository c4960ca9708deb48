//! What a factory holds: linked services, datasets, pipelines, data flows, triggers, its managed virtual network, integration runtimes, credentials.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::kind::ChildKind;
use super::runtime::definition;
use crate::factory::{Place, Sealed};
use crate::management::refusal::Refusal;

/// The members of a definition.
pub(crate) type Definition = Map<String, Value>;

/// Secrets of something in a factory, by their places in its definition.
pub(crate) type SealedSecrets = BTreeMap<Place, Sealed>;

/// Something in a factory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    /// Its name, as it was made.
    pub name: String,
    /// Its definition, as it is shown.
    pub properties: Definition,
    /// The secrets that were taken out of it.
    pub secrets: SealedSecrets,
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
    /// The secrets that were taken out of the definition. They are beside it, so that a renewal of the system key needs no vault.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) secrets: SealedSecrets,
    pub(super) etag: Uuid,
}

/// The only name of a managed virtual network.
const NETWORK_NAME: &str = "default";
/// The type of linked service that is a vault.
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
        ChildKind::LinkedService if kind_of == Some(KEY_VAULT) => check_vault(&properties)?,
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
        ChildKind::LinkedService
        | ChildKind::Dataset
        | ChildKind::Pipeline
        | ChildKind::DataFlow
        | ChildKind::Credential => {}
    }
    Ok(properties)
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

/// The resource id of the identity that a credential of the kind `ManagedIdentity` is.
pub(super) fn managed_identity(credential: &Definition) -> Option<&str> {
    let is_one = credential.get("type").is_some_and(|kind| kind == "ManagedIdentity");
    let own = credential.get("typeProperties").filter(|_| is_one)?;
    Some(own["resourceId"].as_str().unwrap_or_default())
}
