//! Setting and getting secrets.

use crate::world::{START, World};

#[tokio::test]
async fn a_secret_is_answered_with_its_value_and_in_order() {
    let world = World::new().await;
    let body = r#"{"attributes":{"exp":2524611661,"nbf":2208992461},"contentType":"content-type","tags":{"tag":"value"},
        "value":"value0"}"#;
    let set = world.ask("PUT /secrets/s", body).await;
    let expected = format!(
        "200 {{\"value\":\"value0\",\"contentType\":\"content-type\",\"id\":\"https://{}/secrets/s/{}\",\"attributes\":\
         {{\"enabled\":true,\"nbf\":2208992461,\"exp\":2524611661,\"created\":{START},\"updated\":{START},\
         \"recoveryLevel\":\"Recoverable+Purgeable\",\"recoverableDays\":90}},\"tags\":{{\"tag\":\"value\"}}}}",
        world.host("acme"),
        set.version()
    );
    assert_eq!(set.exactly(), expected);
    for path in ["/secrets/s", "/secrets/S/", &format!("/secrets/s/{}", set.version())] {
        assert_eq!(
            world.ask(&format!("GET {path}"), "").await.exactly(),
            expected,
            "nbf and exp do not matter: {path}"
        );
    }
}

#[tokio::test]
async fn versions_keep_their_values() {
    let world = World::new().await;
    let first = world.ask("PUT /secrets/s", r#"{"value":"one"}"#).await.version();
    let second = world.ask("PUT /secrets/S", r#"{"value":"two"}"#).await.version();
    let value = async |path: String| world.ask(&path, "").await.json()["value"].as_str().unwrap().to_owned();
    assert_eq!(value(format!("GET /secrets/s/{first}")).await, "one");
    assert_eq!(value(format!("GET /secrets/s/{second}")).await, "two");
    assert_eq!(value("GET /secrets/s".to_owned()).await, "two");
}

#[tokio::test]
async fn a_disabled_secret_is_refused() {
    let world = World::new().await;
    world.ask("PUT /secrets/s", r#"{"value":"v","attributes":{"enabled":false}}"#).await;
    assert_eq!(
        world.ask("GET /secrets/s", "").await.exactly(),
        "403 {\"error\":{\"code\":\"Forbidden\",\"message\":\"Operation get is not allowed on a disabled secret.\",\
         \"innererror\":{\"code\":\"SecretDisabled\"}}}"
    );
}

#[tokio::test]
async fn limits_are_the_services() {
    let world = World::new().await;
    let set = async |body: serde_json::Value| {
        let answer = world.ask("PUT /secrets/s", &body.to_string()).await;
        (answer.status.as_u16(), answer.header("x-keyhaven-detail").to_owned())
    };
    let fits = (200, String::new());
    let value = |length| serde_json::json!({"value": "x".repeat(length)});
    assert_eq!(set(value(25_600)).await, fits);
    assert_eq!(set(value(25_601)).await, (400, "value: longer than 25600 bytes".to_owned()));
    let kind = |length| serde_json::json!({"value": "v", "contentType": "x".repeat(length)});
    assert_eq!(set(kind(255)).await, fits);
    assert_eq!(set(kind(256)).await, (400, "contentType: longer than 255 characters".to_owned()));
    let tag = |length| serde_json::json!({"value": "v", "tags": {"t": "x".repeat(length)}});
    assert_eq!(set(tag(512)).await, fits);
    assert_eq!(set(tag(513)).await, (400, "tags: a name or value is longer than 512 characters".to_owned()));
    let empty = world.ask("PUT /secrets/s", "{}").await;
    assert_eq!(empty.error(), "400 BadParameter Property 'value' is required.\r\n");
    let number = world.ask("PUT /secrets/s", r#"{"value":7}"#).await;
    assert_eq!(number.header("x-keyhaven-detail"), "value has the wrong type or a value that is not allowed");
}

#[tokio::test]
async fn values_are_kept_to_the_letter() {
    let world = World::new().await;
    for value in ["", " \r\n\t\u{0}", "grün 鍵 🔑", "\"}{\\", "ﬀ"] {
        world.ask("PUT /secrets/s", &serde_json::json!({ "value": value }).to_string()).await;
        assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], value);
    }
}

#[tokio::test]
async fn a_key_and_a_secret_may_share_a_name() {
    let world = World::new().await;
    world.key("both", r#"{"kty":"RSA"}"#).await;
    world.ask("PUT /secrets/both", r#"{"value":"v"}"#).await;
    assert_eq!(world.ask("GET /keys/both", "").await.json()["key"]["kty"], "RSA");
    assert_eq!(world.ask("GET /secrets/both", "").await.json()["value"], "v");
}
