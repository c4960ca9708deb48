//! Signing in after a session was revoked, and as an application that is disabled.

use serde_json::json;

use super::{
    APP, SCOPE, TENANT, ask, by_assertion, by_secret, certified, claims, lists, login, now, refusal, signed, token,
    world,
};

/// What a vault asks for after a revocation, with the capabilities that clients add.
const CHALLENGED: &str =
    r#"{"access_token":{"nbf":{"essential":true,"value":"1603742800"},"xms_cc":{"values":["CP1"]}}}"#;

#[tokio::test]
async fn whoever_signs_in_again_with_the_claims_of_a_challenge_gets_a_token_that_counts() {
    let own = certified();
    let world = world(&format!(r#", "clientSecret": "hush", "certificates": [{}]"#, json!(own.pem))).await;
    let former = token(&by_secret(&world, APP, "hush").await);
    let federated = world.admin("POST /admin/identities/app/token", r#"{"federated":true}"#).await.json();
    assert_eq!(world.admin("POST /admin/identities/app/revoke", "").await.status, 204);
    assert_eq!(lists(&world, &former).await, 401);

    let form = |claims| {
        let kind = ("grant_type", "client_credentials");
        [("client_id", APP), ("scope", SCOPE), kind, ("client_secret", "hush"), ("claims", claims)]
    };
    let again = ask(&world, &form(CHALLENGED)).await;
    assert_eq!(lists(&world, &token(&again)).await, 200);
    assert!(claims(&again)["session"].as_i64().unwrap() > 1_700_000_000);
    for malformed in ["no", "[]", "{"] {
        assert_eq!(refusal(&ask(&world, &form(malformed)).await), "400 invalid_request AADSTS9002313");
    }

    let endpoint = format!("https://{}/{TENANT}/oauth2/v2.0/token", login(&world));
    let said = json!({"iss": APP, "sub": APP, "aud": endpoint, "exp": now(&world).await + 600});
    let by_certificate = by_assertion(&world, APP, &signed(&own, &said, true)).await;
    let federated = by_assertion(&world, APP, federated["access_token"].as_str().unwrap()).await;
    for answer in [by_certificate, federated] {
        assert_eq!(lists(&world, &token(&answer)).await, 200, "credentials outlive sessions");
    }
    let as_assertion = by_assertion(&world, APP, &former).await;
    assert_eq!(
        refusal(&as_assertion),
        "401 invalid_client AADSTS700213",
        "an access token is no assertion to sign in with"
    );
}

#[tokio::test]
async fn an_application_that_is_disabled_does_not_sign_in() {
    let world = world(r#", "clientSecret": "hush", "enabled": false"#).await;
    let answer = by_secret(&world, APP, "hush").await;
    assert_eq!(refusal(&answer), "400 unauthorized_client AADSTS7000112");
    let body = answer.json();
    let text = body["error_description"].as_str().unwrap();
    let expected = format!("AADSTS7000112: Application '{APP}'(app) is disabled. Trace ID: ");
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(refusal(&by_secret(&world, APP, "guess").await), "401 invalid_client AADSTS7000215");
    assert_eq!(world.admin("PATCH /admin/identities/app", r#"{"enabled":true}"#).await.status, 200);
    assert_eq!(lists(&world, &token(&by_secret(&world, APP, "hush").await)).await, 200);
}
