//! `keyhaven policy check`: a file or a running server, held against Azure Policy's rules.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::ground::Ground;
use super::{keyhaven, refused};

/// A vault that keeps every rule that needs no parameter, as Bicep writes it.
fn template(vault: &Value) -> Value {
    let id = "[resourceId('Microsoft.KeyVault/vaults', parameters('vaultName'))]";
    let mut properties = json!({
        "tenantId": "[subscription().tenantId]", "sku": {"family": "A", "name": "premium"}, "accessPolicies": [],
        "enableSoftDelete": true, "enablePurgeProtection": "[parameters('protect')]", "enableRbacAuthorization": true,
        "publicNetworkAccess": "Disabled",
    });
    properties.as_object_mut().unwrap().extend(vault.as_object().unwrap().clone());
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "vaultName": {"type": "string", "defaultValue": "shop"},
            "protect": {"type": "bool"},
        },
        "resources": [
            {"type": "Microsoft.KeyVault/vaults", "apiVersion": "2023-07-01", "name": "[parameters('vaultName')]", "properties": properties},
            {"type": "Microsoft.Network/privateEndpoints", "name": "pe", "properties": {
                "privateLinkServiceConnections": [{"name": "pe", "properties": {"privateLinkServiceId": id, "groupIds": ["vault"]}}]}},
            {"type": "Microsoft.Insights/diagnosticSettings", "scope": id, "name": "logs", "properties": {
                "workspaceId": "w", "logs": [{"categoryGroup": "audit", "enabled": true}]}},
            {"type": "Microsoft.KeyVault/vaults/keys", "name": "[format('{0}/{1}', parameters('vaultName'), 'cmk')]",
             "properties": {"kty": "RSA-HSM", "keySize": 3072, "attributes": {"exp": 4_000_000_000_i64}}},
            {"type": "Microsoft.KeyVault/vaults/secrets", "name": "[format('{0}/{1}', parameters('vaultName'), 'sql')]",
             "properties": {"value": "hush", "contentType": "text/plain", "attributes": {"exp": 4_000_000_000_i64}}},
        ],
    })
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("main.json", &template(&json!({})));
        files.write("parameters.json", &json!({"parameters": {"protect": {"value": true}}}));
        files
    }

    fn write(&self, name: &str, content: &Value) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, format!("{content:#}")).unwrap();
        path
    }

    /// `keyhaven policy check` in the directory of the files; words are apart by blanks.
    fn check(&self, line: &str) -> Output {
        let mut command = keyhaven(&["policy", "check"]);
        command.args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    /// Status, stdout and stderr.
    fn said(&self, line: &str) -> (i32, String, String) {
        let output = self.check(line);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Why a line is not carried out.
    fn refused(&self, line: &str) -> String {
        let (status, stdout, stderr) = self.said(line);
        assert_eq!((status, stdout.as_str(), stderr.lines().count()), (2, "", 1), "{line}: {stdout}{stderr}");
        stderr
    }
}

#[test]
fn a_template_that_keeps_the_rules_is_good_and_each_finding_is_a_line_and_status_1() {
    let files = Files::new();
    let summary = "keyhaven: 0 findings; 3 resources held against 13 rules\n";
    assert_eq!(files.said("main.json --parameters parameters.json"), (0, String::new(), summary.to_owned()));
    let (status, found, said) = files.said("main.json");
    let why = "cannot be known here: the parameter 'protect' has no value (--parameters FILE)";
    let remedy = "set enableSoftDelete and enablePurgeProtection to true";
    assert_eq!((status, found), (1, format!("vault-deletion-protection shop: {why}; {remedy}\n")));
    assert_eq!(said, "keyhaven: 1 finding; 3 resources held against 13 rules\n");

    files.write("main.json", &template(&json!({"enableRbacAuthorization": false, "publicNetworkAccess": "Enabled"})));
    let (status, found, _) = files.said("main.json --parameters parameters.json");
    let rules: Vec<_> = found.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((status, rules), (1, vec!["vault-firewall", "vault-public-access", "vault-roles"]));
    assert!(
        found.contains("vault-roles shop: access policies decide, and no roles; set enableRbacAuthorization to true\n")
    );
    assert!(!found.contains("hush"));
}

#[test]
fn a_plan_is_read_from_standard_input_with_the_words_of_azurerm() {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": [
        {"address": "azurerm_key_vault_secret.sql", "mode": "managed", "type": "azurerm_key_vault_secret",
         "values": {"value": "hush", "content_type": "text/plain", "expiration_date": null}}]}}});
    let mut command = keyhaven(&["policy", "check", "-", "--report", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &read["file"]), (Some(1), &"stdin".into()));
    assert_eq!(read["findings"][0]["message"], "it never expires; set expiration_date");
    assert_eq!(read["findings"][0]["resource"], "azurerm_key_vault_secret.sql");
    assert_eq!(read["checked"].as_array().unwrap().len(), 2);
    assert!(!String::from_utf8(output.stdout).unwrap().contains("hush"));
}

