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

#[tokio::test]
async fn an_update_changes_what_is_given_and_never_the_value() {
    let world = World::new().await;
    let body = r#"{"value":"one","contentType":"a","tags":{"x":"1","y":"2"},"attributes":{"nbf":5}}"#;
    let first = world.ask("PUT /secrets/s", body).await.version();
    world.ask("PUT /secrets/s", r#"{"value":"two"}"#).await;
    world.clock.advance(10);
    let line = format!("PATCH /secrets/s/{first}");
    let body = r#"{"value":"three","contentType":"b","tags":{"z":"3"},"attributes":{"exp":9}}"#;
    let changed = world.ask(&line, body).await;
    let expected = format!(
        "200 {{\"contentType\":\"b\",\"id\":\"https://{}/secrets/s/{first}\",\"attributes\":{{\"enabled\":true,\"nbf\":5,\
         \"exp\":9,\"created\":{START},\"updated\":{},\"recoveryLevel\":\"Recoverable+Purgeable\",\"recoverableDays\":90}},\
         \"tags\":{{\"z\":\"3\"}}}}",
        world.host("acme"),
        START + 10
    );
    assert_eq!(changed.exactly(), expected);
    assert_eq!(world.ask(&format!("GET /secrets/s/{first}"), "").await.json()["value"], "one");
    let latest = world.ask("PATCH /secrets/s/", r#"{"attributes":{"enabled":false}}"#).await;
    assert_ne!(latest.version(), first, "no version means the latest");
    assert_eq!(world.ask("GET /secrets/s", "").await.status, 403);
    assert_eq!(world.ask("PATCH /secrets/s", r#"{"attributes":{"enabled":true}}"#).await.status, 200);
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "two", "a disabled one can be enabled again");
    let long = serde_json::json!({"contentType": "x".repeat(256)}).to_string();
    let refused = world.ask("PATCH /secrets/s", &long).await;
    assert_eq!(refused.header("x-keyhaven-detail"), "contentType: longer than 255 characters");
}

#[tokio::test]
async fn a_bundle_names_the_version_before_from_2025_06_01_preview_on() {
    const NEW: &str = "?api-version=2025-06-01-preview";
    let world = World::new().await;
    let set = async |value: &str| {
        let set = world.ask(&format!("PUT /secrets/s{NEW}"), &format!(r#"{{"value":"{value}"}}"#)).await;
        (set.version(), set.json()["previousVersion"].as_str().map(str::to_owned))
    };
    let (first, before_first) = set("one").await;
    assert_eq!(before_first, None, "a first version has none");
    let (second, before_second) = set("two").await;
    assert_eq!(before_second.as_deref(), Some(&*first));
    let (third, before_third) = set("three").await;
    assert_eq!(before_third.as_deref(), Some(&*second));

    let previous = async |line: String, body: &str| {
        let answer = world.ask(&line, body).await;
        assert_eq!(answer.status, 200, "{line}: {}", answer.text);
        answer.json().get("previousVersion").map(|version| version.as_str().unwrap().to_owned())
    };
    for (path, expected) in
        [("s", Some(&second)), (&*format!("s/{second}"), Some(&first)), (&format!("s/{first}"), None)]
    {
        for (line, body) in [("GET", ""), ("PATCH", r#"{"tags":{"a":"b"}}"#)] {
            let given = previous(format!("{line} /secrets/{path}{NEW}"), body).await;
            assert_eq!(given.as_ref(), expected, "{line} {path}");
        }
    }
    for version in ["7.6", "2016-10-01"] {
        assert_eq!(previous(format!("GET /secrets/s?api-version={version}"), "").await, None, "{version}");
    }
    for version in ["2025-07-01", "2026-04-01"] {
        let given = previous(format!("GET /secrets/s?api-version={version}"), "").await;
        assert_eq!(given.as_ref(), Some(&second), "{version}");
    }
    for line in ["GET /secrets", "GET /secrets/s/versions"] {
        assert!(!world.ask(&format!("{line}{NEW}"), "").await.text.contains("previousVersion"), "{line}");
    }

    let blob = world.ask("POST /secrets/s/backup", "").await.text;
    for line in ["DELETE /secrets/s", "GET /deletedsecrets/s", "POST /deletedsecrets/s/recover"] {
        assert_eq!(previous(format!("{line}{NEW}"), "").await.as_ref(), Some(&second), "{line}");
    }
    for line in ["DELETE /secrets/s", "DELETE /deletedsecrets/s"] {
        assert!(world.ask(line, "").await.status.is_success(), "{line}");
    }
    assert_eq!(previous(format!("POST /secrets/restore{NEW}"), &blob).await.as_ref(), Some(&second));
    let (_, after_restore) = set("four").await;
    assert_eq!(after_restore.as_ref(), Some(&third));
}

#[tokio::test]
async fn a_name_that_was_purged_begins_anew() {
    const NEW: &str = "?api-version=2025-07-01";
    let world = World::new().await;
    for _ in 0..2 {
        let set = world.ask(&format!("PUT /secrets/s{NEW}"), r#"{"value":"v"}"#).await;
        assert!(set.json().get("previousVersion").is_none(), "{}", set.text);
        for line in ["DELETE /secrets/s", "DELETE /deletedsecrets/s"] {
            assert!(world.ask(line, "").await.status.is_success(), "{line}");
        }
    }
}

#[tokio::test]
async fn another_content_type_is_for_certificates_secrets_and_newer_versions() {
    let world = World::new().await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    for kind in ["application/x-pkcs12", "Application/X-PEM-File"] {
        let line = format!("GET /secrets/s?api-version=2025-07-01&outContentType={kind}");
        assert_eq!(world.ask(&line, "").await.json()["value"], "v", "a plain secret is answered as it is");
    }
    for version in ["2025-06-01-preview", "2026-04-01"] {
        let line = format!("GET /secrets/s?api-version={version}&outContentType=text/plain");
        let refused = world.ask(&line, "").await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("x-keyhaven-detail")),
            (400, "outContentType: use application/x-pkcs12 or application/x-pem-file")
        );
    }
    assert_eq!(world.ask("GET /secrets/s?api-version=7.6&outContentType=text/plain", "").await.status, 200);
}

#[tokio::test]
async fn lists_never_show_values() {
    let world = World::new().await;
    world.ask("PUT /secrets/s", r#"{"value":"hush"}"#).await;
    world.ask("PUT /secrets/t", r#"{"value":"hush"}"#).await;
    world.ask("DELETE /secrets/t", "").await;
    for line in
        ["GET /secrets", "GET /secrets/s/versions", "GET /deletedsecrets", "GET /deletedsecrets/t", "PATCH /secrets/s"]
    {
        let answer = world.ask(line, "").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("hush") && !answer.text.contains("value\":\""), "{line}: {}", answer.text);
    }
    assert!(!world.ask("POST /deletedsecrets/t/recover", "").await.text.contains("hush"));
}
