//! Factories as the server's own tools see them: entries of the configuration, and templates.

use serde_json::{Value, json};

use super::Client;
use super::runtimes::ask;
use crate::world::World;

const VAULT: &str = "https://acme.vault.azure.net";

/// A factory `Shop` with a linked service of a vault, one that refers to it, and a trigger of nothing.
async fn world_with(properties: Value) -> World {
    let world = World::new().await;
    {
        let client = Client::of(&world, "owner").await;
        let factory = json!({"location": "East US", "identity": {"type": "SystemAssigned"}, "properties": properties});
        assert_eq!(ask(&client, "PUT F/Shop", factory).await.status, 200);
        let vault = json!({"properties": {"type": "AzureKeyVault", "typeProperties": {"baseUrl": VAULT}}});
        assert_eq!(ask(&client, "PUT F/Shop/linkedservices/kv", vault).await.status, 200);
        let other = json!({"properties": {"type": "AzureKeyVault", "description": "[dev]", "typeProperties": {"baseUrl": VAULT,
            "extra": {"type": "AzureKeyVaultSecret", "store": {"type": "LinkedServiceReference", "referenceName": "kv"}, "secretName": "s"}}}});
        let made = ask(&client, "PUT F/Shop/linkedservices/it's", other).await;
        assert_eq!(made.status, 200, "{}", made.text);
        assert_eq!(
            ask(&client, "PUT F/Shop/managedVirtualNetworks/default", json!({"properties": {}})).await.status,
            200
        );
    }
    world
}

#[tokio::test]
async fn a_factory_is_listed_and_shown_as_an_entry_of_the_configuration() {
    let world = world_with(json!({"publicNetworkAccess": "Disabled"})).await;
    let entry = json!({
        "name": "Shop", "subscriptionId": "6b9e7c1a-0000-4000-8000-000000000002", "resourceGroup": "keyhaven", "location": "East US",
        "publicNetworkAccess": "Disabled", "privateEndpoints": [],
    });
    assert_eq!(world.admin("GET /admin/factories", "").await.json(), json!({"factories": [entry]}));
    let shown = world.admin("GET /admin/factories/shop", "").await.json();
    for (name, value) in entry.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert!(shown["id"].as_str().unwrap().ends_with("/providers/Microsoft.DataFactory/factories/Shop"), "{shown}");
    assert_eq!(shown["properties"], json!({"publicNetworkAccess": "Disabled"}));
    assert_eq!((&shown["contents"]["linkedservices"], &shown["contents"]["pipelines"]), (&json!(2), &json!(0)));
    assert_eq!(shown["linkedServices"][1]["name"], "kv");
    assert_eq!(shown["unreadableVaults"], json!(["acme"]), "its identity has no access there");
    let owned = json!({"accessPolicies": [{"objectId": shown["principalId"], "permissions": {"secrets": ["get"]}}]});
    assert_eq!(world.admin("PUT /admin/vaults/acme", &owned.to_string()).await.status, 200);
    assert_eq!(world.admin("GET /admin/factories/shop", "").await.json()["unreadableVaults"], json!([]));
    let absent = world.admin("GET /admin/factories/none", "").await.error();
    assert_eq!(absent, "404 FactoryNotFound No factory is called 'none'; GET /admin/factories lists them.");
}

#[tokio::test]
async fn a_template_has_what_is_in_the_factory_and_names_what_each_needs() {
    let world =
        world_with(json!({"repoConfiguration": {"type": "FactoryGitHubConfiguration", "repositoryName": "r"}})).await;
    let template = world.admin("GET /admin/factories/shop/template", "").await.json();
    assert_eq!(template["parameters"], json!({"factoryName": {"type": "string", "defaultValue": "Shop"}}));
    let resources = template["resources"].as_array().unwrap();
    let factory = "[resourceId('Microsoft.DataFactory/factories', parameters('factoryName'))]";
    assert_eq!(
        resources[0],
        json!({
            "type": "Microsoft.DataFactory/factories", "apiVersion": "2018-06-01", "name": "[parameters('factoryName')]",
            "location": "[resourceGroup().location]", "identity": {"type": "SystemAssigned"},
            "properties": {"repoConfiguration": {"type": "FactoryGitHubConfiguration", "repositoryName": "r"}},
        })
    );
    let names: Vec<_> = resources.iter().map(|one| one["name"].as_str().unwrap()).collect();
    let child = |name: &str| format!("[concat(parameters('factoryName'), '/{name}')]");
    assert_eq!(names, ["[parameters('factoryName')]", &child("default"), &child("it''s"), &child("kv")]);
    let store = "[resourceId('Microsoft.DataFactory/factories/linkedservices', parameters('factoryName'), 'kv')]";
    assert_eq!(resources[2]["dependsOn"], json!([factory, store]));
    assert_eq!(resources[2]["properties"]["description"], "[[dev]", "text is no expression");
    assert_eq!(resources[1]["properties"], json!({}), "the id of its network is the service's");

    let with_key = world.admin("GET /admin/factories/shop/template?includeKey=true", "").await;
    assert_eq!((with_key.status.as_u16(), with_key.json()), (200, template), "it has no key");
    let odd = world.admin("GET /admin/factories/shop/template?includeKey=yes", "").await.error();
    assert_eq!(odd, "400 BadRequest includeKey: must be true or false");
}

#[tokio::test]
async fn the_settings_of_a_key_are_parameters_of_a_template_in_git_mode_alone() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    assert_eq!(ask(&client, "PUT F/plain", json!({"location": "x"})).await.status, 200);
    let refused = world.admin("GET /admin/factories/plain/template?includeKey=true", "").await.error();
    assert_eq!(
        refused,
        "409 Conflict the factory 'plain' is not in Git mode, in which alone a template has the settings of its key: give it a \
         repoConfiguration, or leave includeKey out"
    );
}
