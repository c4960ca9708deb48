//! Templates, typed by hand in the form that Bicep gives them.

mod factories;

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
    let hush = json!({"parameters": {"FROMVAULT": {"value": "hush"}}});
    let secret = unknown("the parameter 'FROMVAULT' is secret");
    assert_eq!(vault(&read(&template, Some(hush))[0]).create_mode, secret);
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
    for kind in [json!(7), Value::Null, "soon".into()] {
        let odd = json!({"action": {"type": kind}, "trigger": {"timeAfterCreate": "P90D"}});
        assert!(matches!(rotates(json!([odd]), Value::Null), Fact::Unknown(_)), "{kind}");
        assert_eq!(rotates(json!([odd, after]), Value::Null), at(90), "{kind}");
    }
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
            "properties": {"workspaceId": "w", "logs": [{"categoryGroup": "audit", "enabled": true}]}});
        setting.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        setting
    };
    assert_eq!(of("[parameters('name')]", &[setting(json!({"scope": id}))]).1, Fact::Known(1));
    let scope = "[format('Microsoft.KeyVault/vaults/{0}', parameters('name'))]";
    assert_eq!(of("[parameters('name')]", &[setting(json!({"scope": scope}))]).1, Fact::Known(1));
    let kind = "Microsoft.KeyVault/vaults/providers/diagnosticSettings";
    assert_eq!(of("kv", &[setting(json!({"type": kind, "name": "kv/Microsoft.Insights/logs"}))]).1, Fact::Known(1));
    assert_eq!(of("kv", &[setting(json!({"scope": storage}))]).1, Fact::Known(0));
    let mut nowhere = setting(json!({"scope": full}));
    assert_eq!(of("kv", &[nowhere.clone()]).1, Fact::Known(1));
    nowhere["properties"]["workspaceId"] = Value::Null;
    assert_eq!(of("kv", &[nowhere]).1, Fact::Known(0), "its logs go nowhere");
    let with = |name: &str, value: Value| {
        let mut one = endpoint(full);
        one["properties"]["privateLinkServiceConnections"][0]["properties"][name] = value;
        of("kv", &[one]).0
    };
    assert_eq!(with("groupIds", json!(["blob"])), Fact::Known(0));
    let unset = "a private endpoint leads to it, but its groupIds are not set";
    assert_eq!(with("groupIds", Value::Null), Fact::Unknown(unset.to_owned()));
    let mut to_storage = endpoint(storage);
    to_storage["properties"]["privateLinkServiceConnections"][0]["properties"]["groupIds"] = Value::Null;
    assert_eq!(of("kv", &[to_storage]).0, Fact::Known(0), "it leads to no vault, whatever its groups are");
    assert_eq!(with("privateLinkServiceConnectionState", json!({"status": "Rejected"})), Fact::Known(0));
}

/// The facts of a vault that is called `name` and has this `createMode`, with these variables.
fn vault_with(variables: Value, name: &str, create_mode: &str) -> Vec<Resource> {
    let one = json!({"type": "Microsoft.KeyVault/vaults", "apiVersion": "[variables('version')]", "name": name,
        "properties": {"createMode": create_mode}});
    read(&template(json!({"variables": variables, "resources": [one]})), None)
}

