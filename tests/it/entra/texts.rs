//! The texts of sign-in's refusals, as docs/troubleshooting.md looks them up.

use serde_json::json;

use super::{
    APP, Certified, SCOPE, STRANGER, TENANT, ask, by_assertion, by_secret, certified, login, now, post, signed, world,
};
use crate::world::{Answer, World};

const ISSUER: &str = "https://127.0.0.1:1/issuer";

fn assert_says(answer: &Answer, parts: &[&str]) {
    let body = answer.json();
    let text = body["error_description"].as_str().unwrap();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

/// What a federated token of `subject` is answered.
async fn federated(world: &World, key: &Certified, subject: &str) -> Answer {
    let until = now(world).await + 600;
    let said = json!({"iss": ISSUER, "sub": subject, "aud": ["api://AzureADTokenExchange"], "exp": until});
    by_assertion(world, APP, &signed(key, &said, false)).await
}

#[tokio::test]
async fn each_refusal_of_sign_in_has_its_text() {
    let credentials = format!(r#", "clientSecret": "hush", "federated": [{{"issuer": "{ISSUER}", "subject": "job"}}]"#);
    let world = world(&credentials).await;
    let kind = ("grant_type", "client_credentials");
    let form = [("client_id", APP), ("scope", SCOPE), kind, ("client_secret", "hush")];
    let elsewhere = post(&world, "/00000000-0000-0000-0000-000000000009/oauth2/v2.0/token", &form, &[]).await;
    assert_says(&elsewhere, &["Tenant '00000000", "' not found. Check to make sure you have the correct tenant ID"]);
    let stranger = by_secret(&world, STRANGER, "x").await;
    assert_says(&stranger, &["Application with identifier '", "' was not found in the directory"]);
    assert_says(&by_secret(&world, APP, "guess").await, &["Invalid client secret provided."]);
    let scope = [("client_id", APP), ("scope", "https://vault.azure.net/x"), kind, ("client_secret", "hush")];
    assert_says(&ask(&world, &scope).await, &["The provided value for scope ", " is not valid."]);
    let page = format!("GET /{TENANT}/oauth2/v2.0/authorize");
    let page = world.send(world.request(&login(&world), &page, "", None)).await;
    assert_says(&page, &["Keyhaven does not have ", "; applications sign in here, people do not."]);
}

#[tokio::test]
async fn each_refusal_of_an_assertion_has_its_text() {
    let world = world(&format!(r#", "federated": [{{"issuer": "{ISSUER}", "subject": "job"}}]"#)).await;
    let key = certified();
    let endpoint = format!("https://{}/{TENANT}/oauth2/v2.0/token", login(&world));
    let said = json!({"iss": APP, "sub": APP, "aud": endpoint, "exp": now(&world).await + 600, "jti": "1"});
    let why = "The certificate with identifier used to sign the client assertion is not registered on application.";
    assert_says(&by_assertion(&world, APP, &signed(&key, &said, true)).await, &[why]);
    let why = "No matching federated identity record found for presented assertion subject 'other' and issuer";
    assert_says(&federated(&world, &key, "other").await, &[why]);
    assert_says(&federated(&world, &key, "job").await, &["Request to External OIDC endpoint failed: "]);
}
