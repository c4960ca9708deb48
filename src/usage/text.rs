//! Grants as text: of this program's configuration, az, Bicep and Terraform. Where a form has both, a vault in which a role assignment
//! allowed something gets roles, any other one access policies.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::grants::{Assignment, Grants, VaultGrants};
use super::labels::{Labelled, identifier, labelled};
use super::needs::Needs;
use super::quote::{bicep, comment, hcl, sh, within_hcl};
use super::vault_name;
use crate::access::roles::VAULTS;

/// The forms of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A configuration with access policies.
    Policy,
    /// A configuration with assignments of built-in roles.
    Roles,
    /// A configuration with custom roles and their assignments.
    CustomRole,
    /// Commands of the Azure CLI.
    Az,
    /// Bicep.
    Bicep,
    /// Terraform with the provider `azurerm`.
    Terraform,
}

impl Grants {
    /// The grants in this form, with a line end.
    pub(crate) fn text(&self, format: Format) -> String {
        match format {
            Format::Policy => pretty(&json!({"vaults": self.vaults.iter().map(policies).collect::<Vec<_>>()})),
            Format::Roles => {
                let all = self.vaults.iter().flat_map(|(vault, grants)| grants.assignments(vault));
                pretty(&json!({"roleAssignments": all.map(|one| assignment(&one)).collect::<Vec<_>>()}))
            }
            Format::CustomRole => pretty(&self.custom_roles()),
            Format::Az => self.each(az_policies, az_roles),
            Format::Bicep => self.each(bicep_policies, bicep_roles),
            Format::Terraform => self.each(terraform_policies, terraform_roles),
        }
    }

    /// A configuration that grants it: access policies, and role assignments for the vaults in which roles decided.
    pub(crate) fn configuration(&self) -> String {
        let mut all = serde_json::Map::new();
        let (by_roles, by_policies): (Vec<_>, Vec<_>) = self.vaults.iter().partition(|(_, grants)| grants.by_roles);
        all.insert("vaults".to_owned(), by_policies.into_iter().map(policies).collect());
        if !by_roles.is_empty() {
            let roles = by_roles.iter().flat_map(|(vault, grants)| grants.assignments(vault));
            all.insert("roleAssignments".to_owned(), roles.map(|one| assignment(&one)).collect());
        }
        all.retain(|_, entries| entries.as_array().is_some_and(|entries| !entries.is_empty()));
        pretty(&Value::Object(all))
    }

    fn each(&self, policies: fn(&Labelled<'_>) -> String, roles: fn(&Labelled<'_>) -> String) -> String {
        let text = |vault: Labelled<'_>| if vault.grants.by_roles { roles(&vault) } else { policies(&vault) };
        labelled(&self.vaults).map(text).collect::<Vec<_>>().join("\n")
    }

