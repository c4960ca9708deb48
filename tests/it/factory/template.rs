//! The exported ARM template.

use serde_json::{Value, json};

use super::{IDENTITY, Yard};

#[test]
fn the_keys_settings_are_in_it_when_asked_and_credentials_never() {
    let yard = Yard::new();
    let factory = yard.factory();
    let vault = yard.url("safe");
    factory.enable_key(&yard.key("safe", "cmk"), Some(IDENTITY)).unwrap();
    let password = json!({
        "type": "AzureKeyVaultSecret",
        "store": {"referenceName": "vault", "type": "LinkedServiceReference"},
        "secretName": "sql", "secretVersion": "1"
    });
    let store = json!({"type": "AzureKeyVault", "typeProperties": {"baseUrl": vault}});
    let sealed = json!({"type": "X", "description": "[dev] db", "typeProperties": {
        "apiKey": {"type": "SecureString", "value": "hush"},
        "sasToken": "hush",
        "connectionString": "Server=s;Password=hush;PWD=hush"
    }});
    factory.link("vault", &store, yard.now()).unwrap();
    factory.link("db", &json!({"type": "X", "typeProperties": {"password": password}}), yard.now()).unwrap();
    factory.link("web", &sealed, yard.now()).unwrap();

    let with = factory.export_template(true).unwrap();
    let without = factory.export_template(false).unwrap();
    let settings = json!({
        "vaultBaseUrl": vault, "keyName": "cmk", "keyVersion": "",
        "identity": {"userAssignedIdentity": IDENTITY}
    });
    let factory_resource = json!({
        "type": "Microsoft.DataFactory/factories",
        "apiVersion": "2018-06-01",
        "name": "[parameters('factoryName')]",
        "location": "[resourceGroup().location]",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}},
        "properties": {"publicNetworkAccess": "Enabled", "encryption": settings}
    });
    assert_eq!(with["resources"][0], factory_resource);
    assert_eq!(without["resources"][0]["properties"], json!({"publicNetworkAccess": "Enabled"}));
    assert_eq!(without["resources"][0]["identity"], factory_resource["identity"]);
    assert_eq!(with["resources"].as_array().unwrap()[1..], without["resources"].as_array().unwrap()[1..]);
    let of = |name: &str| {
        let name = format!("[concat(parameters('factoryName'), '/{name}')]");
        with["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == name).unwrap().clone()
    };
    assert_eq!(of("db")["type"], "Microsoft.DataFactory/factories/linkedServices");
    assert_eq!(of("db")["properties"]["typeProperties"]["password"], password, "a reference stays as it is");
    assert_eq!(
        of("db")["dependsOn"][1],
        "[resourceId('Microsoft.DataFactory/factories/linkedServices', parameters('factoryName'), 'vault')]"
    );
    let secure = json!({"type": "SecureString", "value": "[parameters('web_apiKey')]"});
    let expected = json!({
        "apiKey": secure,
        "sasToken": "[parameters('web_sasToken')]",
        "connectionString": "[parameters('web_connectionString')]"
    });
    assert_eq!(of("web")["properties"]["typeProperties"], expected);
    assert_eq!(of("web")["properties"]["description"], "[[dev] db", "text is no expression");
    assert_eq!(
        with["parameters"],
        json!({
            "factoryName": {"type": "string", "defaultValue": "acme-factory"},
            "web_apiKey": {"type": "secureString"},
            "web_connectionString": {"type": "secureString"},
            "web_sasToken": {"type": "secureString"}
        })
    );
    assert!(!with.to_string().contains("hush"));
}

#[test]
fn a_fixed_version_and_a_managed_virtual_network_are_in_it() {
    let yard = Yard::new();
    let fixed = yard.owner("safe").key("cmk", None).unwrap();
    let factory = yard.factory_with(fixed.kid());
    let template = factory.export_template(true).unwrap();
    let encryption = &template["resources"][0]["properties"]["encryption"];
    assert_eq!(encryption["keyVersion"], fixed.version());
    assert_eq!(encryption["identity"], Value::Null);
    assert_eq!(template["resources"][0]["identity"], json!({"type": "SystemAssigned"}));

    let new = keyhaven::factory::NewFactory { managed_virtual_network: true, ..yard.plain_new() };
    let home = yard.dir.path().join("managed");
    let managed = keyhaven::factory::Factory::create(&home, new, yard.reach("factory"), yard.now()).unwrap();
    let template = managed.export_template(true).unwrap();
    assert_eq!(template["resources"][1]["type"], "Microsoft.DataFactory/factories/managedVirtualNetworks");
    assert_eq!(template["resources"][0]["properties"], json!({"publicNetworkAccess": "Enabled"}));
}
