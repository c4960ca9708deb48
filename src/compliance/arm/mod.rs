//! ARM templates, as Bicep makes them too: the vaults, keys and secrets in them, in nested deployments and below vaults.

mod expression;
mod facts;
mod scope;

use serde_json::{Map, Value};

use super::facts::{Fact, Facts, Log, Resource};
use super::tree::{at, list, mark, member, why, words};
use crate::clock::Timestamp;
use scope::Scope;

pub(super) use facts::{key, log, scheduled, secret, vault};

const VAULT: &str = "microsoft.keyvault/vaults";

/// Whether `file` is a template.
pub(super) fn is_template(file: &Value) -> bool {
    let has_resources = file["resources"].is_array() || file["resources"].is_object();
    has_resources && (file["contentVersion"].is_string() || file["$schema"].is_string())
}

/// The resources of a template, whose parameters have the values of the file `parameters`.
///
/// # Errors
/// When that is no such file.
pub(super) fn resources(template: &Value, parameters: Option<&Value>, now: Timestamp) -> Result<Vec<Resource>, String> {
    let given = parameters.map(given).transpose()?.unwrap_or_default();
    let scope = Scope::of(template, given);
    let mut found = Found { now, vaults: vec![], others: vec![], endpoints: vec![], logs: vec![] };
    found.collect(&template["resources"], &Place { scope: &scope, parent: None, pointer: "/resources".to_owned() });
    Ok(found.finish())
}

/// The values of a file of parameters.
fn given(file: &Value) -> Result<Map<String, Value>, String> {
    let all = file["parameters"].as_object().ok_or("the file of --parameters has no parameters")?;
    let value = |(name, given): (&String, &Value)| match given.get("value") {
        Some(value) => (name.clone(), value.clone()),
        None => (name.clone(), mark(format!("the parameter '{name}' comes from a vault"), format!("{{{name}}}"))),
    };
    Ok(all.iter().map(value).collect())
}

/// Where resources are.
struct Place<'a> {
    scope: &'a Scope<'a>,
    /// Type and name of the resource that they are below of.
    parent: Option<(String, Value)>,
    pointer: String,
}

/// What was found.
struct Found {
    now: Timestamp,
    /// Vaults, each with its name.
    vaults: Vec<(String, Resource)>,
    /// Everything else.
    others: Vec<Resource>,
    /// What private endpoints lead to.
    endpoints: Vec<Value>,
    /// What diagnostic settings are of, and their logs.
    logs: Vec<(Value, Fact<Vec<Log>>)>,
}

impl Found {
    fn collect(&mut self, resources: &Value, place: &Place<'_>) {
        let all: Vec<(String, &Value)> = match resources {
            Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
            Value::Object(members) => members.iter().map(|(name, item)| (pointer_segment(name), item)).collect(),
            _ => vec![],
        };
        for (segment, resource) in all {
            let here = format!("{}/{segment}", place.pointer);
            let condition = resource.get("condition").map(|condition| place.scope.evaluated(condition));
            if condition != Some(Value::Bool(false)) {
                self.add(resource, place, here);
            }
        }
    }

    fn add(&mut self, resource: &Value, place: &Place<'_>, pointer: String) {
        let mut kind = resource["type"].as_str().unwrap_or_default().to_ascii_lowercase();
        let mut name = place.scope.evaluated(&resource["name"]);
        if let Some((parent, of)) = &place.parent {
            kind = format!("{parent}/{kind}");
            name = joined(of, &name);
        }
        let below = Place {
            scope: place.scope,
            parent: Some((kind.clone(), name.clone())),
            pointer: format!("{pointer}/resources"),
        };
        if resource["existing"] != true {
            self.add_one(resource, place.scope, (&kind, &name), pointer);
        }
        self.collect(&resource["resources"], &below);
    }

    fn add_one(&mut self, resource: &Value, scope: &Scope<'_>, (kind, name): (&str, &Value), pointer: String) {
        if kind == "microsoft.resources/deployments" {
            return self.nested(&resource["properties"], scope, (words(name), pointer));
        }
        let is_watched = kind == "microsoft.network/privateendpoints" || kind.ends_with("diagnosticsettings");
        if !is_watched && kind != VAULT && !["keys", "secrets"].iter().any(|object| kind == format!("{VAULT}/{object}"))
        {
            return;
        }
        let properties = scope.evaluated(&resource["properties"]);
        let words = words(name);
        let made = |name: String, facts| Resource { name, pointer: Some(pointer.clone()), is_azurerm: false, facts };
        match kind.strip_prefix(VAULT) {
            Some("") => {
                let version = resource["apiVersion"].as_str().map(str::to_owned);
                self.vaults.push((words.clone(), made(words, Facts::Vault(Box::new(vault(version, &properties))))));
            }
            Some("/keys") => {
                self.others.push(made(object_name(&words, "keys"), Facts::Key(Box::new(key(&properties, self.now)))));
            }
            Some("/secrets") => {
                self.others.push(made(object_name(&words, "secrets"), Facts::Secret(secret(&properties, self.now))));
            }
            _ if kind.ends_with("diagnosticsettings") => {
                let scope = resource.get("scope").map(|scoped| scope.evaluated(scoped));
                let of_vault = kind.starts_with(VAULT).then(|| vault_id(&words));
                self.logs.extend(scope.or(of_vault).map(|of| (of, logs(&properties))));
            }
            _ => self.endpoints.extend(targets(&properties)),
        }
    }

