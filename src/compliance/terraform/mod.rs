//! Terraform plans, as `terraform show -json` prints them: vaults, keys and secrets of azurerm and of azapi.

mod references;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::arm;
use super::facts::{Dates, Fact, Facts, KeyFacts, Log, Resource, SecretFacts, VaultFacts};
use super::tree::{at, flag, list, moment, number, part, text, texts, unknown, why};
use crate::clock::Timestamp;

/// The resources of azurerm that deploy a template of Resource Manager.
const TEMPLATES: [&str; 5] = [
    "azurerm_resource_group_template_deployment",
    "azurerm_subscription_template_deployment",
    "azurerm_management_group_template_deployment",
    "azurerm_tenant_template_deployment",
    "azurerm_template_deployment",
];

/// The members of a diagnostic setting that say where its logs go.
const DESTINATIONS: [&str; 4] =
    ["log_analytics_workspace_id", "storage_account_id", "eventhub_authorization_rule_id", "partner_solution_id"];

/// Whether `file` is a plan.
pub(super) fn is_plan(file: &Value) -> bool {
    file["planned_values"]["root_module"].is_object()
}

/// The resources of a plan, as they are to be.
pub(super) fn resources(plan: &Value, now: Timestamp) -> Vec<Resource> {
    let mut planned = vec![];
    module(&plan["planned_values"]["root_module"], "/planned_values/root_module", &mut planned);
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    let changes: BTreeMap<_, _> =
        changes.filter_map(|change| Some((change["address"].as_str()?, &change["change"]))).collect();
    let root = &plan["configuration"]["root_module"];
    let mut reader = Reader { now, all: vec![] };
    for (pointer, resource) in planned {
        let change = resource["address"].as_str().and_then(|address| changes.get(address).copied());
        let values = known(&resource["values"], change.map_or(&Value::Null, |change| &change["after_unknown"]));
        let is_new = change.is_some_and(|change| {
            change["actions"].as_array().is_some_and(|actions| actions.iter().any(|action| action == "create"))
        });
        let expressions = references::expressions_of(root, resource["address"].as_str().unwrap_or_default());
        reader.all.push(Planned { pointer, resource, values, expressions, is_new });
    }
    reader.all.iter().filter_map(|planned| reader.read(planned)).chain(put_off(plan)).collect()
}

/// The resources that a plan puts off, and may be vaults or hold some.
fn put_off(plan: &Value) -> impl Iterator<Item = Resource> {
    let all = plan["deferred_changes"].as_array().into_iter().flatten().enumerate();
    all.filter_map(|(index, one)| {
        let change = &one["resource_change"];
        let kind = change["type"].as_str().unwrap_or_default();
        let is_one = kind.is_empty()
            || TEMPLATES.contains(&kind)
            || ["azurerm_key_vault", "azapi_"].iter().any(|begin| kind.starts_with(begin));
        is_one.then(|| Resource {
            name: change["address"].as_str().unwrap_or_default().to_owned(),
            pointer: Some(format!("/deferred_changes/{index}")),
            is_azurerm: true,
            facts: Facts::Unread("the plan puts it off".to_owned()),
        })
    })
}

/// Lists the resources of a module and of those in it, each with its pointer.
fn module<'a>(module: &'a Value, pointer: &str, all: &mut Vec<(String, &'a Value)>) {
    for (index, resource) in module["resources"].as_array().into_iter().flatten().enumerate() {
        if resource["mode"] != "data" {
            all.push((format!("{pointer}/resources/{index}"), resource));
        }
    }
    for (index, child) in module["child_modules"].as_array().into_iter().flatten().enumerate() {
        self::module(child, &format!("{pointer}/child_modules/{index}"), all);
    }
}