#[test]
fn policies_of_azure_name_the_rules_and_their_parameters() {
    let files = Files::new();
    let one = |guid: &str, parameters: Value| json!([{"policyDefinitionId": format!("/providers/Microsoft.Authorization/policyDefinitions/{guid}"), "parameters": parameters}]);
    let (size, validity) = ("82067dbb-e53b-4e06-b631-546d197452d9", "342e8053-e12e-4c44-be01-c3c2f318400f");
    let check = "main.json --policies policies.json";
    files.write("policies.json", &one(size, json!({"minimumRSAKeySize": {"value": 4096}})));
    let (status, found, _) = files.said(check);
    assert_eq!((status, &*found), (1, "key-rsa-size shop/keys/cmk: it has 3072 bits; set keySize to 4096 or more\n"));
    let disabled = one(size, json!({"minimumRSAKeySize": {"value": 4096}, "Effect": {"value": "disabled"}}));
    let least = one(size, json!({"minimumRSAKeySize": {"value": 3072}, "Effect": {"value": "Audit"}}));
    files.write("policies.json", &json!([disabled[0], least[0]]));
    let one_rule = "keyhaven: 0 findings; 1 resource held against 1 rule\n";
    assert_eq!(files.said(check), (0, String::new(), one_rule.to_owned()));
    let mut initiative = json!({"properties": {"parameters": {"days": {"type": "Integer", "defaultValue": 90}}}});
    let days = json!({"maximumValidityInDays": {"value": "[parameters('days')]"}});
    initiative["properties"]["policyDefinitions"] = one(validity, days.clone());
    files.write("policies.json", &initiative);
    let (status, found, _) = files.said(check);
    assert!(
        status == 1 && found.ends_with("; set attributes.exp to 90 days after its creation at the latest\n"),
        "{found}"
    );

    let none = "it names no rule to check whose effect is not Disabled";
    for (policies, why) in [
        (json!([]), none),
        (disabled, none),
        (one(validity, json!([90])), "its parameters are no object"),
        (one(validity, json!({"effect": {"value": "Whatever"}})), "effect must be one of Audit, Deny, Disabled"),
        (one(validity, json!({})), "needs the parameter maximumValidityInDays, which has no default"),
        (
            one(validity, days),
            "maximumValidityInDays is [parameters('days')], which has no defaultValue in the initiative",
        ),
        (
            one(size, json!({"minimumRSAKeySize": {"value": 1024}})),
            "minimumRSAKeySize must be one of [2048, 3072, 4096]",
        ),
        (one(size, json!({"days": {"value": 1}})), "has no parameter days"),
        (one("00000000-0000-0000-0000-000000000000", json!({})), "no such rule is known here"),
        (json!({}), "neither an array of {\"policyDefinitionId\", \"parameters\"} nor an initiative"),
    ] {
        files.write("policies.json", &policies);
        let said = files.refused(check);
        assert!(said.contains("policies.json: ") && said.contains(why), "{said}");
    }
}

#[test]
fn a_file_that_is_neither_a_template_nor_a_plan_is_refused() {
    let files = Files::new();
    files.write("plan.json", &json!({"planned_values": {"root_module": {}}}));
    files.write("state.json", &json!({"version": 4, "resources": []}));
    for (line, why) in [
        (
            "state.json",
            "neither an ARM template (JSON with contentVersion and resources) nor what `terraform show -json PLAN` prints",
        ),
        ("plan.json --parameters parameters.json", "--parameters is for ARM templates, and this is a Terraform plan"),
        ("main.json --parameters state.json", "the file of --parameters has no parameters"),
        ("absent.json", "absent.json: No such file"),
    ] {
        assert!(files.refused(line).contains(why), "{line}: {}", files.refused(line));
    }
    std::fs::write(files.0.path().join("main.bicep"), "param x string").unwrap();
    assert!(files.refused("main.bicep").contains("main.bicep: no JSON: "));
    assert_eq!(
        files.said("plan.json"),
        (0, String::new(), "keyhaven: 0 findings; 0 resources held against 0 rules\n".to_owned())
    );
}

#[test]
fn the_rules_are_listed() {
    let files = Files::new();
    let (status, listed, _) = files.said("--list");
    assert_eq!((status, listed.lines().count()), (0, 29));
    let line = listed.lines().find(|line| line.starts_with("key-rsa-size ")).unwrap();
    assert!(line.contains("82067dbb-e53b-4e06-b631-546d197452d9") && line.ends_with("minimumRSAKeySize"), "{line}");
    let read: Value = serde_json::from_str(&files.said("--list --report json").1).unwrap();
    let expected = json!({
        "rule": "secret-content-type", "of": "secret", "version": "1.0.1", "title": "Secrets should have content type set",
        "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/75262d3e-ba4a-4f43-85f8-9f72c090e5e3",
        "effects": ["Audit", "Deny", "Disabled"], "parameters": [],
    });
    assert_eq!(read["rules"][20], expected);
    assert!(
        refused(&["policy", "check", "--list", "--report", "junit"], 2).contains("--list: give --report text or json")
    );
}

