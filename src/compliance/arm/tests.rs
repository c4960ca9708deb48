//! Templates, typed by hand in the form that Bicep gives them.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::compliance::facts::{Fact, Facts, Resource, VaultFacts};

const NOW: i64 = 1_767_225_600;

fn read(template: &Value, parameters: Option<Value>) -> Vec<Resource> {
    assert!(super::is_template(template));
    super::resources(template, parameters.as_ref(), Timestamp::from_unix(NOW)).unwrap()
}

fn template(members: Value) -> Value {
    let mut template = json!({"contentVersion": "1.0.0.0"});
    template.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    template
}

fn vault(resource: &Resource) -> &VaultFacts {
    match &resource.facts {
        Facts::Vault(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn names(resources: &[Resource]) -> Vec<(&str, &str)> {
    resources.iter().map(|one| (one.name.as_str(), one.pointer.as_deref().unwrap())).collect()
}

#[test]
fn parameters_and_variables_are_followed_and_the_rest_is_not_evaluated() {
    let template = template(json!({
        "parameters": {
            "name": {"type": "string", "defaultValue": "[format('kv-{0}', uniqueString(resourceGroup().id))]"},
            "protect": {"type": "bool", "defaultValue": true},
            "network": {"type": "object"},
            "given": {"type": "string"},
            "fromVault": {"type": "securestring"},
        },
        "variables": {"soft": "[parameters('protect')]", "around": "[variables('around')]"},
        "resources": [{
            "type": "Microsoft.KeyVault/vaults", "apiVersion": "2023-07-01", "name": "[parameters('name')]",
            "properties": {
                "enableSoftDelete": "[variables('soft')]", "enablePurgeProtection": "[PARAMETERS('Protect')]",
                "enableRbacAuthorization": "[equals(1, 1)]", "publicNetworkAccess": "[parameters('given')]",
                "createMode": "[parameters('fromVault')]",
                "networkAcls": {
                    "defaultAction": "[parameters('network').action]",
                    "copy": [{"name": "ipRules", "count": 1, "input": {"value": "10.0.0.0/8"}}],
                },
            },
        }],
    }));
    let parameters = json!({"parameters": {
        "network": {"value": {"action": "Deny"}}, "fromVault": {"reference": {"secretName": "s"}},
    }});
    let found = read(&template, Some(parameters));
    assert_eq!(names(&found), [("kv-{uniqueString(resourceGroup().id)}", "/resources/0")]);
    let facts = vault(&found[0]);
    assert_eq!((&facts.soft_delete, &facts.purge_protection), (&Fact::Known(true), &Fact::Known(true)));
    assert_eq!(facts.roles, Fact::Unknown("[equals(1, 1)] is not evaluated".to_owned()));
    let unknown = |why: &str| Fact::<String>::Unknown(why.to_owned());
    assert_eq!(facts.public_access, unknown("the parameter 'given' has no value (--parameters FILE)"));
    assert_eq!(facts.create_mode, unknown("the parameter 'fromVault' comes from a vault"));
    assert_eq!(facts.default_action, Fact::Known("Deny".to_owned()));
    assert_eq!(facts.ip_rules, Fact::Unknown("a loop makes it".to_owned()));
    assert!(super::resources(&template, Some(&json!({})), Timestamp::from_unix(NOW)).is_err());
}

#[test]
fn resources_are_found_by_symbolic_names_below_vaults_and_in_nested_deployments() {
    let nested = |scope: &str, name: &str| {
        json!({
            "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "module",
            "properties": {
                "expressionEvaluationOptions": {"scope": scope},
                "parameters": {"vaultName": {"value": "[parameters('outer')]"}},
                "template": {
                    "parameters": {"vaultName": {"type": "string"}, "outer": {"type": "string", "defaultValue": "inside"}},
                    "resources": [{"type": "Microsoft.KeyVault/vaults", "name": name, "properties": {}}],
                },
            },
        })
    };
    let template = template(json!({
        "languageVersion": "2.0",
        "parameters": {"outer": {"type": "string", "defaultValue": "kv"}},
        "resources": {
            "a/b": {"existing": true, "type": "Microsoft.KeyVault/vaults", "name": "old"},
            "cmk": {"type": "Microsoft.KeyVault/vaults/keys", "name": "[format('{0}/{1}', 'old', 'cmk')]", "properties": {"kty": "EC"}},
            "inner": nested("inner", "[parameters('vaultName')]"),
            "linked": {"type": "Microsoft.Resources/deployments", "name": "far", "properties": {"templateLink": {"uri": "https://example.com/t"}}},
            "off": {"condition": false, "type": "Microsoft.KeyVault/vaults", "name": "off"},
            "outer": nested("outer", "[parameters('outer')]"),
            "parent": {"condition": "[equals(1, 2)]", "type": "Microsoft.KeyVault/vaults", "name": "p", "properties": {}, "resources": [
                {"type": "secrets", "name": "s", "properties": {"value": "x", "attributes": {"exp": 7}}},
            ]},
        },
    }));
    let found = read(&template, None);
    assert_eq!(
        names(&found),
        [
            ("kv", "/resources/inner/properties/template/resources/0"),
            ("kv", "/resources/outer/properties/template/resources/0"),
            ("p", "/resources/parent"),
            ("old/keys/cmk", "/resources/cmk"),
            ("far", "/resources/linked"),
            ("p/secrets/s", "/resources/parent/resources/0"),
        ]
    );
    assert!(matches!(&found[4].facts, Facts::Unread(why) if why == "it deploys a template that is not in the file"));
    let Facts::Key(key) = &found[3].facts else { panic!("a key") };
    assert_eq!((&key.size, &key.curve), (&Fact::Known(2048), &Fact::Known("P-256".to_owned())));
    assert_eq!(key.dates.created, Fact::Known(Timestamp::from_unix(NOW)));
    let Facts::Secret(secret) = &found[5].facts else { panic!("a secret") };
    assert_eq!(secret.dates.expires, Fact::Known(Timestamp::from_unix(7)));
}

#[test]
fn a_key_rotates_as_its_policy_says() {
    let rotates = |actions: Value, exp: Value| {
        let properties = json!({"attributes": {"exp": exp}, "rotationPolicy": {"lifetimeActions": actions}});
        super::key(&properties, Fact::Known(Timestamp::from_unix(NOW))).rotates
    };
    let action = |kind: &str, trigger: Value| json!({"action": {"type": kind}, "trigger": trigger});
    let at = |days: i64| Fact::Known(Timestamp::from_unix(NOW + days * 86_400));
    let notify = action("notify", json!({"timeBeforeExpiry": "P30D"}));
    let after = action("Rotate", json!({"timeAfterCreate": "P90D"}));
    assert_eq!(rotates(json!([notify, after]), Value::Null), at(90));
    let before = action("rotate", json!({"timeBeforeExpiry": "P7D"}));
    assert_eq!(rotates(json!([before]), json!(NOW + 10 * 86_400)), at(3));
    assert_eq!(rotates(json!([before]), Value::Null), Fact::Unset, "nothing comes before no end");
    assert_eq!(rotates(json!([notify]), Value::Null), Fact::Unset);
    let odd = action("rotate", json!({"timeAfterCreate": "soon"}));
    assert_eq!(rotates(json!([odd]), Value::Null), Fact::Unknown("'soon' is no length of time".to_owned()));
}

#[test]
fn private_endpoints_and_logs_belong_to_the_vault_that_they_lead_to() {
    let endpoint = |id: &str| {
        json!({"type": "Microsoft.Network/privateEndpoints", "name": "pe", "properties": {
            "privateLinkServiceConnections": [{"properties": {"privateLinkServiceId": id, "groupIds": ["vault"]}}]}})
    };
    let of = |name: &str, others: &[Value]| {
        let mut resources = vec![json!({"type": "Microsoft.KeyVault/vaults", "name": name, "properties": {}})];
        resources.extend_from_slice(others);
        let parameters = json!({"name": {"type": "string", "defaultValue": "[uniqueString('a')]"}});
        let found = read(&template(json!({"parameters": parameters, "resources": resources})), None);
        let facts = vault(&found[0]);
        (facts.private_endpoints.clone(), facts.logs.clone().then(|logs| Ok(logs.len())))
    };
    let id = "[resourceId('Microsoft.KeyVault/vaults', parameters('name'))]";
    let full = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/KV";
    let storage = "[resourceId('Microsoft.Storage/storageAccounts', parameters('name'))]";
    assert_eq!(of("[parameters('name')]", &[endpoint(id)]).0, Fact::Known(1));
    assert_eq!(of("kv", &[endpoint(full), endpoint(storage)]).0, Fact::Known(1));
    assert_eq!(of("kv", &[endpoint(storage)]).0, Fact::Known(0));
    let other = "a private endpoint leads to Microsoft.KeyVault/vaults/{uniqueString('a')}, which is not evaluated";
    assert_eq!(of("kv", &[endpoint(id)]).0, Fact::Unknown(other.to_owned()));
    assert!(matches!(of("kv", &[endpoint("[reference('module').outputs.id.value]")]).0, Fact::Unknown(_)));

    for (doubtful, why) in [
        ("condition", "whether it is made depends on a condition: [equals(1, 1)] is not evaluated"),
        ("copy", "a loop makes it, perhaps not once"),
    ] {
        let mut perhaps = endpoint(full);
        perhaps[doubtful] = if doubtful == "copy" { json!({"name": "l", "count": 0}) } else { "[equals(1, 1)]".into() };
        let unknown = Fact::Unknown(format!("a private endpoint leads to it, but {why}"));
        assert_eq!(of("kv", &[perhaps.clone()]).0, unknown);
        assert_eq!(of("kv", &[perhaps.clone(), endpoint(full)]).0, Fact::Known(1), "one is certain");
        perhaps["copy"] = json!({"name": "l", "count": 2});
        perhaps["condition"] = true.into();
        assert_eq!(of("kv", &[perhaps]).0, Fact::Known(1));
    }

    let setting = |members: Value| {
        let mut setting = json!({"type": "Microsoft.Insights/diagnosticSettings", "name": "logs",
            "properties": {"logs": [{"categoryGroup": "audit", "enabled": true}]}});
        setting.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        setting
    };
    assert_eq!(of("[parameters('name')]", &[setting(json!({"scope": id}))]).1, Fact::Known(1));
    let scope = "[format('Microsoft.KeyVault/vaults/{0}', parameters('name'))]";
    assert_eq!(of("[parameters('name')]", &[setting(json!({"scope": scope}))]).1, Fact::Known(1));
    let kind = "Microsoft.KeyVault/vaults/providers/diagnosticSettings";
    assert_eq!(of("kv", &[setting(json!({"type": kind, "name": "kv/Microsoft.Insights/logs"}))]).1, Fact::Known(1));
    assert_eq!(of("kv", &[setting(json!({"scope": storage}))]).1, Fact::Known(0));
}
