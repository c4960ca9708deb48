//! A factory as an ARM template, as the service exports one: without credentials, and without the settings of a customer-managed key unless
//! they are asked for.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::child::{Child, Definition};
use super::id::FactoryId;
use super::kind::ChildKind;
use super::references::{Reference, references};
use super::{Factory, Management};
use crate::factory::{Template, is_masked};
use crate::management::refusal::Refusal;

/// What a template with a key's settings says (Azure's "Encrypt Azure Data Factory with customer-managed keys", on templates).
pub(crate) const KEY_WARNING: &str = "the key's settings are factory-level settings: where this template is deployed they override the others \
                                      of that environment, such as Git, global parameters and network access";
/// The members that the service writes itself.
const OWN: [&str; 1] = ["vNetId"];
/// The kinds in an order in which most references lead to what is before.
const ORDER: [ChildKind; 8] = [
    ChildKind::ManagedVirtualNetwork,
    ChildKind::IntegrationRuntime,
    ChildKind::Credential,
    ChildKind::LinkedService,
    ChildKind::Dataset,
    ChildKind::DataFlow,
    ChildKind::Pipeline,
    ChildKind::Trigger,
];

impl Management {
    /// The factory as an ARM template; `include_key` makes the settings of its customer-managed key parameters with their present values.
    ///
    /// # Errors
    /// When there is no such factory, its key is away, or `include_key` asks for what takes Git mode.
    pub(crate) async fn template(&self, id: &FactoryId, include_key: bool) -> Result<Value, Refusal> {
        let factory = self.factory(id).await?;
        if include_key && !factory.has_repository() {
            return Err(Refusal::NoGitMode(factory.name));
        }
        let mut template = Template::of(&factory.name);
        factory.add_to(&mut template, include_key);
        for kind in ORDER {
            for child in self.children(id, kind).await? {
                add_child(&mut template, kind, child);
            }
        }
        Ok(template.document())
    }
}

impl Factory {
    /// Whether it is in Git mode.
    fn has_repository(&self) -> bool {
        let repository = self.properties.get("repoConfiguration");
        repository.and_then(|one| one["repositoryName"].as_str()).is_some_and(|name| !name.is_empty())
    }

    fn add_to(&self, template: &mut Template, include_key: bool) {
        let mut properties = self.properties.clone();
        if let Some(key) = self.encryption.as_ref().filter(|_| include_key) {
            let settings = serde_json::to_value(&key.settings).unwrap_or_default();
            properties.insert("encryption".to_owned(), template.parameters_of("properties_encryption", &settings));
            template.warn(KEY_WARNING);
        }
        template.add_factory(self.template_identity(), properties.into());
    }

    fn template_identity(&self) -> Value {
        let (system, user) = self.identity.as_ref().map_or((false, &[][..]), |one| (one.system.is_some(), &one.user));
        let user: Map<String, Value> = user.iter().map(|id| (id.clone(), json!({}))).collect();
        match (system, user.is_empty()) {
            (false, true) => Value::Null,
            (true, true) => json!({"type": "SystemAssigned"}),
            (false, false) => json!({"type": "UserAssigned", "userAssignedIdentities": user}),
            (true, false) => json!({"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": user}),
        }
    }
}

fn add_child(template: &mut Template, kind: ChildKind, child: Child) {
    let Child { name, mut properties, secrets, .. } = child;
    OWN.iter().for_each(|own| drop(properties.remove(*own)));
    let need = |Reference { kind, name }: Reference| (kind.segment(), name);
    let needs: BTreeSet<_> = references(&properties).into_iter().map(need).collect();
    let taken: BTreeSet<String> = secrets.keys().map(|place| place.pointer().to_owned()).collect();
    let masked = if taken.is_empty() { masked_in(&properties) } else { taken };
    // A reference to what this factory keeps leads nowhere in another one.
    if let Some(Value::Object(own)) = properties.get_mut("typeProperties") {
        own.remove("encryptedCredential");
    }
    template.add_child((kind.segment(), &name), properties.into(), masked.iter().map(String::as_str), needs);
}

/// Where a definition has had a credential that is not kept here: the JSON pointers of secure strings without their value, and of a connection string that has
/// lost its secret part to an `encryptedCredential`.
fn masked_in(properties: &Definition) -> BTreeSet<String> {
    let mut found = Vec::new();
    properties.iter().for_each(|(name, value)| collect(value, &format!("/{}", escaped(name)), &mut found));
    let own = properties.get("typeProperties");
    let is_encrypted = own.is_some_and(|own| !own["encryptedCredential"].is_null());
    if is_encrypted && own.is_some_and(|own| own["connectionString"].is_string()) {
        found.push("/typeProperties/connectionString".to_owned());
    }
    found.into_iter().collect()
}

fn collect(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        _ if is_masked(value) => found.push(pointer.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, one)| collect(one, &format!("{pointer}/{index}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, one)| collect(one, &format!("{pointer}/{}", escaped(name)), found));
        }
        _ => {}
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
