//! ARM templates, as Bicep makes them too: the vaults, keys and secrets in them, in nested deployments and below vaults.

mod expression;
mod facts;
mod links;
mod scope;

use serde_json::{Map, Value};

use super::facts::{Fact, Facts, Resource};
use super::tree::{mark, why, words};
use crate::clock::Timestamp;
use links::Links;
use scope::Scope;

#[cfg(test)]
pub(super) use facts::log;
pub(super) use facts::{key, scheduled, secret, vault};

const VAULT: &str = "microsoft.keyvault/vaults";
/// The types that deploy a template.
const DEPLOYMENTS: [&str; 2] = ["microsoft.resources/deployments", "microsoft.resources/deploymentstacks"];
/// Why a deployment is not read.
pub(super) const DEPLOYS_ELSEWHERE: &str = "it deploys a template that is not in the file";

/// Whether resources of this type, in lower case, deploy a template.
pub(super) fn deploys(kind: &str) -> bool {
    DEPLOYMENTS.contains(&kind)
}

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
    let mut found = Found { now, vaults: vec![], others: vec![], links: Links::default() };
    let place = Place { scope: &scope, parent: None, doubt: None, pointer: "/resources".to_owned() };
    found.collect(&template["resources"], &place);
    Ok(found.finish())
}

/// The values of a file of parameters.
fn given(file: &Value) -> Result<Map<String, Value>, String> {
    let all = file["parameters"].as_object().ok_or("the file of --parameters has no parameters")?;
    Ok(all.iter().map(|(name, given)| (name.clone(), value_of(name, given, Value::clone))).collect())
}

/// Where resources are.
struct Place<'a> {
    scope: &'a Scope<'a>,
    /// Type and name of the resource that they are below of.
    parent: Option<(String, Value)>,
    /// Why it is not certain that they are made, where it is not.
    doubt: Option<String>,
    pointer: String,
}

/// What was found.
struct Found {
    now: Timestamp,
    /// Vaults, each with its name.
    vaults: Vec<(String, Resource)>,
    /// Everything else.
    others: Vec<Resource>,
    links: Links,
}

impl Found {
    fn collect(&mut self, resources: &Value, place: &Place<'_>) {
        let all: Vec<(String, &Value)> = match resources {
            Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
            Value::Object(members) => members.iter().map(|(name, item)| (pointer_segment(name), item)).collect(),
            _ => vec![],
        };
        for (segment, resource) in all {
            let condition = resource.get("condition").map(|condition| place.scope.evaluated(condition));
            if condition == Some(Value::Bool(false)) {
                continue;
            }
            let doubt = doubt(resource, condition.as_ref()).or_else(|| place.doubt.clone());
            let pointer = format!("{}/{segment}", place.pointer);
            self.add(resource, &Place { scope: place.scope, parent: place.parent.clone(), doubt, pointer });
        }
    }

    /// Adds the resource at `here`, and what is below it.
    fn add(&mut self, resource: &Value, here: &Place<'_>) {
        let mut kind = resource["type"].as_str().unwrap_or_default().to_ascii_lowercase();
        let mut name = here.scope.evaluated(&resource["name"]);
        if let Some((parent, of)) = &here.parent {
            kind = format!("{parent}/{kind}");
            name = joined(of, &name);
        }
        if resource["existing"] != true {
            match kind.as_str() {
                "microsoft.resources/deployments" => self.nested(&resource["properties"], here, words(&name)),
                "microsoft.network/privateendpoints" => self.links.add_endpoint(resource, here.scope, &here.doubt),
                kind if kind.ends_with("diagnosticsettings") => {
                    let scope = resource.get("scope").map(|scope| here.scope.evaluated(scope));
                    let vault = kind.starts_with(VAULT).then(|| links::vault_id(&words(&name)));
                    if let Some(of) = scope.or(vault) {
                        self.links.add_setting(resource, here.scope, &here.doubt, of);
                    }
                }
                kind => self.add_one(resource, here, (kind, words(&name))),
            }
        }
        let pointer = format!("{}/resources", here.pointer);
        let below = Place { scope: here.scope, parent: Some((kind, name)), doubt: here.doubt.clone(), pointer };
        self.collect(&resource["resources"], &below);
    }

