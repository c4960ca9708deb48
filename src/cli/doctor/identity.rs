//! Whether the identity and the vault that this shell's variables name are the server's, as another configuration may have changed
//! them.

use hyper::Method;
use serde_json::Value;

use super::{DoctorContext, ENV, Finding};
use crate::cli::client::{AdminClient, path_segment};
use crate::cli::environment;
use crate::cli::known_vaults::KnownVaults;

const AREA: &str = "identity";
/// The variables by which programs find their vault; the first that is set counts.
const VAULT_URLS: [&str; 3] = ["VAULT_URL", "AZURE_KEYVAULT_URL", "KEYHAVEN_VAULT_URL"];

pub(super) async fn check(context: &DoctorContext, client: &AdminClient) -> Vec<Finding> {
    if !context.has_variables() || context.server.is_none() {
        return vec![];
    }
    let vault = vault_of(context);
    match unknown_vault(context, client, vault.as_ref()).await {
        Some(finding) => vec![finding],
        None => identity(context, client, vault.as_ref().map(|(_, name)| name.as_str())).await.into_iter().collect(),
    }
}

/// The variable that names this shell's vault, and the vault's name.
fn vault_of(context: &DoctorContext) -> Option<(&'static str, String)> {
    let (variable, url) = VAULT_URLS.iter().find_map(|name| Some((*name, context.variable(name)?)))?;
    Some((variable, environment::vault_of_url(url)?))
}

async fn unknown_vault(
    context: &DoctorContext,
    client: &AdminClient,
    vault: Option<&(&'static str, String)>,
) -> Option<Finding> {
    let (variable, name) = vault?;
    let why = KnownVaults::of(client).await.ok()?.expect(name).err()?.message;
    if context.makes("vaults") {
        return Some(Finding::ok(AREA, format!("{variable} names '{name}', which is made when it is asked for")));
    }
    let what = format!("{variable} names a vault that is not here: {why}");
    Some(Finding::wrong(AREA, what, format!("keyhaven vault create {name}, or {ENV}, and write .env files anew")))
}

async fn identity(context: &DoctorContext, client: &AdminClient, vault: Option<&str>) -> Option<Finding> {
    let id = context.variable("AZURE_CLIENT_ID")?;
    let all = client.json_request(Method::GET, "/admin/identities", None).await.ok()?;
    let is_it = |identity: &&Value| identity["clientId"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id));
    let anew = format!("{ENV}, and write .env files anew");
    let Some(identity) = all["identities"].as_array().into_iter().flatten().find(is_it) else {
        return Some(match context.makes("identities") {
            true => Finding::ok(AREA, format!("AZURE_CLIENT_ID {id} is made an identity when it signs in")),
            false => Finding::wrong(AREA, format!("AZURE_CLIENT_ID {id} is no identity here: it is refused"), anew),
        });
    };
    let name = identity["name"].as_str().unwrap_or_default();
    let Some(vault) = vault else { return Some(Finding::ok(AREA, format!("programs sign in as '{name}'"))) };
    let path = format!("/admin/vaults/{}", path_segment(vault));
    let entry = client.json_request(Method::GET, &path, None).await.ok()?;
    if entry["enableRbacAuthorization"] == true {
        return Some(Finding::ok(AREA, format!("programs sign in as '{name}'; roles decide in vault '{vault}'")));
    }
    let policies = &entry["accessPolicies"];
    if lets_in(policies, identity) {
        return Some(Finding::ok(AREA, format!("programs sign in as '{name}', which vault '{vault}' lets in")));
    }
    let what = format!("programs sign in as '{name}', which may do nothing in vault '{vault}'");
    let servers = |variable: &str| context.server.as_ref().and_then(|ready| ready.env.get(variable));
    let is_servers = servers("AZURE_CLIENT_ID").is_some_and(|known| known.eq_ignore_ascii_case(id))
        && servers("KEY_VAULT_NAME").is_some_and(|known| known.eq_ignore_ascii_case(vault));
    let other = all["identities"].as_array().into_iter().flatten().find(|one| lets_in(policies, one));
    let remedy = match other.and_then(|one| one["name"].as_str()) {
        Some(other) => {
            format!("eval \"$(keyhaven env --identity {other} --vault {vault})\", and write .env files anew")
        }
        None if is_servers => format!("it lets no identity in: give one permissions (keyhaven vault show {vault})"),
        None => anew,
    };
    Some(Finding::wrong(AREA, what, remedy))
}

/// Whether some policy is the identity's, or of a group of it, and grants something.
fn lets_in(policies: &Value, identity: &Value) -> bool {
    let groups = identity["groups"].as_array().into_iter().flatten();
    let ids: Vec<&Value> = groups.chain([&identity["objectId"]]).collect();
    let grants = |permissions: &Value| {
        let lists = permissions.as_object().into_iter().flatten();
        lists.into_iter().any(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()))
    };
    let mut all = policies.as_array().into_iter().flatten();
    all.any(|policy| ids.contains(&&policy["objectId"]) && grants(&policy["permissions"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_of_the_identity_or_its_group_lets_it_in_when_it_grants_something() {
        let identity = json!({"objectId": "a", "groups": ["g"]});
        let policy = |id: &str, keys: &[&str]| json!([{"objectId": id, "permissions": {"keys": keys, "secrets": []}}]);
        assert!(lets_in(&policy("a", &["get"]), &identity) && lets_in(&policy("g", &["get"]), &identity));
        assert!(!lets_in(&policy("a", &[]), &identity) && !lets_in(&policy("b", &["get"]), &identity));
    }
}
