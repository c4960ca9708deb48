//! Factories and linked services in templates.

use serde_json::{Value, json};

use super::{endpoint, names, read, template};
use crate::compliance::facts::{Fact, FactoryFacts, Facts, Resource};

/// The factories of a template.
fn factories(template: &Value) -> Vec<FactoryFacts> {
    let factory = |one: Resource| match one.facts {
        Facts::Factory(facts) => Some(*facts),
        _ => None,
    };
    read(template, None).into_iter().filter_map(factory).collect()
}

#[test]
fn factories_and_linked_services_are_found_by_full_names_and_below_their_factory() {
    let template = template(json!({
        "parameters": {"factoryName": {"type": "string", "defaultValue": "shop"}, "sql": {"type": "secureString"},
            "vaultUrl": {"type": "string"}},
        "resources": [
            {"type": "Microsoft.DataFactory/factories", "apiVersion": "2018-06-01", "name": "[parameters('factoryName')]",
             "properties": {"publicNetworkAccess": "Disabled", "encryption": {"vaultBaseUrl": "[parameters('vaultUrl')]", "keyName": "k"}},
             "resources": [{"type": "linkedservices", "name": "kv", "properties": {"type": "AzureKeyVault", "typeProperties": {}}}]},
            {"type": "Microsoft.DataFactory/factories/linkedServices", "name": "[concat(parameters('factoryName'), '/sql')]",
             "properties": {"type": "SqlServer", "typeProperties": {"connectionString": "[parameters('sql')]",
                "password": {"type": "AzureKeyVaultSecret", "secretName": "s"}}}},
            {"type": "Microsoft.DataFactory/factories/pipelines", "name": "shop/p", "properties": {}},
        ],
    }));
    let found = read(&template, None);
    assert_eq!(
        names(&found),
        [
            ("shop", "/resources/0"),
            ("shop/linkedservices/kv", "/resources/0/resources/0"),
            ("shop/linkedservices/sql", "/resources/1"),
        ]
    );
    let Facts::Factory(factory) = &found[0].facts else { panic!("a factory") };
    let no_value = |name: &str| format!("the parameter '{name}' has no value (--parameters FILE)");
    assert_eq!(factory.customer_key, Fact::Unknown(no_value("vaultUrl")));
    assert_eq!((&factory.public_access, &factory.repository), (&Fact::Known("Disabled".to_owned()), &Fact::Unset));
    let Facts::LinkedService(sql) = &found[2].facts else { panic!("a linked service") };
    assert_eq!(sql.connection, Fact::Unknown(no_value("sql")));
    assert_eq!(sql.refers_to_secrets, Fact::Known(true));
}

#[test]
fn a_factory_has_the_private_endpoints_of_its_groups_and_the_connections_that_are_approved() {
    let id = "[resourceId('Microsoft.DataFactory/factories', 'shop')]";
    let of = |others: &[Value]| {
        let mut resources = vec![json!({"type": "Microsoft.DataFactory/factories", "name": "shop", "properties": {}})];
        resources.extend_from_slice(others);
        factories(&template(json!({"resources": resources}))).remove(0).private_endpoints
    };
    let in_group = |id: &str, group: &str| {
        let mut one = endpoint(id, json!({}));
        one["properties"]["privateLinkServiceConnections"][0]["properties"]["groupIds"] = json!([group]);
        one
    };
    assert_eq!(of(&[in_group(id, "dataFactory")]), Fact::Known(1));
    assert_eq!(of(&[in_group(id, "PORTAL")]), Fact::Known(1));
    assert_eq!(of(&[in_group(id, "vault")]), Fact::Known(0));
    assert_eq!(of(&[in_group("[resourceId('Microsoft.KeyVault/vaults', 'shop')]", "dataFactory")]), Fact::Known(0));
    let connection = |status: &str| {
        json!({"type": "Microsoft.DataFactory/factories/privateEndpointConnections", "name": "shop/pe",
            "properties": {"privateLinkServiceConnectionState": {"status": status}}})
    };
    assert_eq!(of(&[connection("Approved")]), Fact::Known(1));
    assert_eq!(of(&[connection("Rejected")]), Fact::Known(0));
}

#[test]
fn a_file_that_gives_a_factory_its_key_and_not_the_secrets_that_it_refers_to_is_worth_a_warning() {
    let role = |guid: &str| {
        json!({"type": "Microsoft.Authorization/roleAssignments", "name": "r", "properties": {
            "roleDefinitionId": format!("[resourceId('Microsoft.Authorization/roleDefinitions', '{guid}')]")}})
    };
    let policies = |secrets: Value| {
        json!({"type": "Microsoft.KeyVault/vaults/accessPolicies", "name": "kv/add", "properties": {"accessPolicies": [
            {"permissions": {"keys": ["get", "wrapKey", "unwrapKey"], "secrets": secrets}}]}})
    };
    let of = |grants: &[Value], encryption: Value, password: Value| {
        let mut resources = vec![
            json!({"type": "Microsoft.DataFactory/factories", "name": "shop", "properties": {"encryption": encryption}}),
            json!({"type": "Microsoft.DataFactory/factories/linkedServices", "name": "shop/sql", "properties": {
                "type": "SqlServer", "typeProperties": {"password": password}}}),
        ];
        resources.extend_from_slice(grants);
        factories(&template(json!({"resources": resources}))).remove(0).missing_role
    };
    let (encryption, reference) = (json!({"vaultBaseUrl": "https://v"}), json!({"type": "AzureKeyVaultSecret"}));
    let crypto = role("e147488a-f6f5-4113-8e2d-b22465e65bf6");
    let missing =
        Fact::Known("its linked services refer to secrets, and the file gives access to its key alone".to_owned());
    assert_eq!(of(std::slice::from_ref(&crypto), encryption.clone(), reference.clone()), missing);
    assert_eq!(of(&[policies(json!([]))], encryption.clone(), reference.clone()), missing);
    let secrets = role("4633458b-17de-408a-b874-0445c86b69e6");
    for grants in [vec![], vec![crypto.clone(), secrets], vec![policies(json!(["Get"]))]] {
        assert_eq!(of(&grants, encryption.clone(), reference.clone()), Fact::Unset, "{grants:?}");
    }
    let mut unread = crypto.clone();
    unread["properties"]["roleDefinitionId"] = "[variables('roles')[0]]".into();
    assert_eq!(of(&[crypto.clone(), unread], encryption.clone(), reference.clone()), Fact::Unset, "it may be the one");
    assert_eq!(of(std::slice::from_ref(&crypto), Value::Null, reference), Fact::Unset, "no customer's key");
    assert_eq!(of(&[crypto], encryption, Value::Null), Fact::Unset, "no reference");
}