#[test]
fn expressions_end_where_they_go_in_a_circle_too_deep_or_through_too_much() {
    let deep = |times: usize| format!("[{}'a'{}]", "concat(".repeat(times), ")".repeat(times));
    let tens = |name: &str| format!("[concat({})]", vec![format!("variables('{name}')"); 10].join(", "));
    let variables = json!({
        "around": "[variables('around')]", "both": "[concat(variables('both'), variables('both'))]",
        "v0": "x".repeat(100_000), "v1": tens("v0"), "v2": tens("v1"), "v3": tens("v2"), "v4": tens("v3"),
        "many": {"a": "[variables('v1')]", "b": "[variables('v1')]"},
    });
    let mode = |of: &str| vault(&vault_with(variables.clone(), "kv", of)[0]).create_mode.clone();
    assert_eq!(mode(&deep(50)), Fact::Known("a".to_owned()));
    for of in ["[variables('around')]", "[variables('both')]"] {
        assert!(matches!(mode(of), Fact::Unknown(_)), "{of}");
    }
    for of in [&deep(10_000), "[variables('v4')]"] {
        let found = mode(of);
        let Fact::Unknown(why) = found else { panic!("{of:.40}") };
        assert!(why.starts_with("the template's expressions go more than 64 deep, or through more than 67108864"));
    }
    let Fact::Known(long) = mode("[variables('v1')]") else { panic!("a megabyte is read") };
    assert_eq!(long.len(), 1_000_000);
}

#[test]
fn the_deployments_of_a_template_share_what_its_expressions_may_go_through() {
    let module = |name: &str| {
        let long = format!("[concat({})]", vec!["variables('v')"; 20].join(", "));
        json!({"type": "Microsoft.Resources/deployments", "name": name, "properties": {
            "expressionEvaluationOptions": {"scope": "inner"},
            "template": {"variables": {"v": "x".repeat(1_000_000)}, "resources": [
                {"type": "Microsoft.KeyVault/vaults", "name": name, "properties": {"createMode": long}}]}}})
    };
    let found = read(&template(json!({"resources": [module("a"), module("b")]})), None);
    assert!(matches!(&vault(&found[0]).create_mode, Fact::Known(mode) if mode.len() == 20_000_000));
    assert!(matches!(&vault(&found[1]).create_mode, Fact::Unknown(_)));
}

#[test]
fn an_api_version_is_evaluated() {
    let version = |value: Value| {
        let found = vault_with(json!({"version": value}), "kv", "default");
        vault(&found[0]).api_version.clone()
    };
    assert_eq!(version("2018-02-14".into()), Fact::Known("2018-02-14".to_owned()));
    assert_eq!(version("[providers('x')]".into()), Fact::Unknown("[providers('x')] is not evaluated".to_owned()));
    assert_eq!(version(Value::Null), Fact::Unknown("its apiVersion is not set".to_owned()));
}

#[test]
fn what_a_loop_makes_is_unknown_whatever_the_case_of_its_words() {
    let acls =
        json!({"defaultAction": "Deny", "Copy": [{"Name": "ipRules", "count": 1, "input": {"value": "10.0.0.0/8"}}]});
    let one = json!({"type": "Microsoft.KeyVault/vaults", "name": "kv", "properties": {"networkAcls": acls}});
    let found = read(&template(json!({"resources": [one]})), None);
    assert_eq!(vault(&found[0]).ip_rules, Fact::Unknown("a loop makes it".to_owned()));
}

/// How many endpoints each vault has.
fn endpoints(template: &Value) -> Vec<Fact<usize>> {
    read(template, None).iter().map(|one| vault(one).private_endpoints.clone()).collect()
}

fn endpoint(id: &str, members: Value) -> Value {
    let mut one = json!({"type": "Microsoft.Network/privateEndpoints", "name": "pe", "properties": {
        "privateLinkServiceConnections": [{"properties": {"privateLinkServiceId": id, "groupIds": ["vault"]}}]}});
    one.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    one
}

#[test]
fn what_is_not_evaluated_is_equal_in_one_template_and_not_in_two() {
    let name = "[format('kv{0}', uniqueString(parameters('p')))]";
    let id = "[resourceId('Microsoft.KeyVault/vaults', format('kv{0}', uniqueString(parameters('p'))))]";
    let one = json!({"type": "Microsoft.KeyVault/vaults", "name": name, "properties": {}});
    let module = |p: &str, resources: Value| {
        json!({"type": "Microsoft.Resources/deployments", "name": p, "properties": {
            "expressionEvaluationOptions": {"scope": "inner"}, "parameters": {"p": {"value": p}},
            "template": {"parameters": {"p": {"type": "string"}}, "resources": resources}}})
    };
    let together = template(json!({"resources": [module("a", json!([one, endpoint(id, json!({}))]))]}));
    assert_eq!(endpoints(&together), [Fact::Known(1)]);
    let apart = [module("a", json!([one])), module("b", json!([endpoint(id, json!({}))]))];
    assert!(matches!(endpoints(&template(json!({"resources": apart})))[..], [Fact::Unknown(_)]));
}

