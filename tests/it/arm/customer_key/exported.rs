//! What the server's own tools show of a factory under its customer's key.

use serde_json::{Value, json};

use super::{Plane, encrypted, key, tenant};

#[tokio::test]
async fn the_settings_of_the_key_are_shown_and_are_parameters_of_a_template_that_asks_for_them() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    plane.keyed().await;
    let mut body = encrypted("safe", json!({}));
    body["properties"]["repoConfiguration"] = json!({"type": "FactoryGitHubConfiguration", "repositoryName": "r"});
    plane.done("PUT F/acme", &body).await;
    let shown = world.admin("GET /admin/factories/acme", "").await.json();
    assert_eq!(shown["properties"]["encryption"], key("safe"));

    let without = world.admin("GET /admin/factories/acme/template", "").await.json();
    assert_eq!(
        (&without["resources"][0]["properties"]["encryption"], &without["metadata"]),
        (&Value::Null, &Value::Null)
    );
    let template = world.admin("GET /admin/factories/acme/template?includeKey=true", "").await.json();
    let settings = json!({"vaultBaseUrl": "[parameters('dataFactory_properties_encryption_vaultBaseUrl')]",
        "keyName": "[parameters('dataFactory_properties_encryption_keyName')]"});
    assert_eq!(template["resources"][0]["properties"]["encryption"], settings);
    let vault = json!({"type": "string", "defaultValue": "https://safe.vault.azure.net"});
    assert_eq!(template["parameters"]["dataFactory_properties_encryption_vaultBaseUrl"], vault);
    let warning = template["metadata"]["comments"].as_str().unwrap();
    assert!(
        warning.contains("override the others") && warning.contains("Git, global parameters and network access"),
        "{warning}"
    );

    plane.enable("safe", "cmk", false).await;
    let away = world.admin("GET /admin/factories/acme", "").await.json();
    assert!(away["unreadable"].is_string() && away["linkedServices"].is_null(), "{away}");
    let refused = world.admin("GET /admin/factories/acme/template", "").await.error();
    assert!(refused.starts_with("409 Conflict the factory's customer-managed key is away: "), "{refused}");
}
