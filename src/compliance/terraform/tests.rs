//! A plan, typed by hand in the form of `terraform show -json`.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::compliance::facts::{Fact, Facts, Resource};

const NOW: i64 = 1_767_225_600;

fn planned(kind: &str, address: &str, values: Value) -> Value {
    json!({"address": address, "mode": "managed", "type": kind, "values": values})
}

fn change(address: &str, action: &str, after_unknown: Value) -> Value {
    json!({"address": address, "change": {"actions": [action], "after_unknown": after_unknown}})
}

/// A plan with a vault in a module, its key and secret, and an endpoint and logs that lead to it.
fn plan() -> Value {
    let endpoint = json!({"address": "azurerm_private_endpoint.kv", "type": "azurerm_private_endpoint", "expressions": {
    "private_service_connection": [{
        "is_manual_connection": {"references": ["var.manual"]},
        "private_connection_resource_id": {"references": ["azurerm_key_vault.main[0].id", "azurerm_key_vault.main[0]"]},
    }]}});
    let setting = json!({"address": "azurerm_monitor_diagnostic_setting.kv", "type": "azurerm_monitor_diagnostic_setting",
        "expressions": {"target_resource_id": {"references": ["azurerm_key_vault.main", "count.index"]}}});
    json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {
            "resources": [
                planned("azurerm_key_vault_secret", "azurerm_key_vault_secret.s", json!({
                    "content_type": null, "expiration_date": "2026-02-01T00:00:00Z", "not_before_date": null})),
                planned("azapi_resource", "azapi_resource.kv", json!({
                    "type": "Microsoft.KeyVault/vaults@2023-07-01",
                    "body": "{\"properties\":{\"enablePurgeProtection\":true}}"})),
                planned("azapi_resource", "azapi_resource.late", json!({
                    "type": "Microsoft.KeyVault/vaults/keys@2023-07-01", "body": {"properties": {"kty": "RSA"}}})),
                planned("azurerm_storage_account", "azurerm_storage_account.other", json!({})),
            ],
            "child_modules": [{"address": "module.kv[\"a]\"]", "resources": [
                planned("azurerm_key_vault", "module.kv[\"a]\"].azurerm_key_vault.main[0]", json!({
                    "name": "kv", "purge_protection_enabled": true, "public_network_access_enabled": true,
                    "enable_rbac_authorization": true,
                    "network_acls": [{"bypass": "None", "default_action": "Deny", "ip_rules": ["203.0.113.0/24"]}]})),
                planned("azurerm_key_vault_key", "module.kv[\"a]\"].azurerm_key_vault_key.cmk", json!({
                    "key_type": "RSA-HSM", "key_size": 3072,
                    "rotation_policy": [{"automatic": [{"time_after_creation": "P30D"}]}]})),
                planned("azurerm_private_endpoint", "module.kv[\"a]\"].azurerm_private_endpoint.kv", json!({
                    "private_service_connection": [{"is_manual_connection": false, "subresource_names": ["vault"]}]})),
                planned("azurerm_monitor_diagnostic_setting",
                    "module.kv[\"a]\"].azurerm_monitor_diagnostic_setting.kv[0]", json!({
                    "log_analytics_workspace_id": "w", "storage_account_id": null, "enabled_log": [{"category_group": "audit"}]})),
            ]}],
        }},
        "resource_changes": [
            change("azurerm_key_vault_secret.s", "no-op", json!({})),
            change("azapi_resource.late", "create", json!({"body": {"properties": {"keySize": true}}})),
            change("module.kv[\"a]\"].azurerm_key_vault.main[0]", "create", json!({
                "id": true, "rbac_authorization_enabled": true, "network_acls": [{}]})),
            change("module.kv[\"a]\"].azurerm_key_vault_key.cmk", "create", json!({"curve": true})),
        ],
        "configuration": {"root_module": {"module_calls": {"kv": {"module": {"resources": [endpoint, setting]}}}}},
    })
}

/// The planned resources of the module.
fn in_module(plan: &mut Value) -> &mut Vec<Value> {
    plan["planned_values"]["root_module"]["child_modules"][0]["resources"].as_array_mut().unwrap()
}

fn read(plan: &Value) -> Vec<Resource> {
    assert!(super::is_plan(plan));
    let parsed = crate::compliance::parse(&plan.to_string()).unwrap();
    super::resources(&parsed, Timestamp::from_unix(NOW))
}

