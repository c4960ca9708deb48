//! Creating and reading keys.

use serde_json::Value;

use crate::world::{START, World};

/// The answer with the modulus checked (`bytes` long, no leading zero) and replaced by `N`.
fn without_modulus(text: &str, bytes: usize) -> String {
    let body: Value = serde_json::from_str(text).unwrap();
    let n = body["key"]["n"].as_str().unwrap();
    let decoded = crate::base64url::decode(n).unwrap();
    assert_eq!((decoded.len(), decoded[0] >= 0x80), (bytes, true));
    text.replace(n, "N")
}

#[tokio::test]
async fn an_rsa_key_has_the_services_defaults_in_the_services_order() {
    let world = World::new().await;
    let made = world.ask("POST /keys/App/create", r#"{"kty":"RSA"}"#).await;
    let host = world.host("acme");
    assert_eq!(
        format!("{} {}", made.status.as_u16(), without_modulus(&made.text, 256)),
        format!(
            "200 {{\"key\":{{\"kid\":\"https://{host}/keys/App/{}\",\"kty\":\"RSA\",\"key_ops\":[\"encrypt\",\"decrypt\",\
             \"sign\",\"verify\",\"wrapKey\",\"unwrapKey\"],\"n\":\"N\",\"e\":\"AQAB\"}},\"attributes\":{{\"enabled\":true,\
             \"created\":{START},\"updated\":{START},\"recoveryLevel\":\"Recoverable+Purgeable\",\"recoverableDays\":90,\
             \"exportable\":false}}}}",
            made.version()
        )
    );
    assert_eq!(made.version().len(), 32);
}

#[tokio::test]
async fn ids_are_seeded() {
    let (one, other) = (World::new().await, World::new().await);
    assert_eq!(one.key("k", r#"{"kty":"RSA"}"#).await, other.key("k", r#"{"kty":"RSA"}"#).await);
}

#[tokio::test]
async fn an_hsm_key_shows_its_exponent_in_four_bytes() {
    let world = World::new().await;
    for (size, bytes) in [(2048, 256), (3072, 384), (4096, 512)] {
        let body = format!(r#"{{"kty":"RSA-HSM","key_size":{size},"key_ops":["wrapKey","unwrapKey","wrapKey"]}}"#);
        let made = world.ask("POST /keys/hsm/create?api-version=7.5", &body).await;
        let key = &made.json()["key"];
        without_modulus(&made.text, bytes);
        assert_eq!((&key["kty"], &key["e"]), (&"RSA-HSM".into(), &"AAEAAQ".into()));
        assert_eq!(key["key_ops"], serde_json::json!(["wrapKey", "unwrapKey"]));
        assert_eq!(made.json()["attributes"]["hsmPlatform"], "2");
    }
}

#[tokio::test]
async fn attributes_and_tags_are_kept_and_shown_in_order() {
    let world = World::new().await;
    let body =
        r#"{"kty":"RSA","attributes":{"enabled":false,"exp":2524611661,"nbf":2208992461},"tags":{"key":"value"}}"#;
    let made = world.ask("POST /keys/k/create?api-version=7.3", body).await;
    let (_, rest) = made.text.split_once("\"attributes\"").unwrap();
    assert_eq!(
        rest,
        format!(
            ":{{\"enabled\":false,\"nbf\":2208992461,\"exp\":2524611661,\"created\":{START},\"updated\":{START},\
             \"recoveryLevel\":\"Recoverable+Purgeable\",\"recoverableDays\":90}},\"tags\":{{\"key\":\"value\"}}}}"
        )
    );
}

#[tokio::test]
async fn what_is_answered_follows_the_api_version() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    for (version, shown) in [
        ("2016-10-01", vec![]),
        ("7.0", vec![]),
        ("7.2", vec!["recoverableDays"]),
        ("7.4", vec!["recoverableDays", "exportable"]),
        ("7.6-preview.2", vec!["recoverableDays", "exportable", "hsmPlatform"]),
        ("2025-07-01", vec!["recoverableDays", "exportable", "hsmPlatform"]),
    ] {
        let attributes = world.ask(&format!("GET /keys/k?api-version={version}"), "").await.json()["attributes"].take();
        for name in ["recoverableDays", "exportable", "hsmPlatform"] {
            assert_eq!(attributes.get(name).is_some(), shown.contains(&name), "{version} {name}");
        }
    }
}

#[tokio::test]
async fn the_recovery_level_is_the_vaults() {
    let world = World::new().await;
    let made = world.ask_as("owner", "plain", "POST /keys/k/create", r#"{"kty":"RSA"}"#).await;
    let attributes = &made.json()["attributes"];
    assert_eq!(attributes["recoveryLevel"], "CustomizedRecoverable");
    assert_eq!(attributes["recoverableDays"], 7);
}

#[tokio::test]
async fn a_name_in_use_gets_a_new_version_and_both_can_be_read() {
    let world = World::new().await;
    let first = world.key("My-Key", r#"{"kty":"RSA"}"#).await;
    let second = world.key("mY-kEY", r#"{"kty":"RSA-HSM"}"#).await;
    assert_ne!(first, second);
    for path in ["/keys/my-key", "/keys/MY-KEY/", "/Keys/my-key//", &format!("/keys/my-key/{second}")] {
        let answer = world.ask(&format!("GET {path}"), "").await;
        assert_eq!(answer.version(), second, "{path}");
        assert!(answer.json()["key"]["kid"].as_str().unwrap().contains("/keys/My-Key/"), "the first spelling stays");
    }
    let old = world.ask(&format!("GET /keys/my-key/{}", first.to_uppercase()), "").await;
    assert_eq!((old.version(), &old.json()["key"]["kty"]), (first, &"RSA".into()));
}

#[tokio::test]
async fn names_may_look_like_operations() {
    let world = World::new().await;
    for name in ["restore", "versions", "create", "contacts", "sign", "keys"] {
        let version = world.key(name, r#"{"kty":"RSA"}"#).await;
        assert_eq!(world.ask(&format!("GET /keys/{name}"), "").await.version(), version, "{name}");
        let versions = world.ask(&format!("GET /keys/{name}/versions"), "").await;
        assert_eq!(versions.json()["value"].as_array().unwrap().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn headers_are_the_services() {
    let world = World::new().await;
    let mut request = world.request(&world.host("acme"), "GET /keys", "", Some(&world.token("owner").await));
    request.headers_mut().insert("x-ms-client-request-id", "abc".parse().unwrap());
    let answer = world.send(request).await;
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        ("strict-transport-security", "max-age=31536000;includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-ms-keyvault-region", "local"),
        ("x-ms-keyvault-network-info", "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"),
        ("x-ms-client-request-id", "abc"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-length", "28"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("x-ms-keyvault-service-version").starts_with("1.9."));
    assert_eq!(answer.header("x-ms-request-id").len(), 36);
    assert!(answer.header("date").ends_with("GMT"));
}