/// `values` with an unknown value wherever `after_unknown` says that a value is known after apply alone.
fn known(values: &Value, after_unknown: &Value) -> Value {
    match after_unknown {
        Value::Bool(true) => unknown("it is known after apply alone", "(known after apply)"),
        Value::Object(members) if !members.is_empty() => {
            let none = Map::new();
            let mut merged = values.as_object().unwrap_or(&none).clone();
            for (name, unknown) in members {
                let value = known(&values[name.as_str()], unknown);
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        Value::Array(items) => {
            let value = |(index, unknown): (usize, &Value)| known(&values[index], unknown);
            let more = values.as_array().into_iter().flatten().skip(items.len()).cloned();
            items.iter().enumerate().map(value).chain(more).collect()
        }
        _ => values.clone(),
    }
}

/// A resource as it is to be.
struct Planned<'a> {
    pointer: String,
    resource: &'a Value,
    /// Its values, with unknown ones.
    values: Value,
    /// What the configuration has for it.
    expressions: &'a Value,
    /// Whether the plan makes it.
    is_new: bool,
}

/// What of a resource leads to a vault.
struct Link<'a> {
    /// What the configuration has for the vault's id.
    expression: &'a Value,
    /// The vault's id, where the plan has it.
    id: Fact<String>,
    /// Whether it counts.
    counts: Fact<bool>,
}

struct Reader<'a> {
    now: Timestamp,
    all: Vec<Planned<'a>>,
}

impl Planned<'_> {
    fn address(&self) -> &str {
        self.resource["address"].as_str().unwrap_or_default()
    }

    fn kind(&self) -> &str {
        self.resource["type"].as_str().unwrap_or_default()
    }
}

impl<'a> Reader<'a> {
    fn read(&self, planned: &Planned<'a>) -> Option<Resource> {
        let values = &planned.values;
        let facts = match planned.kind() {
            "azurerm_key_vault" => Facts::Vault(Box::new(self.vault(planned))),
            "azurerm_key_vault_key" => Facts::Key(Box::new(key(values, self.dates(planned)))),
            "azurerm_key_vault_secret" => {
                Facts::Secret(SecretFacts { content_type: text(values, &["content_type"]), dates: self.dates(planned) })
            }
            "azapi_resource" => self.azapi(planned)?,
            "azapi_update_resource" | "azapi_resource_action" | "azapi_data_plane_resource" => {
                changed_in_part(planned)?
            }
            kind if TEMPLATES.contains(&kind) => Facts::Unread(arm::DEPLOYS.to_owned()),
            "" => Facts::Unread("it has no type".to_owned()),
            _ => return None,
        };
        Some(Resource {
            name: planned.address().to_owned(),
            pointer: Some(planned.pointer.clone()),
            is_azurerm: !planned.kind().starts_with("azapi_"),
            facts,
        })
    }

    fn vault(&self, planned: &Planned<'a>) -> VaultFacts {
        let values = &planned.values;
        let public = flag(values, &["public_network_access_enabled"]).or(true);
        let older = flag(values, &["enable_rbac_authorization"]);
        let roles = match (flag(values, &["rbac_authorization_enabled"]), older) {
            (Fact::Known(roles), _) | (_, Fact::Known(roles)) => Fact::Known(roles),
            (Fact::Unset, other) | (other, _) => other,
        };
        VaultFacts {
            api_version: Fact::Unset,
            create_mode: Fact::Unset,
            // azurerm asks for it always (resource_key_vault, from 2.42 on).
            soft_delete: Fact::Known(true),
            purge_protection: flag(values, &["purge_protection_enabled"]),
            roles,
            public_access: public.then(|on| Ok(if on { "Enabled" } else { "Disabled" }.to_owned())),
            default_action: text(values, &["network_acls", "0", "default_action"]),
            ip_rules: texts(values, &["network_acls", "0", "ip_rules"], |rule| text(rule, &[])),
            private_endpoints: self.endpoints(planned),
            logs: self.logs(planned),
        }
    }

