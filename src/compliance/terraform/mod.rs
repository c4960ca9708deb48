//! Terraform plans, as `terraform show -json` prints them: vaults, keys and secrets, factories and linked services of azurerm and of azapi.

mod factories;
mod planned;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::arm;
use super::facts::{Dates, Fact, FactoryFacts, Facts, KeyFacts, Log, Resource, SecretFacts, VaultFacts};
use super::tree::{at, flag, list, moment, number, part, text, texts, why};
use crate::clock::Timestamp;

use factories::LINKED_SERVICE;
pub(super) use factories::{BLOCK, CONNECTION_STRINGS, CREDENTIALS, OF_FACTORIES};
use planned::{known, module};

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

/// The resources that are keys.
const KEYS: [&str; 2] = ["azurerm_key_vault_key.", "azurerm_key_vault_managed_hardware_security_module_key."];

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
            || ["azurerm_key_vault", OF_FACTORIES, "azapi_"].iter().any(|begin| kind.starts_with(begin));
        is_one.then(|| Resource {
            name: change["address"].as_str().unwrap_or_default().to_owned(),
            pointer: Some(format!("/deferred_changes/{index}")),
            is_azurerm: true,
            facts: Facts::Unread("the plan puts it off".to_owned()),
        })
    })
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

/// What of a resource leads to a vault or a factory.
struct Link<'a> {
    /// What the configuration has for the other's id.
    expression: &'a Value,
    /// The other's id, where the plan has it.
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
            OF_FACTORIES => Facts::Factory(Box::new(self.factory(planned))),
            "azurerm_data_factory_linked_custom_service" => {
                let properties = json!({"type": values["type"], "typeProperties": values["type_properties_json"]});
                Facts::LinkedService(Box::new(arm::linked_service(&properties)))
            }
            kind if kind.starts_with(LINKED_SERVICE) => {
                Facts::LinkedService(Box::new(factories::linked_service(kind, values)?))
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
            private_endpoints: self.endpoints(planned, arm::VAULT.groups),
            logs: self.logs(planned),
        }
    }

    fn factory(&self, planned: &Planned<'a>) -> FactoryFacts {
        let values = &planned.values;
        let public = flag(values, &["public_network_enabled"]).or(true);
        let repository = |block| text(values, &[block, "0", "repository_name"]);
        let repository = match repository("github_configuration") {
            Fact::Unset => repository("vsts_configuration"),
            found => found,
        };
        let customer_key = self.customer_key(planned);
        FactoryFacts {
            missing_role: self.grants().missing(&customer_key, self.refers_to_secrets(planned)),
            customer_key,
            repository,
            public_access: public.then(|on| Ok(if on { "Enabled" } else { "Disabled" }.to_owned())),
            private_endpoints: self.endpoints(planned, arm::FACTORY.groups),
        }
    }

    /// Whether a customer's key encrypts a factory: by its own attribute, else by a resource of its own.
    fn customer_key(&self, factory: &Planned<'a>) -> Fact<bool> {
        const KEY: &str = "customer_managed_key_id";
        match text(&factory.values, &[KEY]) {
            Fact::Known(id) if !id.is_empty() => Fact::Known(true),
            // What is not known before apply is one where the configuration names a key and nothing else.
            Fact::Unknown(_) if references::are_all_of(&factory.expressions[KEY], &KEYS) => Fact::Known(true),
            Fact::Unknown(why) => Fact::Unknown(why),
            _ => self.of_factory(factory, "azurerm_data_factory_customer_managed_key").then(|all| Ok(!all.is_empty())),
        }
    }

    /// The resources of the type `kind` that are in a factory.
    fn of_factory(&self, factory: &Planned<'a>, kind: &str) -> Fact<Vec<&Planned<'a>>> {
        const TARGET: &str = "data_factory_id";
        let link = |one: &Planned<'a>| {
            vec![Link {
                expression: &one.expressions[TARGET],
                id: text(&one.values, &[TARGET]),
                counts: Fact::Known(true),
            }]
        };
        self.leading_to(factory, kind, link)
    }

    /// Whether linked services of a factory refer to secrets, as far as that can be seen.
    fn refers_to_secrets(&self, factory: &Planned<'a>) -> bool {
        let kinds: BTreeSet<_> =
            self.all.iter().map(Planned::kind).filter(|kind| kind.starts_with(LINKED_SERVICE)).collect();
        let found = kinds.into_iter().filter_map(|kind| match self.of_factory(factory, kind) {
            Fact::Known(all) => Some(all),
            Fact::Unset | Fact::Unknown(_) => None,
        });
        let facts = found.flatten().filter_map(|one| factories::linked_service(one.kind(), &one.values));
        facts.into_iter().any(|facts| facts.refers_to_secrets == Fact::Known(true))
    }

    /// What the plan gives access to.
    fn grants(&self) -> arm::Grants {
        let mut grants = arm::Grants::default();
        for planned in &self.all {
            let of = |values: &Value| {
                ["key_permissions", "secret_permissions"].map(|name| texts(values, &[name], |one| text(one, &[])))
            };
            match planned.kind() {
                "azurerm_role_assignment" => {
                    let by_name = text(&planned.values, &["role_definition_name"]) != Fact::Unset;
                    grants
                        .add_role(&planned.values, if by_name { "role_definition_name" } else { "role_definition_id" });
                }
                "azurerm_key_vault_access_policy" => grants.add_policy(&of(&planned.values)),
                "azurerm_key_vault" => match list(&planned.values, &["access_policy"]) {
                    Fact::Known(all) => all.iter().for_each(|policy| grants.add_policy(&of(policy))),
                    Fact::Unset | Fact::Unknown(_) => {}
                },
                _ => {}
            }
        }
        grants
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
                (vault.private_endpoints, vault.logs) =
                    (self.endpoints(planned, arm::VAULT.groups), self.logs(planned));
                Facts::Vault(Box::new(vault))
            }
            "microsoft.datafactory/factories" => {
                let mut factory = arm::factory(properties);
                factory.private_endpoints = self.endpoints(planned, arm::FACTORY.groups);
                Facts::Factory(Box::new(factory))
            }
            "microsoft.datafactory/factories/linkedservices" => {
                Facts::LinkedService(Box::new(arm::linked_service(properties)))
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

    fn endpoints(&self, target: &Planned<'a>, groups: &[&str]) -> Fact<usize> {
        let found = self.leading_to(target, "azurerm_private_endpoint", |endpoint| connections(endpoint, groups));
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

/// The connections of a private endpoint; those to one of `groups` that need no approval by hand count.
fn connections<'a>(endpoint: &Planned<'a>, groups: &[&str]) -> Vec<Link<'a>> {
    const BLOCK: &str = "private_service_connection";
    const TARGET: &str = "private_connection_resource_id";
    let connections = endpoint.expressions[BLOCK].as_array().into_iter().flatten().enumerate();
    let of = |(index, one): (usize, &'a Value)| {
        let index = index.to_string();
        let manual = flag(&endpoint.values, &[BLOCK, &index, "is_manual_connection"]);
        let is_group = |one: &String| groups.iter().any(|group| group.eq_ignore_ascii_case(one));
        let given = texts(&endpoint.values, &[BLOCK, &index, "subresource_names"], |one| text(one, &[]));
        let counts = match (manual, given.then(|all| Ok(all.iter().any(is_group)))) {
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
    let is_target = |kind: &str| [arm::VAULT, arm::FACTORY].iter().any(|target| kind.starts_with(target.kind));
    match azapi_type(planned) {
        Ok((kind, _)) if !(is_target(&kind) || arm::deploys(&kind)) => None,
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
