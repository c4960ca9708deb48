//! What other resources of a template say of a vault: private endpoints, diagnostic settings. One that is perhaps not made, or whose
//! vault cannot be read, makes that unknown.

use serde_json::Value;

use super::super::facts::{Fact, Log};
use super::super::tree::{at, list, member, part, text, texts, unknown, why, words};
use super::facts::log;
use super::scope::Scope;

/// How the id of a vault begins, after what it is in.
const ID: &str = "microsoft.keyvault/vaults/";

/// The members of a diagnostic setting that say where its logs go.
const DESTINATIONS: [&str; 5] =
    ["workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId", "serviceBusRuleId"];

/// The resources that lead to others.
#[derive(Debug, Default)]
pub(super) struct Links {
    endpoints: Vec<Link<()>>,
    settings: Vec<Link<Fact<Vec<Log>>>>,
}

/// A resource that leads to another.
#[derive(Debug)]
struct Link<T> {
    /// The id of the other.
    to: Value,
    /// Why it is not certain that it is made, or that it counts, where it is not.
    uncertain: Option<String>,
    content: T,
}

impl Links {
    /// Adds the vaults that a private endpoint leads to without being approved by hand.
    pub(super) fn add_endpoint(&mut self, endpoint: &Value, scope: &Scope<'_>, uncertain: &Option<String>) {
        let properties = scope.evaluated(part(endpoint, "properties"));
        let link =
            |to: Value, unknown: Option<String>| Link { to, uncertain: uncertain.clone().or(unknown), content: () };
        let of = |connection: &Value| {
            let connection = part(connection, "properties");
            let id = member(connection, "privateLinkServiceId")?.clone();
            match approved(connection) {
                Fact::Known(true) => Some(link(id, None)),
                Fact::Known(false) | Fact::Unset => None,
                Fact::Unknown(why) => Some(link(id, Some(why))),
            }
        };
        match list(&properties, &["privateLinkServiceConnections"]) {
            Fact::Known(all) => self.endpoints.extend(all.iter().filter_map(of)),
            Fact::Unset => {}
            Fact::Unknown(why) => self.endpoints.push(link(unknown(why, "{privateLinkServiceConnections}"), None)),
        }
    }

    /// Adds the logs of a diagnostic setting of the resource `to`.
    pub(super) fn add_setting(&mut self, setting: &Value, scope: &Scope<'_>, uncertain: &Option<String>, to: Value) {
        let properties = scope.evaluated(part(setting, "properties"));
        if DESTINATIONS.iter().all(|name| at(&properties, &[name]) == Fact::Unset) {
            return;
        }
        let in_storage = at(&properties, &["storageAccountId"]) != Fact::Unset;
        let logs = list(&properties, &["logs"]).then(|all| Ok(all.iter().map(|one| log(one, in_storage)).collect()));
        self.settings.push(Link { to, uncertain: uncertain.clone(), content: logs });
    }

    /// How many private endpoints lead to the vault called `name`.
    pub(super) fn endpoints(&self, name: &str) -> Fact<usize> {
        leading_to(name, &self.endpoints, "a private endpoint").then(|found| Ok(found.len()))
    }

    /// The logs of the vault called `name`.
    pub(super) fn logs(&self, name: &str) -> Fact<Vec<Log>> {
        leading_to(name, &self.settings, "a diagnostic setting").then(|found| {
            let mut all = vec![];
            for logs in found {
                match logs {
                    Fact::Known(logs) => all.extend(logs.iter().cloned()),
                    Fact::Unset => {}
                    Fact::Unknown(why) => return Err(why.clone()),
                }
            }
            Ok(all)
        })
    }
}

/// Whether a connection is one to a vault, and not rejected.
fn approved(connection: &Value) -> Fact<bool> {
    let groups = texts(connection, &["groupIds"], |one| text(one, &[]));
    let is_of_vault = groups.then(|all| Ok(all.iter().any(|one| one.eq_ignore_ascii_case("vault"))));
    let status = text(connection, &["privateLinkServiceConnectionState", "status"]).or("Approved".to_owned());
    match (is_of_vault, status) {
        (Fact::Unset, _) => Fact::Unknown("its groupIds are not set".to_owned()),
        (Fact::Known(true), status) => status.then(|status| Ok(status.eq_ignore_ascii_case("Approved"))),
        (other, _) => other,
    }
}

/// What leads to the vault called `name`; unknown where nothing does for certain, and something perhaps does.
fn leading_to<'l, T>(name: &str, links: &'l [Link<T>], what: &str) -> Fact<Vec<&'l T>> {
    let (mut found, mut unknown) = (vec![], None);
    for link in links {
        match (leads_to(name, &link.to), &link.uncertain) {
            (Some(true), None) => found.push(&link.content),
            (Some(true), Some(why)) => unknown = Some(format!("{what} leads to it, but {why}")),
            (Some(false), _) => {}
            (None, _) => unknown = Some(format!("{what} leads to {}, which is not evaluated", words(&link.to))),
        }
    }
    Fact::found(found, unknown)
}

/// Whether an id is that of the vault called `name`, if that can be read.
fn leads_to(name: &str, id: &Value) -> Option<bool> {
    let (words, is_read) = (words(id), why(id).is_none());
    let lower = words.to_ascii_lowercase();
    match lower.rfind(ID) {
        Some(at) if words[at + ID.len()..].eq_ignore_ascii_case(name) => Some(true),
        None if lower.starts_with("microsoft.") => Some(false),
        _ => is_read.then_some(false),
    }
}

/// The id of the vault in the name of a setting below it: `NAME/Microsoft.Insights/SETTING`.
pub(super) fn vault_id(name: &str) -> Value {
    let end = name.to_ascii_lowercase().find("/microsoft.insights").unwrap_or(name.len());
    format!("Microsoft.KeyVault/vaults/{}", &name[..end]).into()
}
