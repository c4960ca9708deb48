//! What goes wrong on purpose, as clients see it.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::world::World;

async fn rules(world: &World, rules: &str) {
    let answer = world.admin("PUT /admin/faults", &format!(r#"{{"seed":1,"rules":[{rules}]}}"#)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn hits(world: &World) -> Vec<u64> {
    let shown = world.admin("GET /admin/faults", "").await.json();
    shown["rules"].as_array().unwrap().iter().map(|rule| rule["hits"].as_u64().unwrap()).collect()
}

/// Whether a request ended without an answer.
async fn is_cut(world: &World, line: &str, body: &str) -> bool {
    let token = world.token("owner").await;
    let request: hyper::Request<Full<Bytes>> = world.request(&world.host("acme"), line, body, Some(&token));
    let stream = world.tls("acme.vault.localhost").await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.is_err()
}

#[tokio::test]
async fn a_rule_acts_where_it_fits_and_as_often_as_it_may() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    rules(
        &world,
        r#"{"vault":"acme","operation":"KeyWrap","times":2,"then":{"status":429,"retryAfter":2}},
           {"vault":"plain","then":{"status":503}}"#,
    )
    .await;
    let wrap = async || world.ask("POST /keys/k/wrapkey", r#"{"alg":"RSA-OAEP","value":"AAAA"}"#).await;
    for _ in 0..2 {
        let throttled = wrap().await;
        assert_eq!(
            throttled.error(),
            "429 Throttled Request was not processed because too many requests were received. Reason: \
             VaultRequestTypeLimitReached"
        );
        assert_eq!(throttled.header("retry-after"), "2");
        assert!(!throttled.header("x-ms-request-id").is_empty());
    }
    assert_eq!(wrap().await.status, 200);
    assert_eq!(world.ask("GET /keys/k", "").await.status, 200, "another operation");
    let down = world.ask_as("owner", "plain", "GET /keys", "").await;
    assert_eq!((down.error().as_str(), down.header("retry-after")), ("503 ServiceUnavailable Service Unavailable", ""));
    assert_eq!(hits(&world).await, [2, 1]);
    assert_eq!(world.admin("DELETE /admin/faults", "").await.status, 204);
    assert_eq!(world.ask_as("owner", "plain", "GET /keys", "").await.status, 200);
    assert_eq!(world.admin("GET /admin/faults", "").await.exactly(), r#"200 {"seed":0,"rules":[]}"#);
}

#[tokio::test]
async fn a_cut_is_before_the_work_or_after_it() {
    let world = World::new().await;
    rules(
        &world,
        r#"{"operation":"SecretSet","times":1,"then":{"cut":"before"}},
           {"operation":"SecretSet","times":1,"then":{"cut":"after"}}"#,
    )
    .await;
    assert!(is_cut(&world, "PUT /secrets/s", r#"{"value":"v"}"#).await);
    assert_eq!(world.ask("GET /secrets/s", "").await.status, 404, "the work was not done");
    assert!(is_cut(&world, "PUT /secrets/s", r#"{"value":"v"}"#).await);
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "v", "the work was done");
    assert!(!is_cut(&world, "PUT /secrets/s", r#"{"value":"v"}"#).await);
}

#[tokio::test]
async fn a_delay_and_an_expired_token_are_what_they_say() {
    let world = World::new().await;
    rules(
        &world,
        r#"{"operation":"SecretList","times":1,"then":{"delay":"PT0.3S"}},
           {"operation":"KeyList","times":1,"then":{"token":"expired"}}"#,
    )
    .await;
    let token = world.token("owner").await;
    let ask = async |line: &str| world.send(world.request(&world.host("acme"), line, "", Some(&token))).await;
    let started = Instant::now();
    assert_eq!(ask("GET /secrets").await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(300));
    let expired = ask("GET /keys").await;
    assert_eq!(expired.error(), "401 Unauthorized [TokenExpired] Error validating token: 'S2S12086'.");
    let challenge = expired.header("www-authenticate");
    assert!(challenge.starts_with("Bearer authorization=\"https://login.localhost:"), "{challenge}");
    assert_eq!(ask("GET /keys").await.status, 200);
}

#[tokio::test]
async fn a_rule_that_could_not_act_is_refused() {
    let world = World::new().await;
    let put = async |body: &str| world.admin("PUT /admin/faults", body).await.error();
    assert_eq!(
        put(r#"{"rules":[{"operation":"KeyWarp","then":{"status":500}}]}"#).await,
        "400 BadRequest rules[0].operation: there is no 'KeyWarp' (did you mean 'KeyWrap'?); GET /admin/status lists them"
    );
    assert_eq!(
        put(r#"{"rules":[{"operation":"GetSecret","then":{"status":500}}]}"#).await,
        "400 BadRequest rules[0].operation: there is no 'GetSecret' (did you mean 'SecretGet'?); GET /admin/status lists them"
    );
    assert_eq!(
        put(r#"{"rules":[{"vault":"acmee","then":{"status":500}}]}"#).await,
        "400 BadRequest rules[0].vault: no vault is called 'acmee'; there are acme, plain (did you mean 'acme'?)"
    );
    assert_eq!(
        put(r#"[{"vault":"acme","then":{"status":500}}]"#).await,
        "400 BadRequest invalid type: list, expected an object such as \
         {\"rules\": [{\"operation\": \"SecretGet\", \"then\": {\"status\": 503}}]}"
    );
    assert_eq!(
        put(r#"{"rules":[{"vault":"acme.vault.azure.net","then":{"status":500}}]}"#).await,
        "400 BadRequest rules[0].vault: must be the name of a vault, not a host name"
    );
    assert_eq!(
        put(r#"{"rules":[{"then":{"status":404}}]}"#).await,
        "400 BadRequest rules[0].then.status: must be 429, 500 or 503"
    );
    assert_eq!(hits(&world).await, [0; 0]);
}

#[tokio::test]
async fn rules_with_a_name_leave_those_of_others_alone() {
    let world = World::new().await;
    rules(&world, r#"{"vault":"plain","then":{"status":503}}"#).await;
    let mine = r#"{"rules":[{"vault":"acme","operation":"SecretList","then":{"status":500}}]}"#;
    let put = world.admin("PUT /admin/faults/mine", mine).await;
    let shown =
        r#"{"seed":0,"rules":[{"vault":"acme","operation":"SecretList","rate":1.0,"then":{"status":500},"hits":0}]}"#;
    assert_eq!(put.exactly(), format!("200 {shown}"));
    assert_eq!(world.ask("GET /secrets", "").await.status, 500);
    assert_eq!(world.ask_as("owner", "plain", "GET /keys", "").await.status, 503);
    let counted = world.admin("GET /admin/faults/mine", "").await;
    assert_eq!(counted.exactly(), format!("200 {}", shown.replace(r#""hits":0"#, r#""hits":1"#)));
    let all = world.admin("GET /admin/faults", "").await.json();
    assert_eq!((&all["rules"][0]["vault"], &all["named"]["mine"]), (&"plain".into(), &counted.json()));

    assert_eq!(world.admin("DELETE /admin/faults/mine", "").await.status, 204);
    let gone = "404 NotFound No fault rules are called 'mine'.";
    assert_eq!(world.admin("DELETE /admin/faults/mine", "").await.error(), gone);
    assert_eq!(world.admin("GET /admin/faults/mine", "").await.error(), gone);
    assert_eq!((world.ask("GET /secrets", "").await.status.as_u16(), hits(&world).await), (200, vec![1]));
    let wrong = world.admin("PUT /admin/faults/a_b", mine).await.error();
    assert_eq!(wrong, "400 BadRequest name: must be 1 to 64 letters, digits and hyphens");
}