    fn custom_roles(&self) -> Value {
        let all: Vec<_> = self.vaults.iter().flat_map(|(vault, grants)| grants.custom(vault)).collect();
        let definition = |role: &super::grants::CustomRole| {
            json!({"properties": {
                "roleName": role.name, "description": "What was used, and no more.", "type": "CustomRole",
                "assignableScopes": [role.assignable_scope],
                "permissions": [{"actions": [], "notActions": [], "notDataActions": [],
                                 "dataActions": full_names(&role.data_actions)}]
            }})
        };
        json!({
            "roleDefinitions": all.iter().map(|(role, _)| definition(role)).collect::<Vec<_>>(),
            "roleAssignments": all.iter().map(|(_, one)| assignment(one)).collect::<Vec<_>>()
        })
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn full_names(actions: &BTreeSet<&'static str>) -> Vec<String> {
    actions.iter().map(|action| format!("{VAULTS}{action}")).collect()
}

fn assignment(one: &Assignment) -> Value {
    json!({"objectId": one.principal, "role": one.role, "scope": one.scope})
}

fn policies((vault, grants): (&String, &VaultGrants)) -> Value {
    let policy = |(principal, needs): (&Uuid, &Needs)| json!({"objectId": principal, "permissions": needs.permissions});
    json!({"name": vault_name(vault), "accessPolicies": grants.identities.iter().map(policy).collect::<Vec<_>>()})
}

fn az_policies(vault: &Labelled<'_>) -> String {
    let mut text = String::new();
    for (principal, needs) in &vault.grants.identities {
        let _ = writeln!(text, "# {}", comment(&needs.name));
        let _ = write!(text, "az keyvault set-policy --name {} --object-id {principal}", sh(vault.name()));
        for (collection, permissions) in &needs.permissions {
            let singular = collection.trim_end_matches('s');
            let all: Vec<_> = permissions.iter().copied().collect();
            let _ = write!(text, " --{singular}-permissions {}", all.join(" "));
        }
        text.push('\n');
    }
    text
}

fn az_roles(vault: &Labelled<'_>) -> String {
    let mut text = String::new();
    for Assignment { principal, name, role, scope, .. } in vault.grants.assignments(vault.id) {
        let _ = writeln!(text, "# {}", comment(&name));
        let _ = writeln!(
            text,
            "az role assignment create --assignee-object-id {principal} --assignee-principal-type ServicePrincipal \
             --role {} --scope {}",
            sh(&role),
            sh(&scope)
        );
    }
    text
}

/// The symbol of a vault, and its declaration. A deployment finds it in its own resource group alone.
fn bicep_vault(vault: &Labelled<'_>) -> (String, String) {
    let (symbol, name) = (format!("vault_{}", vault.label), bicep(vault.name()));
    let group = comment(vault.resource_group());
    let kind = "'Microsoft.KeyVault/vaults@2023-07-01'";
    let text =
        format!("// In the resource group {group}\nresource {symbol} {kind} existing = {{\n  name: {name}\n}}\n");
    (symbol, text)
}

fn bicep_policies(vault: &Labelled<'_>) -> String {
    let (symbol, mut text) = bicep_vault(vault);
    let _ = write!(
        text,
        "\nresource {symbol}__policies 'Microsoft.KeyVault/vaults/accessPolicies@2023-07-01' = {{\n  parent: {symbol}\n  \
         name: 'add'\n  properties: {{\n    accessPolicies: [\n"
    );
    for (principal, needs) in &vault.grants.identities {
        let _ = writeln!(
            text,
            "      // {}\n      {{\n        tenantId: subscription().tenantId\n        objectId: '{principal}'\n        \
             permissions: {{",
            comment(&needs.name)
        );
        for (collection, permissions) in &needs.permissions {
            let all: Vec<_> = permissions.iter().map(|one| format!("'{one}'")).collect();
            let _ = writeln!(text, "          {collection}: [ {} ]", all.join(", "));
        }
        text.push_str("        }\n      }\n");
    }
    text.push_str("    ]\n  }\n}\n");
    text
}

fn bicep_roles(vault: &Labelled<'_>) -> String {
    let (symbol, mut text) = bicep_vault(vault);
    let mut objects = BTreeSet::new();
    for (number, one) in vault.grants.assignments(vault.id).iter().enumerate() {
        let object = one.scope.strip_prefix(vault.id).unwrap_or_default().trim_start_matches('/');
        let scope = match object.split_once('/') {
            Some((collection, object)) => {
                let scope = format!("{symbol}__{collection}__{}", identifier(object));
                if objects.insert(scope.clone()) {
                    let _ = write!(
                        text,
                        "\nresource {scope} 'Microsoft.KeyVault/vaults/{collection}@2023-07-01' existing = {{\n  parent: \
                         {symbol}\n  name: {}\n}}\n",
                        bicep(object)
                    );
                }
                scope
            }
            None => symbol.clone(),
        };
        let (principal, role) = (one.principal, one.role_id.unwrap_or_default());
        let _ = write!(
            text,
            "\n// {}: {}\nresource {symbol}__role_{number} 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{\n  \
             scope: {scope}\n  name: guid({scope}.id, '{principal}', '{role}')\n  properties: {{\n    \
             principalId: '{principal}'\n    principalType: 'ServicePrincipal'\n    roleDefinitionId: \
             subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{role}')\n  }}\n}}\n",
            comment(&one.name),
            one.role
        );
    }
    text
}

fn terraform_vault(vault: &Labelled<'_>) -> String {
    let (label, name, group) = (&vault.label, hcl(vault.name()), hcl(vault.resource_group()));
    format!(
        "data \"azurerm_key_vault\" \"{label}\" {{\n  name                = {name}\n  resource_group_name = \
         {group}\n}}\n"
    )
}

fn terraform_policies(vault: &Labelled<'_>) -> String {
    let (label, mut text) = (&vault.label, terraform_vault(vault));
    for (number, (principal, needs)) in vault.grants.identities.iter().enumerate() {
        let _ = write!(
            text,
            "\n# {}\nresource \"azurerm_key_vault_access_policy\" \"{label}_{number}\" {{\n  key_vault_id = \
             data.azurerm_key_vault.{label}.id\n  tenant_id    = data.azurerm_key_vault.{label}.tenant_id\n  object_id    = \
             \"{principal}\"\n",
            comment(&needs.name)
        );
        for (collection, permissions) in &needs.permissions {
            let all: Vec<_> = permissions.iter().map(|one| format!("\"{}\"", terraform_permission(one))).collect();
            let _ = writeln!(text, "  {}_permissions = [{}]", collection.trim_end_matches('s'), all.join(", "));
        }
        text.push_str("}\n");
    }
    text
}

/// Terraform's spelling of a permission: a capital first, and in `GetRotationPolicy`.
fn terraform_permission(permission: &str) -> String {
    match permission {
        "getrotationpolicy" => "GetRotationPolicy".to_owned(),
        "setrotationpolicy" => "SetRotationPolicy".to_owned(),
        _ => permission[..1].to_ascii_uppercase() + &permission[1..],
    }
}

fn terraform_roles(vault: &Labelled<'_>) -> String {
    let (label, mut text) = (&vault.label, terraform_vault(vault));
    let assignments = vault.grants.assignments(vault.id);
    for (number, Assignment { principal, name, role, scope, .. }) in assignments.into_iter().enumerate() {
        let object = scope.strip_prefix(vault.id).unwrap_or_default();
        let scope = match object {
            "" => format!("data.azurerm_key_vault.{label}.id"),
            object => format!("\"${{data.azurerm_key_vault.{label}.id}}{}\"", within_hcl(object)),
        };
        let _ = write!(
            text,
            "\n# {}\nresource \"azurerm_role_assignment\" \"{label}_{number}\" {{\n  scope                = {scope}\n  \
             role_definition_name = {}\n  principal_id         = \"{principal}\"\n  principal_type       = \
             \"ServicePrincipal\"\n}}\n",
            comment(&name),
            hcl(&role)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Operation, Permission};
    use crate::usage::Usage;
    use crate::usage::quote::tests::words;
    use crate::usage::record::tests::GET;
    use crate::usage::{Request, Use};
    use hyper::Method;
    use proptest::prelude::*;

    static LIST: Operation = Operation {
        name: "KeyList",
        method: Method::GET,
        path: "/keys",
        permission: Permission::keys("list", "keys/read"),
    };
    static ROTATION: Operation = Operation {
        name: "KeyRotationPolicyGet",
        method: Method::GET,
        path: "/keys/{name}/rotationpolicy",
        permission: Permission::keys("getrotationpolicy", "keyrotationpolicies/read"),
    };
    const WORKER: &str = "00000000-0000-0000-0000-000000000007";

    fn grants(by_roles: bool) -> Grants {
        let mut usage = Usage::default();
        let mut add = |operation: &str, id: &str, status: u16| {
            let mut record = json!({
                "resourceId": "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000005/RESOURCEGROUPS/SHOP/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/ACME",
                "operationName": operation,
                "identity": {"claim": {"http://schemas.microsoft.com/identity/claims/objectidentifier": WORKER}},
                "properties": {"id": format!("https://acme.vault.azure.net/{id}"), "httpStatusCode": status, "identityName": "worker"}
            });
            if by_roles {
                record["properties"]["appliedAssignmentId"] = json!("x");
            }
            if status == 403 {
                record["properties"]["missing"] = json!("keys/getrotationpolicy");
            }
            usage.add_record(&record, &[&GET, &LIST, &ROTATION]);
        };
        add("SecretGet", "secrets/A/0123", 200);
        add("secretget", "secrets/a", 404);
        add("KeyList", "keys", 200);
        add("KeyRotationPolicyGet", "keys/k", 403);
        add("Authentication", "secrets/a", 401);
        let refused: Vec<_> = usage.refused().map(|(what, times)| (what.operation, times)).collect();
        assert_eq!(refused, [("KeyRotationPolicyGet", 1)]);
        Grants::of(&usage, &[&GET, &LIST, &ROTATION])
    }

    const VAULT: &str = "/subscriptions/00000000-0000-0000-0000-000000000005/resourceGroups/shop/providers/Microsoft.KeyVault/vaults/acme";

    fn value(format: Format) -> Value {
        serde_json::from_str(&grants(false).text(format)).unwrap()
    }

    #[test]
    fn configurations_hold_what_was_permitted_at_the_narrowest_place() {
        let permissions = json!({"keys": ["list"], "secrets": ["get"]});
        let policies = [json!({"objectId": WORKER, "permissions": permissions})];
        assert_eq!(value(Format::Policy), json!({"vaults": [{"name": "acme", "accessPolicies": policies}]}));
        let at =
            |role: &str, place: &str| json!({"objectId": WORKER, "role": role, "scope": format!("{VAULT}{place}")});
        let expected = [at("Key Vault Crypto Service Encryption User", ""), at("Key Vault Secrets User", "/secrets/a")];
        assert_eq!(value(Format::Roles), json!({"roleAssignments": expected}));
        let custom = value(Format::CustomRole);
        assert_eq!(custom["roleAssignments"], json!([at("worker in acme", "")]));
        let actions = ["Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/secrets/getSecret/action"];
        assert_eq!(custom["roleDefinitions"][0]["properties"]["permissions"][0]["dataActions"], json!(actions));
        crate::config::Config::parse(&custom.to_string()).unwrap();
        let of = |by_roles| serde_json::from_str::<Value>(&grants(by_roles).configuration()).unwrap();
        assert_eq!((of(false), of(true)), (value(Format::Policy), value(Format::Roles)));
    }

    #[test]
    fn commands_and_templates_follow_the_mode_of_the_vault() {
        let text = |by_roles, format| grants(by_roles).text(format);
        assert_eq!(
            text(false, Format::Az),
            format!(
                "# worker\naz keyvault set-policy --name 'acme' --object-id {WORKER} --key-permissions list \
                 --secret-permissions get\n"
            )
        );
        let roles = text(true, Format::Az);
        let last = format!(
            "az role assignment create --assignee-object-id {WORKER} --assignee-principal-type ServicePrincipal \
             --role 'Key Vault Secrets User' --scope '{VAULT}/secrets/a'"
        );
        assert_eq!(roles.lines().last(), Some(&*last));
        for (format, by_roles, parts) in [
            (Format::Bicep, false, ["parent: vault_acme", "keys: [ 'list' ]", "secrets: [ 'get' ]"]),
            (
                Format::Bicep,
                true,
                ["scope: vault_acme__secrets__a", "name: 'a'", "4633458b-17de-408a-b874-0445c86b69e6"],
            ),
            (
                Format::Terraform,
                false,
                ["resource_group_name = \"shop\"", "[\"List\"]", "secret_permissions = [\"Get\"]"],
            ),
            (
                Format::Terraform,
                true,
                ["data.azurerm_key_vault.acme.id}/secrets/a\"", "\"Key Vault Secrets User\"", WORKER],
            ),
        ] {
            let text = text(by_roles, format);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
        assert_eq!(
            terraform_permission("getrotationpolicy") + &terraform_permission("wrapKey"),
            "GetRotationPolicyWrapKey"
        );
    }

    #[test]
    fn each_symbol_of_a_program_is_declared_once() {
        let mut usage = Usage::default();
        for (group, vault, object, by_roles) in [
            ("shop", "a-x", "b", true),
            ("shop", "a-x-secrets-b", "c", true),
            ("shop", "a-x-role-0", "c", true),
            ("other", "a-x", "b", true),
            ("shop", "p", "c", false),
            ("shop", "p-policies", "c", false),
        ] {
            let vault = VAULT.replace("shop", group).replace("acme", vault);
            let what = Use { principal: Uuid::nil(), vault, operation: "SecretGet", object: Some(object.to_owned()) };
            usage.add(Request { what, name: None, was_refused: false, by_roles });
        }
        let grants = Grants::of(&usage, &[&GET]);
        for (format, words, expected) in [(Format::Bicep, 2, 16), (Format::Terraform, 3, 12)] {
            let text = grants.text(format);
            let declared = text.lines().filter(|line| line.starts_with("resource ") || line.starts_with("data "));
            let symbols: Vec<_> = declared.map(|line| line.split(' ').take(words).collect::<Vec<_>>()).collect();
            assert_eq!((symbols.len(), symbols.iter().collect::<BTreeSet<_>>().len()), (expected, expected), "{text}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            r#"[a-z';|&$(){}<>`"\\\n\r -]{1,12}"#,
            "[a-z]{3,8}",
            Just("x';id>pwned;'".to_owned())
        ]
    }

    proptest! {
        #[test]
        fn commands_are_one_a_line_whatever_the_audit_holds(
            records in proptest::collection::vec((text(), text(), text(), text(), any::<bool>()), 1..4),
        ) {
            let mut usage = Usage::default();
            for (group, vault, object, who, by_roles) in records {
                let mut record = json!({
                    "resourceId": format!("/SUBSCRIPTIONS/{}/RESOURCEGROUPS/{group}/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/{vault}", Uuid::nil()),
                    "operationName": "SecretGet",
                    "identity": {"claim": {"http://schemas.microsoft.com/identity/claims/objectidentifier": WORKER}},
                    "properties": {"id": format!("https://acme.vault.azure.net/secrets/{object}"), "httpStatusCode": 400, "identityName": who}
                });
                if by_roles {
                    record["properties"]["appliedAssignmentId"] = json!("x");
                }
                usage.add_record(&record, &[&GET]);
            }
            for line in Grants::of(&usage, &[&GET]).text(Format::Az).split('\n') {
                let command = words(line).is_some_and(|words| words.is_empty() || words[0] == "az" && words.len() > 5);
                prop_assert!(command || line.starts_with("# ") && !line.contains(char::is_control), "{:?}", line);
            }
        }
    }
}