#[test]
fn a_plan_has_the_facts_of_its_resources() {
    let found = read(&plan());
    let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.pointer.as_deref().unwrap())).collect();
    let root = "/planned_values/root_module";
    assert_eq!(
        names,
        [
            ("azurerm_key_vault_secret.s", &*format!("{root}/resources/0")),
            ("azapi_resource.kv", &format!("{root}/resources/1")),
            ("azapi_resource.late", &format!("{root}/resources/2")),
            ("module.kv[\"a]\"].azurerm_key_vault.main[0]", &format!("{root}/child_modules/0/resources/0")),
            ("module.kv[\"a]\"].azurerm_key_vault_key.cmk", &format!("{root}/child_modules/0/resources/1")),
        ]
    );
    let Facts::Secret(secret) = &found[0].facts else { panic!("a secret") };
    assert_eq!(secret.content_type, Fact::Unset);
    assert_eq!(secret.dates.expires, Fact::Known(Timestamp::parse("2026-02-01T00:00:00Z").unwrap()));
    assert_eq!(secret.dates.created, Fact::Unknown("a plan does not say when it was made".to_owned()));
    let Facts::Vault(azapi) = &found[1].facts else { panic!("a vault") };
    assert_eq!((&azapi.purge_protection, &azapi.soft_delete), (&Fact::Known(true), &Fact::Unset));
    assert_eq!((&azapi.api_version, found[1].is_azurerm), (&Fact::Known("2023-07-01".to_owned()), false));
    let Facts::Key(late) = &found[2].facts else { panic!("a key") };
    assert_eq!(late.dates.created, Fact::Known(Timestamp::from_unix(NOW)));
    assert_eq!(late.size, Fact::Unknown("it is known after apply alone".to_owned()));
    let Facts::Vault(vault) = &found[3].facts else { panic!("a vault") };
    assert_eq!((&vault.purge_protection, &vault.roles), (&Fact::Known(true), &Fact::Known(true)));
    assert_eq!(vault.public_access, Fact::Known("Enabled".to_owned()));
    assert_eq!(vault.default_action, Fact::Known("Deny".to_owned()));
    assert_eq!(vault.ip_rules, Fact::Known(vec!["203.0.113.0/24".to_owned()]));
    assert_eq!((&vault.private_endpoints, found[3].is_azurerm), (&Fact::Known(1), true));
    assert_eq!(vault.logs.clone().then(|logs| Ok(logs.len())), Fact::Known(1));
    let Facts::Key(key) = &found[4].facts else { panic!("a key") };
    assert_eq!((&key.kty, &key.size), (&Fact::Known("RSA-HSM".to_owned()), &Fact::Known(3072)));
    assert_eq!(key.rotates, Fact::Known(Timestamp::from_unix(NOW + 30 * 86_400)));
    assert_eq!(key.dates.created, Fact::Known(Timestamp::from_unix(NOW)));
}

#[test]
fn an_endpoint_counts_for_the_vault_that_it_refers_to_and_is_unknown_through_a_variable() {
    let of = |references: Value| {
        let mut plan = plan();
        let module = &mut plan["configuration"]["root_module"]["module_calls"]["kv"]["module"];
        module["resources"][0]["expressions"]["private_service_connection"][0]["private_connection_resource_id"] =
            json!({"references": references});
        let Facts::Vault(vault) = read(&plan).remove(3).facts else { panic!("a vault") };
        vault.private_endpoints
    };
    assert_eq!(of(json!(["azurerm_key_vault.main2.id", "azurerm_key_vault.main2"])), Fact::Known(0));
    let unknown = "module.kv[\"a]\"].azurerm_private_endpoint.kv refers to what is not followed here";
    assert_eq!(of(json!(["var.vault_id"])), Fact::Unknown(unknown.to_owned()));

    let mut none_planned = plan();
    in_module(&mut none_planned).retain(|one| one["type"] != "azurerm_private_endpoint");
    let Facts::Vault(vault) = read(&none_planned).remove(3).facts else { panic!("a vault") };
    assert_eq!(vault.private_endpoints, Fact::Known(0), "its count is 0");
}

