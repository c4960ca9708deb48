//! While the key is away, and when it is back.

use serde_json::{Value, json};

use super::{Plane, ROLE, encrypted, pipeline, tenant};

/// Everything that needs the key.
const INSIDE: [(&str, &str); 6] = [
    ("GET F/acme/pipelines/p", ""),
    ("GET F/acme/pipelines", ""),
    ("GET F/acme/linkedservices", ""),
    ("GET F/acme/managedVirtualNetworks", ""),
    ("PUT F/acme/pipelines/q", r#"{"properties": {"activities": []}}"#),
    ("DELETE F/acme/pipelines/p", ""),
];

#[tokio::test]
async fn what_is_in_the_factory_needs_the_key_and_the_factory_itself_does_not() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.keyed().await;
    let version = plane.vault("safe", "GET /keys/cmk", &Value::Null).await["key"]["kid"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    plane.enable("safe", &format!("cmk/{version}"), false).await;
    for (text, body) in INSIDE {
        let refused = plane.client.ask(&super::line(text), body).await.error();
        let expected = format!(
            "403 Forbidden Access to the customer-managed key of the data factory is denied: unwrap with \
             https://safe.vault.azure.net/keys/cmk/{version} was refused: 403 Forbidden/KeyDisabled: "
        );
        assert!(refused.starts_with(&expected), "{text}: {refused}");
    }
    let tagged = plane.done("PATCH F/acme", &json!({"tags": {"a": "b"}})).await;
    assert_eq!((&tagged["tags"], &tagged["properties"]["encryption"]["keyName"]), (&json!({"a": "b"}), &json!("cmk")));
    let mut body = encrypted("safe", json!({}));
    body["identity"] = json!({"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {super::CIPHER: {}}});
    let changed = plane.done("PUT F/acme", &body).await;
    assert_eq!(changed["identity"]["principalId"], json!(own), "identities change without the key");
    assert_eq!(plane.done("GET F", &Value::Null).await["value"].as_array().unwrap().len(), 1);

    plane.enable("safe", &format!("cmk/{version}"), true).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"], "all comes back");
    plane.enable("safe", &format!("cmk/{version}"), false).await;
    plane.done("DELETE F/acme", &Value::Null).await;
    assert_eq!(plane.ask("GET F/acme", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn each_way_to_take_the_key_away_is_named_and_undone() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.keyed().await;
    let away = async |why: &str| {
        let refused = plane.ask("GET F/acme/pipelines/p", &Value::Null).await.error();
        assert!(refused.starts_with("403 Forbidden ") && refused.contains(why), "{why}: {refused}");
    };
    let back = async || plane.done("GET F/acme/pipelines/p", &Value::Null).await;

    plane.withdraw().await;
    away("Forbidden/ForbiddenByRbac").await;
    plane.grant(&own, "Key Vault Secrets User").await;
    away("lacks unwrapKey on keys of https://safe.vault.azure.net").await;
    plane.grant(&own, ROLE).await;
    back().await;

    plane.vault("safe", "DELETE /keys/cmk", &Value::Null).await;
    away("404 KeyNotFound").await;
    plane.vault("safe", "POST /deletedkeys/cmk/recover", &json!({})).await;
    back().await;

    plane.vault("safe", "PATCH /keys/cmk", &json!({"attributes": {"exp": crate::world::START + 60}})).await;
    world.clock.advance(120);
    // An expired key still unwraps, so that data can be saved; it wraps nothing.
    back().await;
}

#[tokio::test]
async fn a_firewall_lets_the_factory_in_as_a_trusted_service_and_by_no_address() {
    let world = tenant(&["lists"]).await;
    let plane = Plane::of(&world).await;
    plane.done("PUT F/acme", &super::by_cipher("lists", json!({}))).await;
    let network = async |acls: Value| {
        let policies = json!([{"identity": "cipher", "permissions": {"keys": ["get", "wrapKey", "unwrapKey"]}}]);
        let mut vault = json!({"sku": "premium", "enablePurgeProtection": true, "accessPolicies": policies});
        vault.as_object_mut().unwrap().extend(acls.as_object().unwrap().clone());
        let put = world.admin("PUT /admin/vaults/lists", &vault.to_string()).await;
        assert_eq!(put.status, 200, "{}", put.text);
    };
    let outcome = async || plane.ask("GET F/acme/pipelines", &Value::Null).await;
    let everywhere = json!(["0.0.0.0/1", "128.0.0.0/1"]);
    for (acls, expected) in [
        (json!({"networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices"}}), 200),
        (json!({"networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": everywhere}}), 403),
        (json!({"publicNetworkAccess": "Disabled", "networkAcls": {"bypass": "AzureServices"}}), 200),
        (json!({"publicNetworkAccess": "Disabled", "networkAcls": {"bypass": "None"}}), 403),
        (json!({"publicNetworkAccess": "SecuredByPerimeter"}), 403),
        (json!({"publicNetworkAccess": "Enabled", "networkAcls": {"defaultAction": "Allow"}}), 200),
    ] {
        network(acls.clone()).await;
        let answer = outcome().await;
        assert_eq!(answer.status, expected, "{acls}: {}", answer.text);
        let hint = "a data factory gets in as a trusted service alone: set publicNetworkAccess of the vault 'lists'";
        assert!(expected == 200 || answer.text.contains(hint), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_vault_that_is_busy_or_breaks_off_is_asked_again_by_the_client() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    plane.keyed().await;
    for then in [json!({"status": 500}), json!({"cut": "before"}), json!({"cut": "after"})] {
        let rules = json!({"rules": [{"operation": "KeyUnwrap", "times": 1, "then": then}]});
        assert_eq!(world.admin("PUT /admin/faults", &rules.to_string()).await.status, 200);
        let busy = plane.ask("GET F/acme/pipelines/p", &Value::Null).await;
        assert_eq!((busy.status.as_u16(), busy.header("retry-after")), (503, "1"), "{then}: {}", busy.text);
        plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    }
    let rules = json!({"rules": [{"operation": "KeyUnwrap", "times": 1, "then": {"token": "expired"}}]});
    world.admin("PUT /admin/faults", &rules.to_string()).await;
    plane.done("GET F/acme/pipelines/p", &Value::Null).await;
}

#[tokio::test]
async fn nothing_of_a_definition_is_in_the_records_and_all_of_it_is_in_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let config = super::with(&["safe"]).to_string();
    let storage = || keyhaven::Storage::Redb(dir.path().to_owned());
    let snapshot = {
        let world = crate::world::World::of(&config, storage()).await;
        let plane = Plane::of(&world).await;
        plane.keyed().await;
        let snapshot = world.admin_bytes("GET /admin/snapshot").await;
        world.server.stop().await;
        snapshot
    };
    let check = keyhaven::testing::check(dir.path(), None);
    assert!(check.is_ok(), "it can be checked without the key");
    let world = crate::world::World::of(&config, storage()).await;
    let plane = Plane::of(&world).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"]);
    plane.done("DELETE F/acme", &Value::Null).await;
    let loaded = world
        .admin_with(
            "PUT /admin/snapshot",
            &snapshot,
            &[("authorization", &format!("Bearer {}", world.server.ready.admin_key))],
        )
        .await;
    assert!(loaded.status.is_success(), "{}", loaded.text);
    let plane = Plane::of(&world).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"]);
    world.server.stop().await;
}
