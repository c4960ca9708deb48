//! Updating keys.

use crate::world::{START, World};

#[tokio::test]
async fn what_is_given_changes_and_the_rest_stays() {
    let world = World::new().await;
    let version =
        world.key("k", r#"{"kty":"RSA","attributes":{"nbf":1,"exp":4000000000},"tags":{"a":"1","b":"2"}}"#).await;
    world.clock.advance(60);
    let changed = world.ask("PATCH /keys/k/", r#"{"attributes":{"enabled":false},"tags":{"c":"3"}}"#).await;
    let body = changed.json();
    assert_eq!(changed.version(), version);
    assert_eq!(
        body["attributes"],
        serde_json::json!({"enabled": false, "nbf": 1, "exp": 4_000_000_000_i64, "created": START,
            "updated": START + 60, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90, "exportable": false})
    );
    assert_eq!(body["tags"], serde_json::json!({"c": "3"}));
    assert_eq!(body["key"]["key_ops"].as_array().unwrap().len(), 6);
    assert_eq!(world.ask("GET /keys/k", "").await.text, changed.text, "a disabled key can be read");
}

#[tokio::test]
async fn operations_are_replaced_and_an_empty_list_changes_nothing() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    let ops = |answer: crate::world::Answer| answer.json()["key"]["key_ops"].clone();
    let one = world.ask("PATCH /keys/k", r#"{"key_ops":["unwrapKey"]}"#).await;
    assert_eq!(ops(one), serde_json::json!(["unwrapKey"]));
    let same = world.ask("PATCH /keys/k", r#"{"key_ops":[]}"#).await;
    assert_eq!(ops(same), serde_json::json!(["unwrapKey"]));
}

#[tokio::test]
async fn tags_appear_once_they_were_set_even_to_none() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    assert!(world.ask("GET /keys/k", "").await.json().get("tags").is_none());
    world.ask("PATCH /keys/k", r#"{"tags":{}}"#).await;
    assert_eq!(world.ask("GET /keys/k", "").await.json()["tags"], serde_json::json!({}));
}

#[tokio::test]
async fn any_version_can_be_changed() {
    let world = World::new().await;
    let first = world.key("k", r#"{"kty":"RSA"}"#).await;
    let second = world.key("k", r#"{"kty":"RSA"}"#).await;
    world.ask(&format!("PATCH /keys/k/{first}"), r#"{"attributes":{"enabled":false}}"#).await;
    let enabled = async |version: &str| {
        world.ask(&format!("GET /keys/k/{version}"), "").await.json()["attributes"]["enabled"].as_bool().unwrap()
    };
    assert!(!enabled(&first).await);
    assert!(enabled(&second).await);
}