    fn azapi(&self, planned: &Planned<'a>) -> Option<Facts> {
        let (kind, version) = match azapi_type(planned) {
            Ok(read) => read,
            Err(unread) => return Some(unread),
        };
        let body = part(&planned.values, "body");
        let properties = if why(body).is_some() { body } else { part(body, "properties") };
        Some(match kind.as_str() {
            "microsoft.keyvault/vaults" => {
                let none = || Fact::Unknown("its type has no api-version".to_owned());
                let mut vault = arm::vault(version.map_or_else(none, Fact::Known), properties);
                (vault.private_endpoints, vault.logs) = (self.endpoints(planned), self.logs(planned));
                Facts::Vault(Box::new(vault))
            }
            "microsoft.keyvault/vaults/keys" => Facts::Key(Box::new(arm::key(properties, self.created(planned)))),
            "microsoft.keyvault/vaults/secrets" => Facts::Secret(arm::secret(properties, self.created(planned))),
            kind if arm::deploys(kind) => Facts::Unread(arm::DEPLOYS.to_owned()),
            _ => return None,
        })
    }

    /// When an object was made: now, where the plan makes it.
    fn created(&self, planned: &Planned<'_>) -> Fact<Timestamp> {
        match planned.is_new {
            true => Fact::Known(self.now),
            false => Fact::Unknown("a plan does not say when it was made".to_owned()),
        }
    }

    fn dates(&self, planned: &Planned<'_>) -> Dates {
        let date = |name| moment(&planned.values, &[name]);
        Dates { created: self.created(planned), not_before: date("not_before_date"), expires: date("expiration_date") }
    }

    fn endpoints(&self, vault: &Planned<'a>) -> Fact<usize> {
        let found = self.leading_to(vault, "azurerm_private_endpoint", connections);
        found.then(|found| Ok(found.len()))
    }

    fn logs(&self, vault: &Planned<'a>) -> Fact<Vec<Log>> {
        let target = |setting: &Planned<'a>| {
            const TARGET: &str = "target_resource_id";
            let is_set = |name: &&str| at(&setting.values, &[name]) != Fact::Unset;
            let counts = Fact::Known(DESTINATIONS.iter().any(is_set));
            vec![Link { expression: &setting.expressions[TARGET], id: text(&setting.values, &[TARGET]), counts }]
        };
        let found = self.leading_to(vault, "azurerm_monitor_diagnostic_setting", target);
        found.then(|settings| Ok(settings.into_iter().flat_map(|setting| logs_of(&setting.values)).collect()))
    }

    /// The resources of the type `kind` that lead to `vault` by one of their `links`, where that one counts; unknown where none does
    /// for certain, and one perhaps does.
    fn leading_to(
        &self,
        vault: &Planned<'a>,
        kind: &str,
        links: impl Fn(&Planned<'a>) -> Vec<Link<'a>>,
    ) -> Fact<Vec<&Planned<'a>>> {
        let (mut found, mut unread) = (vec![], None);
        for planned in self.all.iter().filter(|planned| planned.kind() == kind) {
            for link in links(planned) {
                match (self.leads_to(planned.address(), &link, vault), link.counts) {
                    (Some(false), _) | (_, Fact::Known(false)) => {}
                    (Some(true), Fact::Known(true)) => found.push(planned),
                    (Some(true), Fact::Unknown(why)) => {
                        unread = Some(format!("{} leads to it, but {why}", planned.address()))
                    }
                    _ => unread = Some(format!("{} refers to what is not followed here", planned.address())),
                }
            }
        }
        Fact::found(found, unread)
    }

    /// Whether a link of the resource at `from` leads to `vault`, if that can be read: by the ids, where the plan has both.
    fn leads_to(&self, from: &str, link: &Link<'a>, vault: &Planned<'a>) -> Option<bool> {
        match (&link.id, text(&vault.values, &["id"])) {
            (Fact::Known(id), Fact::Known(of)) => Some(id.eq_ignore_ascii_case(&of)),
            _ => references::leads_to(from, link.expression, vault.address(), self.is_alone(vault)),
        }
    }

    /// Whether the plan has no other instance of the resource.
    fn is_alone(&self, planned: &Planned<'a>) -> bool {
        let name = references::without_index(planned.address());
        let same_kind = self.all.iter().filter(|one| one.kind() == planned.kind());
        same_kind.filter(|one| references::without_index(one.address()) == name).count() == 1
    }
}

