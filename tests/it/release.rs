//! Release policies: kept, shown and guarded. Nothing is released.

use serde_json::{Value, json};

use crate::base64url;
use crate::world::World;

fn policy(claim: &str, immutable: bool) -> Value {
    let document = json!({"version": "1.0.0", "anyOf": [{"authority": "https://a.example",
        "anyOf": [{"claim": claim, "equals": "true"}]}]});
    json!({"data": base64url::encode(document.to_string().as_bytes()), "immutable": immutable})
}

fn create(exportable: bool, policy: &Value) -> String {
    json!({"kty": "EC-HSM", "attributes": {"exportable": exportable}, "release_policy": policy}).to_string()
}

#[tokio::test]
async fn a_key_has_a_policy_exactly_when_it_may_be_released() {
    let world = World::new().await;
    for (body, expected) in [
        (create(true, &Value::Null), "AKV.SKR.1004: Exportable keys must have release policy."),
        (create(false, &policy("a", false)), "AKV.SKR.1005: Non-exportable keys must not have release policy."),
        (create(true, &json!({"data": "!"})), "Property  has invalid value\r\n"),
        (create(true, &json!({"data": "e30"})), "Property  has invalid value\r\n"),
    ] {
        let answer = world.ask("POST /keys/k/create", &body).await;
        assert_eq!(answer.error(), format!("400 BadParameter {expected}"));
    }
    assert_eq!(world.ask("GET /keys/k", "").await.status, 404, "nothing was made");
    let made = world.ask("POST /keys/k/create", &create(true, &policy("a", false))).await.json();
    assert_eq!(
        (&made["attributes"]["exportable"], &made["release_policy"]["immutable"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn a_policy_can_be_changed_until_it_is_immutable() {
    let world = World::new().await;
    world.key("k", &create(true, &policy("a", false))).await;
    let patch = async |body: Value| world.ask("PATCH /keys/k", &body.to_string()).await;
    let changed = patch(json!({"release_policy": policy("b", true)})).await.json();
    let document = base64url::decode(changed["release_policy"]["data"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(document).unwrap().contains(r#""claim":"b""#));
    assert_eq!(
        patch(json!({"release_policy": policy("c", true)})).await.error(),
        "400 BadParameter AKV.SKR.1020: Immutable Key Release Policy cannot be modified."
    );
    let still = patch(json!({"attributes": {"exportable": true, "enabled": false}, "tags": {"a": "b"}})).await.json();
    assert_eq!(still["release_policy"], changed["release_policy"]);
    assert_eq!(
        patch(json!({"attributes": {"exportable": false}})).await.error(),
        "400 BadParameter The attribute exportable cannot be changed after the key was created."
    );
}

#[tokio::test]
async fn older_api_versions_do_not_show_policies() {
    let world = World::new().await;
    world.key("k", &create(true, &policy("a", true))).await;
    for (version, shown) in [("7.2", false), ("7.3", true), ("2025-07-01", true)] {
        let body = world.ask(&format!("GET /keys/k?api-version={version}"), "").await.json();
        assert_eq!(body.get("release_policy").is_some(), shown, "{version}");
        assert_eq!(body["attributes"].get("exportable").is_some(), shown, "{version}");
    }
}

#[tokio::test]
async fn a_deleted_key_shows_no_policy_and_has_it_again_when_recovered() {
    let world = World::new().await;
    world.key("k", &create(true, &policy("a", true))).await;
    let before = world.ask("GET /keys/k", "").await.json();
    for line in ["DELETE /keys/k", "GET /deletedkeys/k"] {
        let deleted = world.ask(line, "").await.json();
        assert!(deleted.get("release_policy").is_none(), "{line}: {deleted}");
        assert_eq!(deleted["attributes"]["exportable"], true, "{line}");
    }
    assert_eq!(world.ask("POST /deletedkeys/k/recover", "").await.json(), before);
}

#[tokio::test]
async fn releasing_is_said_to_be_missing() {
    let world = World::new().await;
    world.key("k", &create(true, &policy("a", true))).await;
    for line in ["POST /keys/k/release", "POST /keys/k//release"] {
        assert_eq!(
            world.ask(line, r#"{"target":"x"}"#).await.error(),
            "400 NotSupported This server keeps release policies but does not release keys."
        );
    }
    assert_eq!(world.ask("POST /keys/nope/release", r#"{"target":"x"}"#).await.status, 404);
}