#[test]
fn a_setting_by_its_own_index_is_unknown_where_there_are_several_vaults_unless_the_plan_has_the_ids() {
    let mut plan = plan();
    let of = |plan: &Value| {
        let Facts::Vault(vault) = read(plan).remove(3).facts else { panic!("a vault") };
        vault.logs.then(|logs| Ok(logs.len()))
    };
    let second = planned("azurerm_key_vault", "module.kv[\"a]\"].azurerm_key_vault.main[1]", json!({}));
    in_module(&mut plan).push(second);
    let unknown = "module.kv[\"a]\"].azurerm_monitor_diagnostic_setting.kv[0] refers to what is not followed here";
    assert_eq!(of(&plan), Fact::Unknown(unknown.to_owned()), "it may be count.index + 1");
    let with_ids = |plan: &Value, target: &str| {
        let mut plan = plan.clone();
        plan["resource_changes"][2]["change"]["after_unknown"] = json!({});
        let resources = in_module(&mut plan);
        resources[0]["values"]["id"] = "/subscriptions/s/vaults/kv".into();
        resources[3]["values"]["target_resource_id"] = target.into();
        of(&plan)
    };
    assert_eq!(with_ids(&plan, "/subscriptions/S/vaults/KV"), Fact::Known(1));
    assert_eq!(with_ids(&plan, "/subscriptions/s/vaults/other"), Fact::Known(0));
}

#[test]
fn an_endpoint_counts_where_it_is_planned_without_an_approval_by_hand() {
    let of = |manual: Value, after_unknown: Value| {
        let mut plan = plan();
        let endpoint = &mut in_module(&mut plan)[2];
        endpoint["values"]["private_service_connection"][0]["is_manual_connection"] = manual;
        let unknown = change("module.kv[\"a]\"].azurerm_private_endpoint.kv", "create", after_unknown);
        plan["resource_changes"].as_array_mut().unwrap().push(unknown);
        let Facts::Vault(vault) = read(&plan).remove(3).facts else { panic!("a vault") };
        vault.private_endpoints
    };
    assert_eq!(of(false.into(), json!({})), Fact::Known(1));
    assert_eq!(of(true.into(), json!({})), Fact::Known(0), "a variable makes it so");
    let but = |why| {
        let address = "module.kv[\"a]\"].azurerm_private_endpoint.kv";
        Fact::Unknown(format!("{address} leads to it, but {why}"))
    };
    let late = json!({"private_service_connection": [{"is_manual_connection": true}]});
    assert_eq!(of(Value::Null, late), but("it is known after apply alone"));
    assert_eq!(of(Value::Null, json!({})), but("its is_manual_connection is not there"));

    let mut other = plan();
    let resources = in_module(&mut other);
    resources[2]["values"]["private_service_connection"][0]["subresource_names"] = json!(["blob"]);
    resources[3]["values"]["log_analytics_workspace_id"] = Value::Null;
    let Facts::Vault(vault) = read(&other).remove(3).facts else { panic!("a vault") };
    assert_eq!(
        (&vault.private_endpoints, &vault.logs),
        (&Fact::Known(0), &Fact::Known(vec![])),
        "neither leads anywhere"
    );
}

#[test]
fn what_may_hold_vaults_and_is_not_read_is_a_finding() {
    let read_one = |kind: &str, values: Value, after_unknown: Value| {
        let plan = json!({
            "planned_values": {"root_module": {"resources": [planned(kind, "x.y", values)]}},
            "resource_changes": [change("x.y", "create", after_unknown)],
        });
        read(&plan).pop().map(|one| match one.facts {
            Facts::Unread(why) => why,
            other => panic!("{other:?}"),
        })
    };
    let unread = |kind: &str, values: Value| read_one(kind, values, json!({}));
    let elsewhere = Some("it may deploy anything, and is not read here".to_owned());
    for kind in ["azurerm_resource_group_template_deployment", "azurerm_subscription_template_deployment"] {
        assert_eq!(unread(kind, json!({"template_content": "{}"})), elsewhere, "{kind}");
    }
    for kind in ["Microsoft.Resources/deployments@2022-09-01", "microsoft.resources/deploymentStacks@2024-03-01"] {
        assert_eq!(unread("azapi_resource", json!({"type": kind})), elsewhere, "{kind}");
    }
    let in_part = Some("it changes what is not whole in the plan".to_owned());
    for kind in ["azapi_update_resource", "azapi_resource_action"] {
        assert_eq!(unread(kind, json!({"type": "Microsoft.KeyVault/vaults@2023-07-01"})), in_part, "{kind}");
        assert_eq!(unread(kind, json!({"type": "Microsoft.Storage/storageAccounts@2023-01-01"})), None, "{kind}");
        assert_eq!(unread(kind, json!({})), Some("its type is not there".to_owned()), "{kind}");
    }
    assert_eq!(unread("azapi_resource", json!({"type": "Microsoft.Storage/storageAccounts@2023-01-01"})), None);
    let no_text = Some("its type cannot be read: type is not a text".to_owned());
    assert_eq!(unread("azapi_resource", json!({"type": 7})), no_text);
    let late = Some("its type cannot be read: it is known after apply alone".to_owned());
    assert_eq!(read_one("azapi_resource", json!({}), json!({"type": true})), late);
    let put_off = json!({"planned_values": {"root_module": {}}, "deferred_changes": [
        {"resource_change": {"address": "azurerm_key_vault.v", "type": "azurerm_key_vault"}},
        {"resource_change": {"address": "azurerm_storage_account.s", "type": "azurerm_storage_account"}}]});
    let names: Vec<_> = read(&put_off).into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["azurerm_key_vault.v"]);
}