/// The connections of a private endpoint; those to a vault that need no approval by hand count.
fn connections<'a>(endpoint: &Planned<'a>) -> Vec<Link<'a>> {
    const BLOCK: &str = "private_service_connection";
    const TARGET: &str = "private_connection_resource_id";
    let connections = endpoint.expressions[BLOCK].as_array().into_iter().flatten().enumerate();
    let of = |(index, one): (usize, &'a Value)| {
        let index = index.to_string();
        let manual = flag(&endpoint.values, &[BLOCK, &index, "is_manual_connection"]);
        let groups = texts(&endpoint.values, &[BLOCK, &index, "subresource_names"], |one| text(one, &[]));
        let counts = match (manual, groups.then(|all| Ok(all.iter().any(|one| one.eq_ignore_ascii_case("vault"))))) {
            (Fact::Known(true), _) | (_, Fact::Known(false)) => Fact::Known(false),
            (Fact::Known(false), Fact::Known(true)) => Fact::Known(true),
            (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Fact::Unknown(why),
            (Fact::Unset, _) => Fact::Unknown("its is_manual_connection is not there".to_owned()),
            (_, Fact::Unset) => Fact::Unknown("its subresource_names are not there".to_owned()),
        };
        Link { expression: &one[TARGET], id: text(&endpoint.values, &[BLOCK, &index, TARGET]), counts }
    };
    connections.map(of).collect()
}

/// The type of a resource of azapi, in lower case, and its api-version.
fn azapi_type(planned: &Planned<'_>) -> Result<(String, Option<String>), Facts> {
    match text(&planned.values, &["type"]) {
        Fact::Known(kind) => Ok(arm::type_and_version(&kind)),
        Fact::Unset => Err(Facts::Unread("its type is not there".to_owned())),
        Fact::Unknown(why) => Err(Facts::Unread(format!("its type cannot be read: {why}"))),
    }
}

/// What azapi changes of a resource that the plan does not have whole.
fn changed_in_part(planned: &Planned<'_>) -> Option<Facts> {
    match azapi_type(planned) {
        Ok((kind, _)) if !(kind.starts_with("microsoft.keyvault/vaults") || arm::deploys(&kind)) => None,
        Ok(_) => Some(Facts::Unread("it changes what is not whole in the plan".to_owned())),
        Err(unread) => Some(unread),
    }
}

/// The logs of a diagnostic setting.
fn logs_of(setting: &Value) -> Vec<Log> {
    let in_storage = text(setting, &["storage_account_id"]) != Fact::Unset;
    let of_block = |block| match list(setting, &[block]) {
        Fact::Known(all) => all.iter().map(|one| log(one, block, in_storage)).collect(),
        Fact::Unset => vec![],
        Fact::Unknown(why) => vec![Log { enabled: Fact::Unknown(why), in_storage, retention_days: Fact::Unset }],
    };
    ["enabled_log", "log"].into_iter().flat_map(of_block).collect()
}

fn key(values: &Value, dates: Dates) -> KeyFacts {
    let automatic = |name| text(values, &["rotation_policy", "0", "automatic", "0", name]);
    KeyFacts {
        kty: text(values, &["key_type"]),
        size: number(values, &["key_size"]),
        curve: text(values, &["curve"]),
        rotates: arm::scheduled(&automatic("time_after_creation"), &automatic("time_before_expiry"), &dates),
        dates,
    }
}

/// A block of a diagnostic setting: `enabled_log`, or `log` of older versions.
fn log(block: &Value, name: &str, in_storage: bool) -> Log {
    let enabled = if name == "enabled_log" { Fact::Known(true) } else { flag(block, &["enabled"]).or(true) };
    let [policy, days] = ["enabled", "days"].map(|name| ["retention_policy", "0", name]);
    Log::of(enabled, in_storage, flag(block, &policy), number(block, &days))
}

#[cfg(test)]
mod tests;
