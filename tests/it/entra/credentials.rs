//! What signs in beside an application's own credentials: placeholders, and anything for the application that `run` names.

use jsonwebtoken::EncodingKey;
use keyhaven::{Config, Options, Storage};
use serde_json::json;

use super::{
    APP, Certified, STRANGER, TENANT, by_assertion, by_secret, certified, claims, config, lists, login, now, refusal,
    signed, token, welcoming,
};
use crate::world::World;

#[tokio::test]
async fn placeholders_sign_in_like_the_credentials_that_they_replace() {
    let world = welcoming(&config(r#", "clientSecret": "hush""#), true).await;
    let credentials = world.server.credentials();
    let app = credentials.identity(APP).await.unwrap().unwrap();
    assert_eq!(by_secret(&world, APP, &credentials.secret().await.unwrap()).await.status, 200);
    let federated = std::fs::read_to_string(credentials.federated_token(&app).await.unwrap()).unwrap();
    assert_eq!(by_assertion(&world, APP, &federated).await.status, 200);
    let certificate = std::fs::read(credentials.certificate().await.unwrap()).unwrap();
    let blocks = pem::parse_many(certificate).unwrap();
    let key = pem::encode(&blocks[1]);
    let stand_in = Certified {
        pem: String::new(),
        der: blocks[0].contents().to_vec(),
        key: EncodingKey::from_rsa_pem(key.as_bytes()).unwrap(),
    };
    let endpoint = format!("https://{}/{TENANT}/oauth2/v2.0/token", login(&world));
    let said = json!({"iss": APP, "sub": APP, "aud": endpoint, "exp": now(&world).await + 60});
    assert_eq!(by_assertion(&world, APP, &signed(&stand_in, &said, true)).await.status, 200);
    assert!(credentials.identity(STRANGER).await.unwrap().is_none(), "no identity exists that a token could name");
}

/// An identity besides `app`, with a secret too.
async fn add_other(world: &World) -> &'static str {
    let entry = format!(r#"{{"name": "other", "clientId": "{STRANGER}", "clientSecret": "its own"}}"#);
    assert_eq!(world.admin("POST /admin/identities", &entry).await.status, 201);
    STRANGER
}

#[tokio::test]
async fn the_application_that_run_names_may_bring_anything_and_no_other_may() {
    let world = welcoming(&config(r#", "clientSecret": "hush""#), false).await;
    let other = add_other(&world).await;
    world.server.accept_any_credential_of(APP.parse().unwrap());
    for secret in ["brought along", "hush"] {
        let answer = by_secret(&world, APP, secret).await;
        assert_eq!(claims(&answer)["appid"], APP, "{secret}");
        assert_eq!(lists(&world, &token(&answer)).await, 200, "{secret}");
    }
    let key = certified();
    let said = |exp: i64| json!({"iss": "https://issuer.example", "sub": "job", "aud": "x", "exp": exp});
    let now = now(&world).await;
    assert_eq!(by_assertion(&world, APP, &signed(&key, &said(now + 60), true)).await.status, 200);
    let over = by_assertion(&world, APP, &signed(&key, &said(1), true)).await;
    assert_eq!(refusal(&over), "401 invalid_client AADSTS700024");
    assert_eq!(refusal(&by_secret(&world, other, "brought along").await), "401 invalid_client AADSTS7000215");
    assert_eq!(by_secret(&world, other, "its own").await.status, 200);
}

#[tokio::test]
async fn where_it_is_strict_what_is_configured_holds_for_the_application_that_run_names() {
    let world = welcoming(&config(r#", "clientSecret": "hush""#), true).await;
    world.server.accept_any_credential_of(APP.parse().unwrap());
    assert_eq!(refusal(&by_secret(&world, APP, "brought along").await), "401 invalid_client AADSTS7000215");
    assert_eq!(by_secret(&world, APP, "hush").await.status, 200);
}

#[tokio::test]
async fn placeholders_of_a_data_directory_stay_good_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let config = Config::parse(&config(r#", "clientSecret": "hush""#)).unwrap();
        World::with(Options { config, storage: Storage::Redb(dir.path().to_owned()), ..Options::default() }).await
    };
    let credential = async |world: &World, kind: &str| {
        let answer = world.admin("POST /admin/identities/app/credential", &json!({"kind": kind}).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let variables = answer.json()["variables"].clone();
        assert_eq!((&variables["AZURE_TENANT_ID"], &variables["AZURE_CLIENT_ID"]), (&json!(TENANT), &json!(APP)));
        variables
    };
    let world = start().await;
    let secret = credential(&world, "client-secret").await["AZURE_CLIENT_SECRET"].as_str().unwrap().to_owned();
    let file = credential(&world, "workload-identity").await["AZURE_FEDERATED_TOKEN_FILE"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&file).starts_with(dir.path()));
    assert_eq!(by_secret(&world, APP, &secret).await.status, 200);
    world.server.stop().await;

    std::fs::write(&file, "no token any more").unwrap();
    let world = start().await;
    assert_eq!(by_secret(&world, APP, &secret).await.status, 200);
    assert_eq!(credential(&world, "client-secret").await["AZURE_CLIENT_SECRET"], *secret);
    for _ in 0..500 {
        if std::fs::read_to_string(&file).unwrap() != "no token any more" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let renewed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(by_assertion(&world, APP, &renewed).await.status, 200, "a running server renews it");

    for (name, body, status) in [
        ("app", r#"{"kind": "managed-identity"}"#, 400),
        ("app", "{}", 400),
        ("app", r#"{"kind": "client-secret", "more": 1}"#, 400),
        ("absent", r#"{"kind": "client-secret"}"#, 404),
    ] {
        assert_eq!(
            world.admin(&format!("POST /admin/identities/{name}/credential"), body).await.status,
            status,
            "{body}"
        );
    }
}
