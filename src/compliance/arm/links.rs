//! What other resources of a template say of a vault or a factory: private endpoints, diagnostic settings. One that is perhaps not
//! made, or whose target cannot be read, makes that unknown.

use serde_json::Value;

use super::super::facts::{Fact, Log};
use super::super::tree::{at, list, member, part, text, texts, unknown, why, words};
use super::facts::log;
use super::scope::Scope;

/// What private endpoints lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// How its id begins, after what it is in: its type, in lower case.
    pub(crate) kind: &'static str,
    /// The groups of its private endpoints.
    pub(crate) groups: &'static [&'static str],
}

/// A vault.
pub(crate) const VAULT: Target = Target { kind: "microsoft.keyvault/vaults", groups: &["vault"] };
/// A data factory; Azure's rule counts both groups.
pub(crate) const FACTORY: Target =
    Target { kind: "microsoft.datafactory/factories", groups: &["dataFactory", "portal"] };

/// The members of a diagnostic setting that say where its logs go.
const DESTINATIONS: [&str; 5] =
    ["workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId", "serviceBusRuleId"];

/// The resources that lead to others.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Each with its groups, where it is not rejected.
    endpoints: Vec<Link<Fact<Vec<String>>>>,
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
    /// Adds what a private endpoint leads to without being approved by hand.
    pub(super) fn add_endpoint(&mut self, endpoint: &Value, scope: &Scope<'_>, uncertain: &Option<String>) {
        let properties = scope.evaluated(part(endpoint, "properties"));
        let link = |connection: &Value| {
            let connection = part(connection, "properties");
            let to = member(connection, "privateLinkServiceId")?.clone();
            Some(Link { to, uncertain: uncertain.clone(), content: approved_groups(connection)? })
        };
        match list(&properties, &["privateLinkServiceConnections"]) {
            Fact::Known(all) => self.endpoints.extend(all.iter().filter_map(link)),
            Fact::Unset => {}
            Fact::Unknown(why) => {
                let to = unknown(why.clone(), "{privateLinkServiceConnections}");
                self.endpoints.push(Link { to, uncertain: uncertain.clone(), content: Fact::Unknown(why) });
            }
        }
    }

    /// Adds a connection of the target with this id, of which its own resource says that it is approved.
    pub(super) fn add_connection(&mut self, target: Target, id: Value, uncertain: &Option<String>) {
        let groups = target.groups.iter().map(|group| (*group).to_owned()).collect();
        self.endpoints.push(Link { to: id, uncertain: uncertain.clone(), content: Fact::Known(groups) });
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

    /// How many private endpoints lead to the `target` called `name`.
    pub(super) fn endpoints(&self, target: Target, name: &str) -> Fact<usize> {
        let links: Vec<_> = self.endpoints.iter().filter_map(|link| link.of(target)).collect();
        leading_to((target, name), &links, "a private endpoint").then(|found| Ok(found.len()))
    }

    /// The logs of the vault called `name`.
    pub(super) fn logs(&self, name: &str) -> Fact<Vec<Log>> {
        leading_to((VAULT, name), &self.settings, "a diagnostic setting").then(|found| {
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

impl Link<Fact<Vec<String>>> {
    /// The link to a `target`; none where its groups are those of others.
    fn of(&self, target: Target) -> Option<Link<()>> {
        let is_group = |one: &String| target.groups.iter().any(|group| group.eq_ignore_ascii_case(one));
        let unknown = match &self.content {
            Fact::Known(groups) if groups.iter().any(is_group) => None,
            Fact::Known(_) => return None,
            Fact::Unset => Some("its groupIds are not set".to_owned()),
            Fact::Unknown(why) => Some(why.clone()),
        };
        Some(Link { to: self.to.clone(), uncertain: self.uncertain.clone().or(unknown), content: () })
    }
}

/// The groups of a connection; none where it is rejected, or waits.
fn approved_groups(connection: &Value) -> Option<Fact<Vec<String>>> {
    let groups = texts(connection, &["groupIds"], |one| text(one, &[]));
    let status = text(connection, &["privateLinkServiceConnectionState", "status"]).or("Approved".to_owned());
    match (groups, status) {
        (_, Fact::Known(status)) if !status.eq_ignore_ascii_case("Approved") => None,
        (_, Fact::Unknown(why)) => Some(Fact::Unknown(why)),
        (groups, _) => Some(groups),
    }
}

/// What leads to the target called `name`; unknown where nothing does for certain, and something perhaps does.
fn leading_to<'l, T>((target, name): (Target, &str), links: &'l [Link<T>], what: &str) -> Fact<Vec<&'l T>> {
    let (mut found, mut unknown) = (vec![], None);
    for link in links {
        match (leads_to(target, name, &link.to), &link.uncertain) {
            (Some(true), None) => found.push(&link.content),
            (Some(true), Some(why)) => unknown = Some(format!("{what} leads to it, but {why}")),
            (Some(false), _) => {}
            (None, _) => unknown = Some(format!("{what} leads to {}, which is not evaluated", words(&link.to))),
        }
    }
    Fact::found(found, unknown)
}

/// Whether an id is that of the target called `name`, if that can be read.
fn leads_to(target: Target, name: &str, id: &Value) -> Option<bool> {
    let (words, is_read) = (words(id), why(id).is_none());
    let lower = words.to_ascii_lowercase();
    let begin = format!("{}/", target.kind);
    match lower.rfind(&begin) {
        Some(at) if words[at + begin.len()..].eq_ignore_ascii_case(name) => Some(true),
        None if lower.starts_with("microsoft.") => Some(false),
        _ => is_read.then_some(false),
    }
}

/// The id of the vault in the name of a setting below it: `NAME/Microsoft.Insights/SETTING`.
pub(super) fn vault_id(name: &str) -> Value {
    let end = name.to_ascii_lowercase().find("/microsoft.insights").unwrap_or(name.len());
    format!("Microsoft.KeyVault/vaults/{}", &name[..end]).into()
}