#[test]
fn what_is_known_after_apply_alone_is_marked_and_the_rest_is_kept() {
    let values = json!({"a": 1, "b": null, "list": [{"x": 1}, {"x": 2}], "set": null});
    let unknown = json!({"a": false, "c": true, "list": [{"y": true}], "set": {}});
    let merged = super::known(&values, &unknown);
    assert_eq!((&merged["a"], &merged["list"][1]["x"], &merged["set"]), (&json!(1), &json!(2), &Value::Null));
    for marked in [&merged["c"], &merged["list"][0]["y"]] {
        assert_eq!(crate::compliance::tree::why(marked), Some("it is known after apply alone"));
    }
}

#[test]
fn factories_and_linked_services_of_azurerm_have_the_facts_of_what_they_make() {
    let plan = json!({
        "planned_values": {"root_module": {"resources": [
            planned("azurerm_data_factory", "azurerm_data_factory.a", json!({"public_network_enabled": false,
                "vsts_configuration": [{"repository_name": "r"}]})),
            planned("azurerm_data_factory", "azurerm_data_factory.b", json!({"customer_managed_key_id": null})),
            planned("azurerm_data_factory_customer_managed_key", "azurerm_data_factory_customer_managed_key.b", json!({})),
            planned("azurerm_private_endpoint", "azurerm_private_endpoint.b", json!({
                "private_service_connection": [{"is_manual_connection": false, "subresource_names": ["dataFactory"]}]})),
            planned("azurerm_role_assignment", "azurerm_role_assignment.b", json!({
                "role_definition_name": "Key Vault Crypto Service Encryption User"})),
            planned("azurerm_data_factory_linked_service_sql_server", "azurerm_data_factory_linked_service_sql_server.s", json!({
                "connection_string": "Server=s;Password=x", "key_vault_password": [{"secret_name": "n"}]})),
            planned("azurerm_data_factory_linked_service_azure_databricks", "azurerm_data_factory_linked_service_azure_databricks.d",
                json!({"access_token": "x", "key_vault_password": []})),
            planned("azurerm_data_factory_linked_custom_service", "azurerm_data_factory_linked_custom_service.c", json!({
                "type": "AzureSearch", "type_properties_json": "{\"key\": {\"type\": \"SecureString\", \"value\": \"x\"}}"})),
            planned("azapi_resource", "azapi_resource.l", json!({
                "type": "Microsoft.DataFactory/factories/linkedservices@2018-06-01",
                "body": {"properties": {"type": "SqlServer", "typeProperties": {"encryptedCredential": "x"}}}})),
        ]}},
        "resource_changes": [
            change("azurerm_data_factory.a", "create", json!({"customer_managed_key_id": true})),
            change("azurerm_data_factory.b", "create", json!({"id": true})),
        ],
        "configuration": {"root_module": {"resources": [
            {"address": "azurerm_data_factory.a", "expressions": {
                "customer_managed_key_id": {"references": ["azurerm_key_vault_key.k.id", "azurerm_key_vault_key.k"]}}},
            {"address": "azurerm_data_factory_customer_managed_key.b", "expressions": {
                "data_factory_id": {"references": ["azurerm_data_factory.b.id", "azurerm_data_factory.b"]}}},
            {"address": "azurerm_data_factory_linked_service_sql_server.s", "expressions": {
                "data_factory_id": {"references": ["azurerm_data_factory.b.id", "azurerm_data_factory.b"]}}},
            {"address": "azurerm_private_endpoint.b", "expressions": {"private_service_connection": [{
                "private_connection_resource_id": {"references": ["azurerm_data_factory.b.id", "azurerm_data_factory.b"]}}]}},
        ]}},
    });
    let found = read(&plan);
    let factory = |index: usize| match &found[index].facts {
        Facts::Factory(facts) => facts,
        other => panic!("{other:?}"),
    };
    let (a, b) = (factory(0), factory(1));
    assert_eq!((&a.customer_key, &b.customer_key), (&Fact::Known(true), &Fact::Known(true)));
    assert_eq!((&a.repository, &b.repository), (&Fact::Known("r".to_owned()), &Fact::Unset));
    assert_eq!(a.public_access, Fact::Known("Disabled".to_owned()));
    assert_eq!(b.public_access, Fact::Known("Enabled".to_owned()));
    assert_eq!((&a.private_endpoints, &b.private_endpoints), (&Fact::Known(0), &Fact::Known(1)));
    let missing = "its linked services refer to secrets, and the file gives access to its key alone";
    assert_eq!((&a.missing_role, &b.missing_role), (&Fact::Unset, &Fact::Known(missing.to_owned())));

    let service = |index: usize| match &found[index].facts {
        Facts::LinkedService(facts) => facts,
        other => panic!("{other:?}"),
    };
    let types = |index: usize| {
        let given = |(name, given): &(&'static str, Fact<crate::compliance::facts::Given>)| match given {
            Fact::Known(given) => Some((*name, given.kind.clone().unwrap_or_default())),
            _ => None,
        };
        service(index).credentials.iter().filter_map(given).collect::<Vec<_>>()
    };
    let secure = || "SecureString".to_owned();
    let kinds: Vec<_> = (2..6).map(|index| service(index).kind.clone()).collect();
    let known = ["SqlServer", "AzureDatabricks", "AzureSearch", "SqlServer"].map(|kind| Fact::Known(kind.to_owned()));
    assert_eq!(kinds, known);
    let Fact::Known(connection) = &service(2).connection else { panic!("a connection string") };
    assert_eq!((connection.text.as_str(), connection.kind.as_deref()), ("Server=s;Password=(secret)", None));
    assert_eq!(types(2), [("password", "AzureKeyVaultSecret".to_owned())]);
    assert_eq!(types(3), [("accessToken", secure())]);
    assert_eq!(types(4), [("key", secure())]);
    assert_eq!(types(5), [("encryptedCredential", String::new())]);
    assert_eq!(found.iter().map(|one| one.is_azurerm).collect::<Vec<_>>(), [true, true, true, true, true, false]);
}

