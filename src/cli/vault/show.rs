//! `keyhaven vault show`: a vault's settings, policies and objects.

use hyper::Method;
use serde_json::Value;

use super::Vault;
use crate::app::Scope;
use crate::cli::Failure;
use crate::cli::client::path_segment;
use crate::cli::columns::{Columns, NONE, list, text};
use crate::cli::known_vaults::KnownVaults;
use crate::cli::objects::{Kind, count_of, kinds};

/// The collections that a policy grants permissions on.
const COLLECTIONS: [&str; 3] = ["keys", "secrets", "certificates"];

impl Vault {
    pub(super) async fn show(&self, name: Option<&str>) -> Result<(), Failure> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.client.default_vault().await?,
        };
        KnownVaults::of(&self.client).await?.expect(&name)?;
        let path = format!("/admin/vaults/{}", path_segment(&name));
        let vault = self.client.json_request(Method::GET, &path, None).await?;
        let access = match vault["enableRbacAuthorization"] == true {
            true => {
                let all = self.client.json_request(Method::GET, "/admin/role-assignments", None).await?;
                roles(&all["roleAssignments"], &text(&vault["id"]))
            }
            false => {
                let identities = self.client.json_request(Method::GET, "/admin/identities", None).await?;
                policies(&vault["accessPolicies"], &identities["identities"])
            }
        };
        self.client.print(&vault, &format!("{}\n\n{access}", settings(&vault)));
        Ok(())
    }
}

/// The role assignments at the vault called by `id`, above it and below it. Those of management groups are shown too: which
/// subscriptions are in one is not known here.
fn roles(assignments: &Value, id: &str) -> String {
    let Ok(vault) = Scope::parse(id) else { return String::new() };
    let concerns =
        |scope: &Scope| scope.contains(&vault) || vault.contains(scope) || scope.management_group().is_some();
    let all = assignments.as_array().into_iter().flatten();
    let all = all.filter_map(|one| Some((one, Scope::parse(one["scope"].as_str()?).ok()?)));
    let all: Vec<_> = all.filter(|(_, scope)| concerns(scope)).collect();
    if all.is_empty() {
        return "roles decide, and there is no role assignment here: nothing is allowed to anyone".to_owned();
    }
    let mut columns = Columns::new(&["identity", "role", "scope"]);
    for (one, scope) in all {
        let identity = if one["identity"].is_null() { text(&one["objectId"]) } else { text(&one["identity"]) };
        let place = match scope.relative_to(&vault) {
            Some("") => "the vault",
            Some(below) => below,
            None => scope.as_str(),
        };
        columns.row([identity, text(&one["role"]), place.to_owned()]);
    }
    columns.text()
}

fn settings(vault: &Value) -> String {
    let mut columns = Columns::without_headings();
    let days = vault["softDeleteRetentionInDays"].as_u64().unwrap_or_default();
    let retention = match vault["enableSoftDelete"].as_bool() {
        Some(false) => "off: what is deleted is gone".to_owned(),
        _ => format!("{days} days"),
    };
    let protection = if vault["enablePurgeProtection"] == true { "on" } else { "off" };
    for (name, value) in [
        ("name", text(&vault["name"])),
        ("sku", text(&vault["sku"])),
        ("aliases", list(&vault["aliases"])),
        ("soft delete", retention),
        ("purge protection", protection.to_owned()),
        ("deletion delay", text(&vault["deletionDelay"])),
        ("network", network(vault)),
    ] {
        columns.row([name.to_owned(), value]);
    }
    for kind in kinds() {
        columns.row([kind.collection().to_owned(), count(vault, kind)]);
    }
    columns.text()
}

/// From where the vault is reached.
fn network(vault: &Value) -> String {
    let acls = &vault["networkAcls"];
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    let trusted = if acls["bypass"] == "None" { "" } else { ", and trusted services" };
    let endpoints = count(&vault["privateEndpoints"]);
    match (vault["publicNetworkAccess"].as_str(), acls["defaultAction"].as_str()) {
        (Some("Disabled"), _) => format!("closed: {endpoints} private endpoints{trusted}"),
        (Some("SecuredByPerimeter"), _) => format!("its perimeters, and {endpoints} private endpoints"),
        (_, Some("Deny")) => {
            let rules = count(&acls["ipRules"]) + count(&acls["virtualNetworkRules"]);
            format!("firewall: {rules} rules, {endpoints} private endpoints{trusted}")
        }
        _ => "open".to_owned(),
    }
}

/// `3, and 1 deleted`.
fn count(vault: &Value, kind: Kind) -> String {
    let live = count_of(vault, kind, "live");
    match count_of(vault, kind, "deleted") {
        0 => live.to_string(),
        deleted => format!("{live}, and {deleted} deleted"),
    }
}

/// The access policies, each with the name of its identity.
fn policies(policies: &Value, identities: &Value) -> String {
    let all: Vec<&Value> = policies.as_array().into_iter().flatten().collect();
    if all.is_empty() {
        return "no access policies: nothing is allowed to anyone".to_owned();
    }
    let mut columns = Columns::new(&["identity", "keys", "secrets", "certificates"]);
    for policy in all {
        let [keys, secrets, certificates] = COLLECTIONS.map(|collection| list(&policy["permissions"][collection]));
        columns.row([identity(policy, identities), keys, secrets, certificates]);
    }
    columns.text()
}

/// The name of the identity that a policy speaks of, else its object id: a group has no name here.
fn identity(policy: &Value, identities: &Value) -> String {
    let mut all = identities.as_array().into_iter().flatten();
    let named = all.find(|identity| identity["objectId"] == policy["objectId"]);
    let name = named.map_or_else(|| text(&policy["objectId"]), |identity| text(&identity["name"]));
    match policy["applicationId"].as_str() {
        Some(application) => format!("{name} through {application}"),
        None if name.is_empty() => NONE.to_owned(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_at_above_and_below_a_vault_are_shown_by_where_they_are() {
        let subscription = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002";
        let vault = format!("{subscription}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/acme");
        let shown = |scope: &str| {
            let one = json!([{"identity": null, "objectId": "me", "role": "Reader", "scope": scope}]);
            let text = roles(&one, &vault);
            text.lines().nth(1).map(|line| line.split_whitespace().last().unwrap().to_owned())
        };
        let is = |scope: &str, place: &str| assert_eq!(shown(scope).as_deref(), Some(place), "{scope}");
        is(&vault, "vault");
        is(&vault.to_uppercase(), "vault");
        is(&format!("{vault}/Secrets/One"), "/Secrets/One");
        for above in ["/", subscription, "/providers/Microsoft.Management/managementGroups/m"] {
            is(above, above);
        }
        for other in [format!("{vault}2"), format!("{subscription}0"), vault.replace("/g/", "/h/")] {
            assert_eq!(shown(&other), None, "{other}");
        }
    }
}
