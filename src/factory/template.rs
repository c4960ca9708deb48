//! The factory as an ARM template: its settings and linked services, without credentials.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Factory;
use super::credentials::{Place, put_text};
use super::encryption::Encryption;
use super::refusal::Refusal;
use super::state::LinkedService;

/// The API version of the resource provider.
const API_VERSION: &str = "2018-06-01";
/// The schema of templates.
const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

impl Factory {
    /// Exports the factory as an ARM template. `include_encryption` includes the settings of the customer-managed key; the service
    /// asks for it at each export. References to secrets are kept; other credentials become parameters without a value.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn export_template(&self, include_encryption: bool) -> Result<Value, Refusal> {
        let state = self.dir.load()?;
        let mut parameters = Map::new();
        parameters.insert("factoryName".to_owned(), json!({"type": "string", "defaultValue": state.name}));
        let mut resources = vec![factory(state.encryption.as_ref(), include_encryption)];
        if state.managed_virtual_network {
            resources.push(child_resource("managedVirtualNetworks", "default", json!({})));
        }
        for (name, service) in &state.linked_services {
            resources.push(linked_service(name, service, &mut parameters)?);
        }
        Ok(json!({
            "$schema": SCHEMA,
            "contentVersion": "1.0.0.0",
            "parameters": parameters,
            "resources": resources,
        }))
    }
}

fn factory(encryption: Option<&Encryption>, include_encryption: bool) -> Value {
    let mut properties = json!({"publicNetworkAccess": "Enabled"});
    if let Some(encryption) = encryption.filter(|_| include_encryption) {
        properties["encryption"] = settings(encryption);
    }
    json!({
        "type": "Microsoft.DataFactory/factories",
        "apiVersion": API_VERSION,
        "name": "[parameters('factoryName')]",
        "location": "[resourceGroup().location]",
        "identity": identity(encryption),
        "properties": properties,
    })
}

/// `properties.encryption`. An empty version means the latest, as the service writes it.
fn settings(encryption: &Encryption) -> Value {
    let key = &encryption.key;
    let mut settings = json!({
        "vaultBaseUrl": key.vault_base_url,
        "keyName": key.key_name,
        "keyVersion": key.key_version.as_deref().unwrap_or_default(),
    });
    if let Some(identity) = &encryption.identity {
        settings["identity"] = json!({"userAssignedIdentity": identity});
    }
    settings
}

fn identity(encryption: Option<&Encryption>) -> Value {
    match encryption.and_then(|encryption| encryption.identity.as_ref()) {
        Some(identity) => json!({"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}),
        None => json!({"type": "SystemAssigned"}),
    }
}

fn child_resource(kind: &str, name: &str, properties: Value) -> Value {
    json!({
        "type": format!("Microsoft.DataFactory/factories/{kind}"),
        "apiVersion": API_VERSION,
        "name": format!("[concat(parameters('factoryName'), '/{name}')]"),
        "properties": properties,
        "dependsOn": ["[resourceId('Microsoft.DataFactory/factories', parameters('factoryName'))]"],
    })
}

fn linked_service(name: &str, service: &LinkedService, parameters: &mut Map<String, Value>) -> Result<Value, Refusal> {
    let mut properties = service.properties.clone();
    escape(&mut properties);
    // A reference to what this factory keeps leads nowhere in another one.
    if let Some(Value::Object(own)) = properties.get_mut("typeProperties").filter(|_| !service.sealed.is_empty()) {
        own.remove("encryptedCredential");
    }
    let pointers: BTreeSet<&str> = service.sealed.keys().map(Place::pointer).collect();
    for pointer in pointers {
        let parameter = parameter_name(name, pointer, parameters);
        put_text(&mut properties, pointer, &format!("[parameters('{parameter}')]"));
        parameters.insert(parameter, json!({"type": "secureString"}));
    }
    let mut resource = child_resource("linkedServices", name, properties);
    if let Some(needs) = resource["dependsOn"].as_array_mut() {
        let mut stores: Vec<_> = service.references()?.into_iter().map(|(_, reference)| reference.store).collect();
        stores.sort();
        stores.dedup();
        needs.extend(stores.iter().map(|store| json!(resource_id(store))));
    }
    Ok(resource)
}

/// A unique name for a credential's parameter: `NAME_property`, as the service writes it.
fn parameter_name(name: &str, pointer: &str, parameters: &Map<String, Value>) -> String {
    let pointer = pointer.strip_prefix("/typeProperties").unwrap_or(pointer);
    let mut parameter: String = format!("{name}{pointer}").chars().map(|c| if c == '/' { '_' } else { c }).collect();
    while parameters.contains_key(&parameter) {
        parameter.push('_');
    }
    parameter
}

fn resource_id(linked_service: &str) -> String {
    format!(
        "[resourceId('Microsoft.DataFactory/factories/linkedServices', parameters('factoryName'), '{linked_service}')]"
    )
}

/// Escapes text that begins with a bracket, which ARM would read as an expression, by a second bracket.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with('[') => text.insert(0, '['),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(members) => members.values_mut().for_each(escape),
        _ => {}
    }
}