    /// A deployment within the template. Its expressions refer to its own parameters, or to those of the outer template.
    fn nested(&mut self, properties: &Value, scope: &Scope<'_>, (name, pointer): (String, String)) {
        let template = &properties["template"];
        if !template.is_object() {
            let why = "it deploys a template that is not in the file".to_owned();
            self.others.push(Resource { name, pointer: Some(pointer), is_azurerm: false, facts: Facts::Unread(why) });
            return;
        }
        let is_inner = properties["expressionEvaluationOptions"]["scope"]
            .as_str()
            .is_some_and(|scope| scope.eq_ignore_ascii_case("inner"));
        let pointer = format!("{pointer}/properties/template/resources");
        if !is_inner {
            return self.collect(&template["resources"], &Place { scope, parent: None, pointer });
        }
        let given = properties["parameters"].as_object().into_iter().flatten();
        let value = |(name, given): (&String, &Value)| match given.get("value") {
            Some(value) => (name.clone(), scope.evaluated(value)),
            None => (name.clone(), mark(format!("the parameter '{name}' comes from a vault"), format!("{{{name}}}"))),
        };
        let inner = Scope::of(template, given.map(value).collect());
        self.collect(&template["resources"], &Place { scope: &inner, parent: None, pointer });
    }

    /// The resources, vaults first, each with the endpoints and logs that lead to it.
    fn finish(self) -> Vec<Resource> {
        let Self { vaults, others, endpoints, logs, .. } = self;
        let with_links = vaults.into_iter().map(|(name, mut resource)| {
            if let Facts::Vault(vault) = &mut resource.facts {
                vault.private_endpoints =
                    leading_to(&name, endpoints.iter(), "a private endpoint leads to").then(|found| Ok(found.len()));
                let all = leading_to(&name, logs.iter().map(|(of, _)| of), "a diagnostic setting is of");
                vault.logs = all.then(|found| logs_of(&found, &logs));
            }
            resource
        });
        with_links.chain(others).collect()
    }
}

/// The positions of the ids that are of the vault called `name`; unknown where there are none, but some that cannot be read.
fn leading_to<'v>(name: &str, ids: impl Iterator<Item = &'v Value>, what: &str) -> Fact<Vec<usize>> {
    let (mut found, mut unread) = (vec![], None);
    for (index, id) in ids.enumerate() {
        let words = words(id);
        match words.to_ascii_lowercase().rfind("microsoft.keyvault/vaults/") {
            Some(at) => {
                let vault = &words[at + VAULT.len() + 1..];
                if vault.eq_ignore_ascii_case(name) {
                    found.push(index);
                } else if why(id).is_some() {
                    unread = Some(words);
                }
            }
            None if why(id).is_some() && !words.to_ascii_lowercase().starts_with("microsoft.") => unread = Some(words),
            None => {}
        }
    }
    match unread {
        Some(words) if found.is_empty() => Fact::Unknown(format!("{what} {words}, which is not evaluated")),
        _ => Fact::Known(found),
    }
}

fn logs_of(found: &[usize], logs: &[(Value, Fact<Vec<Log>>)]) -> Result<Vec<Log>, String> {
    let mut all = vec![];
    for index in found {
        match &logs[*index].1 {
            Fact::Known(logs) => all.extend(logs.iter().cloned()),
            Fact::Unset => {}
            Fact::Unknown(why) => return Err(why.clone()),
        }
    }
    Ok(all)
}

/// The logs of a diagnostic setting.
fn logs(properties: &Value) -> Fact<Vec<Log>> {
    let in_storage = at(properties, &["storageAccountId"]) != Fact::Unset;
    list(properties, &["logs"]).then(|all| Ok(all.iter().map(|one| log(one, in_storage)).collect()))
}

/// What a private endpoint leads to without being approved by hand.
fn targets(properties: &Value) -> Vec<Value> {
    let id = |connection: &Value| {
        let id = member(connection, "properties").and_then(|properties| member(properties, "privateLinkServiceId"));
        id.cloned()
    };
    match list(properties, &["privateLinkServiceConnections"]) {
        Fact::Known(all) => all.iter().filter_map(id).collect(),
        Fact::Unset => vec![],
        Fact::Unknown(why) => vec![mark(why, "privateLinkServiceConnections")],
    }
}

/// The id of the vault in the name of a setting below it: `NAME/Microsoft.Insights/SETTING`.
fn vault_id(name: &str) -> Value {
    let lower = name.to_ascii_lowercase();
    let vault = lower.find("/microsoft.insights").map_or(name, |end| &name[..end]);
    format!("Microsoft.KeyVault/vaults/{vault}").into()
}

/// `NAME/CHILD`.
fn joined(parent: &Value, child: &Value) -> Value {
    let words = format!("{}/{}", words(parent), words(child));
    match why(parent).or(why(child)) {
        Some(why) => mark(why, words),
        None => words.into(),
    }
}

/// `VAULT/keys/NAME` of `VAULT/NAME`.
fn object_name(name: &str, collection: &str) -> String {
    match name.rsplit_once('/') {
        Some((vault, object)) => format!("{vault}/{collection}/{object}"),
        None => format!("{collection} {name}"),
    }
}

/// A name as a segment of a JSON pointer.
fn pointer_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The type of an azapi resource or a template's without its version, in lower case, and the version.
pub(super) fn type_and_version(kind: &str) -> (String, Option<String>) {
    let (kind, version) = kind.split_once('@').map_or((kind, None), |(kind, version)| (kind, Some(version.to_owned())));
    (kind.to_ascii_lowercase(), version)
}

#[cfg(test)]
mod tests;
