//! ARM templates, as Bicep makes them too: the vaults, keys and secrets in them, the factories and linked services, in nested deployments
//! and below others.

mod budget;
mod expression;
mod factories;
mod facts;
mod grants;
mod links;
mod scope;

use serde_json::{Map, Value, json};

use super::facts::{Fact, Facts, Resource};
use super::lines::pointer_segment;
use super::tree::{is_secure, member, part, text, unknown, why, words};
use crate::clock::Timestamp;
use budget::Budget;
use links::Links;
use scope::Scope;

pub(super) use factories::{CONNECTION_STRING, CREDENTIALS, factory, linked_service};
#[cfg(test)]
pub(super) use facts::log;
pub(super) use facts::{dates, key, scheduled, secret, vault};
pub(super) use grants::Grants;
pub(super) use links::{FACTORY, VAULT};

/// The type of a deployment.
const DEPLOYMENT: &str = "microsoft.resources/deployments";
/// Where the types are that may deploy anything, besides these two.
const DEPLOYS_IN: &str = "microsoft.resources/";
const DEPLOYS_NOTHING: [&str; 2] = ["resourcegroups", "tags"];
/// Why a deployment is not read.
pub(super) const DEPLOYS: &str = "it may deploy anything, and is not read here";

/// Whether resources of this type, in lower case, may deploy others.
pub(super) fn deploys(kind: &str) -> bool {
    kind.rsplit_once(DEPLOYS_IN).is_some_and(|(_, kind)| !DEPLOYS_NOTHING.contains(&kind))
}

/// Whether `file` is a template.
pub(super) fn is_template(file: &Value) -> bool {
    let resources = part(file, "resources");
    let has_resources = resources.is_array() || resources.is_object();
    has_resources && (file["contentVersion"].is_string() || file["$schema"].is_string())
}

/// The resources of a template, whose parameters have the values of the file `parameters`.
///
/// # Errors
/// When that is no such file.
pub(super) fn resources(template: &Value, parameters: Option<&Value>, now: Timestamp) -> Result<Vec<Resource>, String> {
    let given = parameters.map(|file| given(file, template)).transpose()?.unwrap_or_default();
    let budget = Budget::new();
    let scope = Scope::of(template, given, &budget);
    let mut found = Found { now, targets: vec![], others: vec![], links: Links::default(), grants: Grants::default() };
    let place = Place { scope: &scope, parent: None, uncertain: None, pointer: "/resources".to_owned() };
    found.collect(part(template, "resources"), &place);
    Ok(found.finish())
}

/// The values that a file of parameters has for `template`, without those of secure parameters.
fn given(file: &Value, template: &Value) -> Result<Map<String, Value>, String> {
    let all = file["parameters"].as_object().ok_or("the file of --parameters has no parameters")?;
    let read = |name: &str, value: &Value| match is_secure(part(part(part(template, "parameters"), name), "type")) {
        true => unknown(format!("the parameter '{name}' is secret"), format!("{{{name}}}")),
        false => value.clone(),
    };
    Ok(all.iter().map(|(name, given)| (name.clone(), value_of(name, given, |value| read(name, value)))).collect())
}

/// Where resources are.
struct Place<'a> {
    scope: &'a Scope<'a>,
    /// Type and name of the resource that they are below of.
    parent: Option<(String, Value)>,
    /// Why it is not certain that they are made, where it is not.
    uncertain: Option<String>,
    pointer: String,
}