#[test]
fn a_loop_of_endpoints_leads_to_a_loop_of_as_many_vaults() {
    let id = "[resourceId('Microsoft.KeyVault/vaults', format('kv{0}', copyIndex()))]";
    let of = |vaults: Value, endpoints_: Value| {
        let one = json!({"type": "Microsoft.KeyVault/vaults", "name": "[format('kv{0}', copyIndex())]", "properties": {},
            "copy": {"name": "l", "count": vaults}});
        let endpoint = endpoint(id, json!({"copy": {"name": "l", "count": endpoints_}}));
        endpoints(&template(json!({"variables": {"three": 3}, "resources": [one, endpoint]}))).remove(0)
    };
    assert_eq!(of(3.into(), 3.into()), Fact::Known(1));
    assert_eq!(of(3.into(), "[variables('three')]".into()), Fact::Known(1));
    assert!(matches!(of(3.into(), 1.into()), Fact::Unknown(_)));
}

#[test]
fn what_may_hold_vaults_and_is_not_read_is_a_finding_and_members_have_no_case() {
    let unread = |resources: Value| -> Vec<String> {
        let why = |one: Resource| match one.facts {
            Facts::Unread(why) => why,
            other => panic!("{other:?}"),
        };
        read(&template(json!({"resources": resources})), None).into_iter().map(why).collect()
    };
    let stack = json!({"type": "Microsoft.Resources/deploymentStacks", "name": "s", "properties": {}});
    assert_eq!(unread(json!([stack])), ["it may deploy anything, and is not read here"]);
    for kind in [json!(7), Value::Null, "[variables('kind')]".into()] {
        assert_eq!(unread(json!([{"type": kind, "name": "x"}])), ["its type is no plain text"], "{kind}");
    }
    let inside = json!({"type": "Microsoft.Storage/storageAccounts", "name": "s", "resources": [
        {"type": "Microsoft.KeyVault/vaults", "name": "v"}]});
    assert_eq!(unread(json!([inside])), ["it is not read below another resource"]);
    let below = json!({"type": "Microsoft.Storage/storageAccounts", "name": "s", "resources": "[variables('all')]"});
    assert_eq!(unread(json!([below])), ["they are no list of resources"]);

    let scope = json!({"type": "Microsoft.Resources/deployments", "name": "d", "properties": {
        "expressionEvaluationOptions": {"scope": "[variables('s')]"}, "template": {"resources": []}}});
    assert_eq!(unread(json!([scope])), ["the scope of its expressions is neither inner nor outer"]);
    assert_eq!(unread(json!(["[variables('r')]"])), ["its type is no plain text"]);
    assert_eq!(names(&read(&template(json!({"resources": [7]})), None)), [("/resources/0", "/resources/0")], "no name");
    let listed = json!([{"type": "Microsoft.KeyVault/vaults", "name": "v", "existing": true, "properties": {}}]);
    assert_eq!(read(&template(json!({"resources": listed})), None).len(), 1, "a list has none that are there already");

    let inner = json!({"Resources": [{"Type": "Microsoft.KeyVault/vaults", "NAME": "v", "Condition": true,
        "Properties": {"EnablePurgeProtection": true}}]});
    let outer = json!([{"Type": "Microsoft.Resources/deployments", "Name": "d", "Properties": {"Template": inner}}]);
    let found = read(&template(json!({"resources": outer})), None);
    assert_eq!((found[0].name.as_str(), &vault(&found[0]).purge_protection), ("v", &Fact::Known(true)));
}
