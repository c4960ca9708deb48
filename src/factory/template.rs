//! The factory as an ARM template: its settings and what is in it, without credentials.

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
/// What the names of parameters of the factory itself begin with, as the service writes them.
const OF_FACTORY: &str = "dataFactory";
/// What is shown of a secure string.
const MASK: &str = "**********";

/// A template while it is made.
#[derive(Debug)]
pub(crate) struct Template {
    parameters: Map<String, Value>,
    resources: Vec<Value>,
    warning: Option<&'static str>,
}

impl Template {
    /// The template of a factory with this name, which is a parameter.
    pub(crate) fn of(name: &str) -> Self {
        let mut parameters = Map::new();
        parameters.insert("factoryName".to_owned(), json!({"type": "string", "defaultValue": name}));
        Self { parameters, resources: vec![], warning: None }
    }

    /// Adds the factory itself.
    pub(crate) fn add_factory(&mut self, identity: Value, properties: Value) {
        let mut factory = json!({
            "type": "Microsoft.DataFactory/factories",
            "apiVersion": API_VERSION,
            "name": "[parameters('factoryName')]",
            "location": "[resourceGroup().location]",
            "identity": identity,
            "properties": properties,
        });
        if let Value::Object(members) = &mut factory {
            members.retain(|_, value| !value.is_null());
        }
        self.resources.push(factory);
    }

    /// Adds what is in the factory: a kind's segment and a name. What is at one of the pointers `credentials` becomes a parameter without a
    /// value; `needs` are other things in the factory that it refers to.
    pub(crate) fn add_child<'n>(
        &mut self,
        (kind, name): (&str, &str),
        mut properties: Value,
        credentials: impl IntoIterator<Item = &'n str>,
        needs: impl IntoIterator<Item = (&'n str, String)>,
    ) {
        escape(&mut properties);
        for pointer in credentials {
            let parameter = parameter_name(name, pointer, &self.parameters);
            put_text(&mut properties, pointer, &format!("[parameters('{}')]", quoted(&parameter)));
            self.parameters.insert(parameter, json!({"type": "secureString"}));
        }
        let mut depends_on =
            vec!["[resourceId('Microsoft.DataFactory/factories', parameters('factoryName'))]".to_owned()];
        depends_on.extend(needs.into_iter().map(|(kind, name)| resource_id(kind, &name)));
        self.resources.push(json!({
            "type": format!("Microsoft.DataFactory/factories/{kind}"),
            "apiVersion": API_VERSION,
            "name": format!("[concat(parameters('factoryName'), '/{}')]", quoted(name)),
            "properties": properties,
            "dependsOn": depends_on,
        }));
    }

    /// `settings` of the factory with a parameter in the place of each text, whose default it is.
    pub(crate) fn parameters_of(&mut self, path: &str, settings: &Value) -> Value {
        match settings {
            Value::Object(members) => {
                let made = |(name, value): (&String, &Value)| {
                    (name.clone(), self.parameters_of(&format!("{path}_{name}"), value))
                };
                members.iter().map(made).collect()
            }
            Value::String(text) => {
                let name = format!("{OF_FACTORY}_{path}");
                let parameter = json!(format!("[parameters('{name}')]"));
                self.parameters.insert(name, json!({"type": "string", "defaultValue": text}));
                parameter
            }
            other => other.clone(),
        }
    }

    /// Says something to those who read or deploy the template.
    pub(crate) const fn warn(&mut self, warning: &'static str) {
        self.warning = Some(warning);
    }

    /// The template as JSON.
    pub(crate) fn document(self) -> Value {
        let mut document = json!({
            "$schema": SCHEMA,
            "contentVersion": "1.0.0.0",
            "parameters": self.parameters,
            "resources": self.resources,
        });
        if let Some(warning) = self.warning {
            document["metadata"] = json!({"comments": warning});
        }
        document
    }
}

/// Whether it is a secure string whose value is not shown.
pub(crate) fn is_masked(value: &Value) -> bool {
    let is_secure = value["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("SecureString"));
    is_secure && value["value"] == MASK
}

impl Factory {
    /// Exports the factory as an ARM template. `include_encryption` includes the settings of the customer-managed key; the service
    /// asks for it at each export. References to secrets are kept; other credentials become parameters without a value.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn export_template(&self, include_encryption: bool) -> Result<Value, Refusal> {
        let state = self.dir.load()?;
        let mut template = Template::of(&state.name);
        let mut properties = json!({"publicNetworkAccess": "Enabled"});
        if let Some(encryption) = state.encryption.as_ref().filter(|_| include_encryption) {
            properties["encryption"] = settings(encryption);
        }
        template.add_factory(identity(state.encryption.as_ref()), properties);
        if state.managed_virtual_network {
            template.add_child(("managedVirtualNetworks", "default"), json!({}), [], []);
        }
        for (name, service) in &state.linked_services {
            add_linked_service(&mut template, name, service)?;
        }
        Ok(template.document())
    }
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

fn add_linked_service(template: &mut Template, name: &str, service: &LinkedService) -> Result<(), Refusal> {
    let mut properties = service.properties.clone();
    // A reference to what this factory keeps leads nowhere in another one.
    if let Some(Value::Object(own)) = properties.get_mut("typeProperties").filter(|_| !service.sealed.is_empty()) {
        own.remove("encryptedCredential");
    }
    let pointers: BTreeSet<&str> = service.sealed.keys().map(Place::pointer).collect();
    let stores: BTreeSet<_> = service.references()?.into_iter().map(|(_, reference)| reference.store).collect();
    let needs = stores.into_iter().map(|store| ("linkedServices", store));
    template.add_child(("linkedServices", name), properties, pointers, needs);
    Ok(())
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

fn resource_id(kind: &str, name: &str) -> String {
    format!("[resourceId('Microsoft.DataFactory/factories/{kind}', parameters('factoryName'), '{}')]", quoted(name))
}

/// A text within the quotes of an expression.
fn quoted(text: &str) -> String {
    text.replace('\'', "''")
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