/// Adds what is below a vault or a factory.
type AddOf = fn(&mut Found, &Value, &Place<'_>, &str, &Value);

/// What was found.
struct Found {
    now: Timestamp,
    /// Vaults and factories, each with its name.
    targets: Vec<(String, Resource)>,
    /// Everything else.
    others: Vec<Resource>,
    links: Links,
    grants: Grants,
}

impl Found {
    fn collect(&mut self, resources: &Value, place: &Place<'_>) {
        let all: Vec<(String, &Value)> = match resources {
            Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
            Value::Object(members) => members.iter().map(|(name, item)| (pointer_segment(name), item)).collect(),
            Value::Null => vec![],
            _ => return self.unread(place.pointer.clone(), &place.pointer, "they are no list of resources"),
        };
        for (segment, resource) in all {
            let times = member(part(resource, "copy"), "count").map(|times| place.scope.evaluated(times));
            let looped = times.as_ref().map(|times| place.scope.in_loop(times));
            let scope = looped.as_ref().unwrap_or(place.scope);
            let condition = member(resource, "condition").map(|condition| scope.evaluated(condition));
            if condition == Some(Value::Bool(false)) {
                continue;
            }
            let uncertain = why_uncertain(condition.as_ref(), times.as_ref()).or_else(|| place.uncertain.clone());
            let pointer = format!("{}/{segment}", place.pointer);
            let here = Place { scope, parent: place.parent.clone(), uncertain, pointer };
            // Resources by symbolic names alone can be there already.
            let is_made = resources.is_array() || part(resource, "existing") != true;
            self.add(resource, &here, is_made);
        }
    }

    /// Adds the resource at `here` where the template makes it, and what is below it.
    fn add(&mut self, resource: &Value, here: &Place<'_>, is_made: bool) {
        let mut name = match here.scope.evaluated(part(resource, "name")) {
            Value::Null => here.pointer.as_str().into(),
            name => name,
        };
        let Some(kind) = part(resource, "type").as_str().filter(|kind| !kind.is_empty() && !kind.starts_with('['))
        else {
            return self.unread(words(&name), &here.pointer, "its type is no plain text");
        };
        let mut kind = kind.to_ascii_lowercase();
        if let Some((parent, of)) = &here.parent {
            kind = format!("{parent}/{kind}");
            name = here.scope.joined(&[of, &"/".into(), &name]);
        }
        if is_made {
            self.add_one(resource, here, &kind, &name);
        }
        let pointer = format!("{}/resources", here.pointer);
        let below = Place { scope: here.scope, parent: Some((kind, name)), uncertain: here.uncertain.clone(), pointer };
        self.collect(part(resource, "resources"), &below);
    }

    fn add_one(&mut self, resource: &Value, here: &Place<'_>, kind: &str, name: &Value) {
        match kind {
            _ if kind.ends_with(DEPLOYMENT) => self.nested(part(resource, "properties"), here, words(name)),
            _ if deploys(kind) => self.unread(words(name), &here.pointer, DEPLOYS),
            "microsoft.network/privateendpoints" => self.links.add_endpoint(resource, here.scope, &here.uncertain),
            _ if kind.ends_with("diagnosticsettings") => {
                let scope = member(resource, "scope").map(|scope| here.scope.evaluated(scope));
                let vault = kind.starts_with(VAULT.kind).then(|| links::vault_id(&words(name)));
                if let Some(of) = scope.or(vault) {
                    self.links.add_setting(resource, here.scope, &here.uncertain, of);
                }
            }
            _ if kind.ends_with("microsoft.authorization/roleassignments") => {
                self.grants.add_role(&here.scope.evaluated(part(resource, "properties")), "roleDefinitionId");
            }
            _ => {
                for (target, add) in [(VAULT, Self::add_of_vault as AddOf), (FACTORY, Self::add_of_factory)] {
                    match kind.split_once(target.kind) {
                        Some(("", below)) if !below.contains(target.kind) => add(self, resource, here, below, name),
                        Some(_) => self.unread(words(name), &here.pointer, "it is not read below another resource"),
                        None => {}
                    }
                }
            }
        }
    }

    /// Adds a vault, or what is `below` one.
    fn add_of_vault(&mut self, resource: &Value, here: &Place<'_>, below: &str, name: &Value) {
        let properties = || here.scope.evaluated(part(resource, "properties"));
        let (name, made) = (words(name), |name, facts| here.made(name, facts));
        match below {
            "" => {
                let properties = properties();
                self.grants.add_policies(&properties);
                let facts = Facts::Vault(Box::new(vault(api_version(resource, here.scope), &properties)));
                self.targets.push((name.clone(), made(name, facts)));
            }
            "/accesspolicies" => self.grants.add_policies(&properties()),
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

    /// Adds a factory, or what is `below` one.
    fn add_of_factory(&mut self, resource: &Value, here: &Place<'_>, below: &str, name: &Value) {
        let properties = || here.scope.evaluated(part(resource, "properties"));
        let text_of_name = words(name);
        match below {
            "" => {
                let facts = Facts::Factory(Box::new(factory(&properties())));
                self.targets.push((text_of_name.clone(), here.made(text_of_name, facts)));
            }
            "/linkedservices" => {
                let facts = Facts::LinkedService(Box::new(linked_service(&properties())));
                self.others.push(here.made(object_name(&text_of_name, "linkedservices"), facts));
            }
            "/privateendpointconnections" => {
                let state = ["privateLinkServiceConnectionState", "status"];
                match text(&properties(), &state) {
                    Fact::Known(status) if status.eq_ignore_ascii_case("Approved") => {
                        let of = text_of_name.rsplit_once('/').map_or("", |(factory, _)| factory);
                        let id = format!("{}/{of}", FACTORY.kind);
                        self.links.add_connection(FACTORY, id.into(), &here.uncertain);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// A deployment within the template. Its expressions refer to its own parameters, or to those of the outer template.
    fn nested(&mut self, properties: &Value, here: &Place<'_>, name: String) {
        let template = part(properties, "template");
        if !template.is_object() {
            return self.unread(name, &here.pointer, "it deploys a template that is not in the file");
        }
        let pointer = format!("{}/properties/template", here.pointer);
        let scope = text(properties, &["expressionEvaluationOptions", "scope"]);
        let is_inner = match scope.or("outer".to_owned()) {
            Fact::Known(scope) if scope.eq_ignore_ascii_case("inner") => true,
            Fact::Known(scope) if scope.eq_ignore_ascii_case("outer") => false,
            _ => return self.unread(name, &here.pointer, "the scope of its expressions is neither inner nor outer"),
        };
        let inner = is_inner.then(|| here.scope.within(template, passed(properties, here.scope), &pointer));
        let place = Place {
            scope: inner.as_ref().unwrap_or(here.scope),
            parent: None,
            uncertain: here.uncertain.clone(),
            pointer: format!("{pointer}/resources"),
        };
        self.collect(part(template, "resources"), &place);
    }

    /// Adds what may hold vaults and is not read.
    fn unread(&mut self, name: String, pointer: &str, why: &str) {
        let facts = Facts::Unread(why.to_owned());
        self.others.push(Resource { name, pointer: Some(pointer.to_owned()), is_azurerm: false, facts });
    }

    /// The resources, vaults and factories first, each with the endpoints and logs that lead to it.
    fn finish(self) -> Vec<Resource> {
        let Self { targets, others, links, grants, .. } = self;
        let with_links = targets.into_iter().map(|(name, mut resource)| {
            match &mut resource.facts {
                Facts::Vault(vault) => {
                    (vault.private_endpoints, vault.logs) = (links.endpoints(VAULT, &name), links.logs(&name));
                }
                Facts::Factory(factory) => {
                    factory.private_endpoints = links.endpoints(FACTORY, &name);
                    let begin = format!("{name}/");
                    let mut own = others.iter().filter(|other| other.name.starts_with(&begin));
                    factory.missing_role = grants.missing(&factory.customer_key, own.any(Resource::refers_to_secrets));
                }
                _ => {}
            }
            resource
        });
        let targets: Vec<_> = with_links.collect();
        targets.into_iter().chain(others).collect()
    }
}

impl Place<'_> {
    fn made(&self, name: String, facts: Facts) -> Resource {
        Resource { name, pointer: Some(self.pointer.clone()), is_azurerm: false, facts }
    }
}

/// The api-version that a resource is asked for by.
fn api_version(resource: &Value, scope: &Scope<'_>) -> Fact<String> {
    const NAME: &str = "apiVersion";
    match text(&json!({NAME: scope.evaluated(part(resource, NAME))}), &[NAME]) {
        Fact::Unset => Fact::Unknown("its apiVersion is not set".to_owned()),
        version => version,
    }
}

/// Why it is not certain that a resource is made, where it is not: it has this condition, and a loop that runs so many times.
fn why_uncertain(condition: Option<&Value>, times: Option<&Value>) -> Option<String> {
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
    let given = part(properties, "parameters").as_object().into_iter().flatten();
    given.map(|(name, given)| (name.clone(), value_of(name, given, |value| scope.evaluated(value)))).collect()
}

/// The value that a parameter is given; an unknown value where a vault has it.
fn value_of(name: &str, given: &Value, read: impl FnOnce(&Value) -> Value) -> Value {
    let of_vault = || unknown(format!("the parameter '{name}' comes from a vault"), format!("{{{name}}}"));
    member(given, "value").map_or_else(of_vault, read)
}

/// `VAULT/keys/NAME` of `VAULT/NAME`.
fn object_name(name: &str, collection: &str) -> String {
    match name.rsplit_once('/') {
        Some((vault, object)) => format!("{vault}/{collection}/{object}"),
        None => format!("{collection} {name}"),
    }
}

/// The type of an azapi resource or a template's without its version, in lower case, and the version.
pub(super) fn type_and_version(kind: &str) -> (String, Option<String>) {
    let (kind, version) = kind.split_once('@').map_or((kind, None), |(kind, version)| (kind, Some(version.to_owned())));
    (kind.to_ascii_lowercase(), version)
}

#[cfg(test)]
mod tests;