    fn add_one(&mut self, resource: &Value, here: &Place<'_>, (kind, name): (&str, String)) {
        let Some(below) = kind.strip_prefix(VAULT) else { return };
        let properties = || here.scope.evaluated(&resource["properties"]);
        let made = |name, facts| Resource { name, pointer: Some(here.pointer.clone()), is_azurerm: false, facts };
        match below {
            "" => {
                let version = resource["apiVersion"].as_str().map(str::to_owned);
                let facts = Facts::Vault(Box::new(vault(version, &properties())));
                self.vaults.push((name.clone(), made(name, facts)));
            }
            "/keys" => {
                let facts = Facts::Key(Box::new(key(&properties(), Fact::Known(self.now))));
                self.others.push(made(object_name(&name, "keys"), facts));
            }
            "/secrets" => {
                let facts = Facts::Secret(secret(&properties(), Fact::Known(self.now)));
                self.others.push(made(object_name(&name, "secrets"), facts));
            }
            _ => {}
        }
    }

    /// A deployment within the template. Its expressions refer to its own parameters, or to those of the outer template.
    fn nested(&mut self, properties: &Value, here: &Place<'_>, name: String) {
        let template = &properties["template"];
        if !template.is_object() {
            let facts = Facts::Unread(DEPLOYS_ELSEWHERE.to_owned());
            self.others.push(Resource { name, pointer: Some(here.pointer.clone()), is_azurerm: false, facts });
            return;
        }
        let scope = properties["expressionEvaluationOptions"]["scope"].as_str().unwrap_or_default();
        let inner = scope.eq_ignore_ascii_case("inner").then(|| Scope::of(template, passed(properties, here.scope)));
        let place = Place {
            scope: inner.as_ref().unwrap_or(here.scope),
            parent: None,
            doubt: here.doubt.clone(),
            pointer: format!("{}/properties/template/resources", here.pointer),
        };
        self.collect(&template["resources"], &place);
    }

    /// The resources, vaults first, each with the endpoints and logs that lead to it.
    fn finish(self) -> Vec<Resource> {
        let Self { vaults, others, links, .. } = self;
        let with_links = vaults.into_iter().map(|(name, mut resource)| {
            if let Facts::Vault(vault) = &mut resource.facts {
                (vault.private_endpoints, vault.logs) = (links.endpoints(&name), links.logs(&name));
            }
            resource
        });
        with_links.chain(others).collect()
    }
}

/// Why it is not certain that a resource is made, where it is not.
fn doubt(resource: &Value, condition: Option<&Value>) -> Option<String> {
    let times = resource["copy"].get("count");
    match (condition, times) {
        (None | Some(Value::Bool(true)), None) => None,
        (None | Some(Value::Bool(true)), Some(times)) if times.as_i64().is_some_and(|times| times > 0) => None,
        (None | Some(Value::Bool(true)), Some(_)) => Some("a loop makes it, perhaps not once".to_owned()),
        (Some(condition), _) => {
            let because = why(condition).unwrap_or("its condition is neither true nor false");
            Some(format!("whether it is made depends on a condition: {because}"))
        }
    }
}

/// The values that a deployment passes on to its template.
fn passed(properties: &Value, scope: &Scope<'_>) -> Map<String, Value> {
    let given = properties["parameters"].as_object().into_iter().flatten();
    given.map(|(name, given)| (name.clone(), value_of(name, given, |value| scope.evaluated(value)))).collect()
}

/// The value that a parameter is given; a mark where a vault has it.
fn value_of(name: &str, given: &Value, read: impl FnOnce(&Value) -> Value) -> Value {
    let of_vault = || mark(format!("the parameter '{name}' comes from a vault"), format!("{{{name}}}"));
    given.get("value").map_or_else(of_vault, read)
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