#[test]
fn a_key_of_a_factory_that_may_be_none_and_a_linked_service_of_a_new_type_are_unknown() {
    let of = |references: Value| {
        let plan = json!({
            "planned_values": {"root_module": {"resources": [planned("azurerm_data_factory", "azurerm_data_factory.a", json!({}))]}},
            "resource_changes": [change("azurerm_data_factory.a", "create", json!({"customer_managed_key_id": true}))],
            "configuration": {"root_module": {"resources": [{"address": "azurerm_data_factory.a", "expressions": {
                "customer_managed_key_id": {"references": references}}}]}},
        });
        let Facts::Factory(factory) = read(&plan).remove(0).facts else { panic!("a factory") };
        factory.customer_key
    };
    assert_eq!(of(json!(["azurerm_key_vault_key.k.id"])), Fact::Known(true));
    let late = Fact::Unknown("it is known after apply alone".to_owned());
    for references in [json!(["var.on", "azurerm_key_vault_key.k.id"]), json!([]), json!(["module.m.key_id"])] {
        assert_eq!(of(references.clone()), late, "{references}");
    }
    let kind = "azurerm_data_factory_linked_service_new_thing";
    let plan = json!({"planned_values": {"root_module": {"resources": [planned(kind, "x.y", json!({}))]}}});
    let Facts::LinkedService(service) = read(&plan).remove(0).facts else { panic!("a linked service") };
    assert_eq!(service.kind, Fact::Unknown(format!("{kind} is not known here")));
}
