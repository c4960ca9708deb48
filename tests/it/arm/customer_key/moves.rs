//! From one version, key, vault or identity to the next.

use serde_json::{Value, json};

use super::{CIPHER, Plane, by_cipher, encrypted, key, pipeline, tenant};

async fn version(plane: &Plane<'_>, vault: &str) -> String {
    let kid = plane.vault(vault, "GET /keys/cmk", &Value::Null).await["key"]["kid"].clone();
    kid.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

async fn rotated(plane: &Plane<'_>, vault: &str) -> String {
    plane.vault(vault, "POST /keys/cmk/create", &json!({"kty": "RSA"})).await;
    version(plane, vault).await
}

#[tokio::test]
async fn without_a_version_the_latest_is_followed_with_the_next_read() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    plane.keyed().await;
    let first = version(&plane, "safe").await;
    let etag = plane.done("GET F/acme", &Value::Null).await["eTag"].clone();
    let second = rotated(&plane, "safe").await;
    plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    plane.enable("safe", &format!("cmk/{first}"), false).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"], "the old version is needed no more");
    let factory = plane.done("GET F/acme", &Value::Null).await;
    assert_eq!(
        (&factory["eTag"], &factory["properties"]["encryption"]),
        (&etag, &key("safe")),
        "the settings are as they were"
    );
    plane.enable("safe", &format!("cmk/{second}"), false).await;
    assert_eq!(plane.ask("GET F/acme/pipelines/p", &Value::Null).await.status, 403);
}

#[tokio::test]
async fn a_latest_version_that_cannot_be_used_is_not_followed() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    plane.keyed().await;
    let disabled = json!({"kty": "RSA", "attributes": {"enabled": false}});
    plane.vault("safe", "POST /keys/cmk/create", &disabled).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"], "the version in use counts");
}

#[tokio::test]
async fn a_version_is_kept_to_until_the_settings_change() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.factory().await;
    plane.grant(&own, super::ROLE).await;
    let first = version(&plane, "safe").await;
    plane.done("PUT F/acme", &encrypted("safe", json!({"keyVersion": first}))).await;
    plane.done("PUT F/acme/pipelines/p", &pipeline("first")).await;
    let second = rotated(&plane, "safe").await;
    plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    plane.enable("safe", &format!("cmk/{first}"), false).await;
    assert_eq!(plane.ask("GET F/acme/pipelines/p", &Value::Null).await.status, 403, "it stays with its version");
    let moving = encrypted("safe", json!({"keyVersion": second}));
    assert_eq!(plane.ask("PUT F/acme", &moving).await.status, 403, "only while the old one unwraps");
    let unchanged = plane.done("GET F/acme", &Value::Null).await;
    assert_eq!(unchanged["properties"]["encryption"]["keyVersion"], json!(first));
    plane.enable("safe", &format!("cmk/{first}"), true).await;
    plane.done("PUT F/acme", &moving).await;
    plane.enable("safe", &format!("cmk/{first}"), false).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"], "what was written before stays readable");
}

#[tokio::test]
async fn it_moves_to_another_vault_and_another_identity() {
    let world = tenant(&["safe", "lists"]).await;
    let plane = Plane::of(&world).await;
    plane.keyed().await;
    let mut body = by_cipher("lists", json!({}));
    body["identity"]["type"] = json!("SystemAssigned,UserAssigned");
    // The old key unwraps as the old identity, the new one wraps as the new one.
    plane.done("PUT F/acme", &body).await;
    plane.vault("safe", "DELETE /keys/cmk", &Value::Null).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"], "nothing of the vault before is needed");
    let own = json!({"identity": {"type": "SystemAssigned", "userAssignedIdentities": {CIPHER: null}}});
    let kept = plane.ask("PATCH F/acme", &own).await.error();
    assert!(kept.starts_with("400 BadRequest ") && kept.contains(CIPHER), "{kept}");
}

#[tokio::test]
async fn an_identity_that_lost_its_access_is_replaced_by_one_that_has_it() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.keyed().await;
    plane.withdraw().await;
    assert_eq!(plane.ask("GET F/acme/pipelines/p", &Value::Null).await.status, 403);
    let cipher = world.admin("GET /admin/identities", "").await.json()["identities"][2]["objectId"].clone();
    plane.grant(cipher.as_str().unwrap(), super::ROLE).await;
    let mut body = by_cipher("safe", json!({}));
    body["identity"]["type"] = json!("SystemAssigned,UserAssigned");
    let changed = plane.done("PUT F/acme", &body).await;
    assert_eq!(changed["identity"]["principalId"], json!(own));
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"]);
}