#[test]
fn the_vaults_of_a_running_server_are_checked_and_no_value_is_read() {
    let ground = Ground::with_config(
        r#"{"vaults": [
            {"name": "good", "sku": "premium", "enablePurgeProtection": true, "enableRbacAuthorization": true,
             "publicNetworkAccess": "Disabled", "privateEndpoints": [{"name": "pe", "ranges": ["10.0.0.0/8"]}],
             "keys": [{"name": "cmk", "kty": "EC-HSM"}]},
            {"name": "plain", "enableSoftDelete": false, "keys": [{"name": "k", "kty": "EC"}],
             "secrets": [{"name": "s", "value": "hush"}]}]}"#,
    );
    let output = ground.run("policy check", b"");
    let (found, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<_> = found.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(
        lines,
        [
            "key-expiration good/keys/cmk",
            "vault-soft-delete plain",
            "vault-deletion-protection plain",
            "vault-firewall plain",
            "vault-public-access plain",
            "vault-private-link plain",
            "vault-roles plain",
            "key-expiration plain/keys/k",
            "key-hsm plain/keys/k",
            "secret-expiration plain/secrets/s",
            "secret-content-type plain/secrets/s",
        ]
    );
    let absent = "keyhaven: not checked: vault-resource-logs: a server's vaults have no diagnostic settings\n";
    assert_eq!(said, format!("{absent}keyhaven: 11 findings; 5 resources held against 13 rules\n"));
    assert!(!found.contains("hush"));
    let audit = ground.ok("audit --json");
    assert!(audit.contains("VaultSecretList") && !audit.contains("SecretGet"), "{audit}");

    let policies = ground.dir.path().join("policies.json");
    let validity = json!([{"policyDefinitionId": "e8d99835-8a06-45ae-a8e0-87a91941ccfe", "parameters": {"maximumValidityInDays": {"value": 1}}}]);
    std::fs::write(&policies, validity.to_string()).unwrap();
    let policies = policies.to_str().unwrap();
    assert_eq!(ground.run(&format!("policy check --policies {policies}"), b"").status.code(), Some(0));
}

#[test]
fn a_factory_under_its_key_without_its_secrets_is_a_warning_beside_the_findings() {
    let files = Files::new();
    let role =
        "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'e147488a-f6f5-4113-8e2d-b22465e65bf6')]";
    let definition = json!({"type": "AzureSqlDatabase", "typeProperties": {
        "connectionString": "Server=s;Database=d", "password": {"type": "AzureKeyVaultSecret", "secretName": "sql"}}});
    let factory = json!({"encryption": {"vaultBaseUrl": "https://kv.vault.azure.net", "keyName": "cmk"}, "publicNetworkAccess": "Disabled",
        "repoConfiguration": {"repositoryName": "r"}});
    let resources = json!([
        {"type": "Microsoft.DataFactory/factories", "name": "shop", "properties": factory},
        {"type": "Microsoft.DataFactory/factories/linkedServices", "name": "shop/sql", "properties": definition},
        {"type": "Microsoft.Authorization/roleAssignments", "name": "r", "properties": {"roleDefinitionId": role}},
    ]);
    files.write("main.json", &json!({"contentVersion": "1.0.0.0", "resources": resources}));
    let (status, found, said) = files.said("main.json");
    let link = "factory-private-link shop: it has no approved private endpoint; add a private endpoint of the group dataFactory that leads \
                to it\n";
    assert_eq!((status, found.as_str()), (1, link));
    let missing = "keyhaven: warning: factory-secrets-role shop: its linked services refer to secrets, and the file gives access to its key \
                   alone; assign Key Vault Secrets User at the vault to the factory's identity, or a policy with get for secrets";
    let open = "keyhaven: warning: linked-service-in-transit shop/linkedservices/sql: its connection string does not ask for encryption; \
                write DefaultEndpointsProtocol=https into a connection string of storage, Encrypt=true into one of SQL";
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [missing, open, "keyhaven: 1 finding; 2 resources held against 6 rules"]
    );

    let (status, json, _) = files.said("main.json --report json");
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (status, read["warnings"].as_array().unwrap().len(), &read["warnings"][0]["result"]),
        (1, 2, &json!("Warning"))
    );
    assert_eq!(read["checked"].as_array().unwrap().len(), 6);
    let (_, sarif, _) = files.said("main.json --report sarif");
    let read: Value = serde_json::from_str(&sarif).unwrap();
    let levels: Vec<_> =
        read["runs"][0]["results"].as_array().unwrap().iter().map(|one| one["level"].clone()).collect();
    assert_eq!(levels, ["warning", "note", "note"]);

    let only = json!([{"policyDefinitionId": "6809a3d0-d354-42fb-b955-783d207c62a8", "parameters": {
        "allowedLinkedServiceResourceTypes": {"value": ["AzureKeyVault"]}, "effect": {"value": "Deny"}}}]);
    files.write("policies.json", &only);
    let (status, found, _) = files.said("main.json --policies policies.json");
    let kind = "linked-service-type shop/linkedservices/sql: its type is AzureSqlDatabase; take one of the allowed types: AzureKeyVault\n";
    assert_eq!((status, found.as_str()), (1, kind));
}
