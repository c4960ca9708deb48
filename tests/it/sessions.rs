//! Sessions that are revoked, and identities that are disabled: what is asked of the holder of a token (continuous access
//! evaluation).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyhaven::testing::identity_ids;
use keyhaven::{Config, Options, Storage};
use serde_json::Value;

use crate::world::{Answer, CONFIG, World};

const TENANT: &str = "6b9e7c1a-0000-4000-8000-000000000001";

async fn ask(world: &World, line: &str, token: &str) -> Answer {
    world.send(world.request(&world.host("acme"), line, "", Some(token))).await
}

async fn lists(world: &World, token: &str) -> u16 {
    ask(world, "GET /keys", token).await.status.as_u16()
}

async fn revoke(world: &World, name: &str) {
    assert_eq!(world.admin(&format!("POST /admin/identities/{name}/revoke"), "").await.exactly(), "204 ");
}

async fn enable(world: &World, name: &str, enabled: bool) {
    let body = format!(r#"{{"enabled":{enabled}}}"#);
    let answer = world.admin(&format!("PATCH /admin/identities/{name}"), &body).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["enabled"]), (200, &enabled.into()), "{}", answer.text);
}

fn object_id(name: &str) -> String {
    identity_ids(&Config::parse(CONFIG).unwrap(), name).unwrap().object_id.to_string()
}

/// The time in the claims of a challenge, whose other parts are `expected`.
fn not_before(answer: &Answer, expected: &str) -> i64 {
    let (rest, claims) = answer.header("www-authenticate").split_once(", claims=").unwrap();
    assert_eq!(rest, expected);
    let claims = STANDARD.decode(claims.trim_matches('"')).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let nbf = &claims["access_token"]["nbf"];
    assert_eq!(claims, serde_json::json!({"access_token": {"nbf": {"essential": true, "value": nbf["value"]}}}));
    nbf["value"].as_str().unwrap().parse().unwrap()
}

/// The challenge of a vault, as far as the claims.
fn challenge(world: &World, description: &str) -> String {
    let port = world.port();
    format!(
        "Bearer authorization=\"https://login.localhost:{port}/{TENANT}\", resource=\"https://vault.localhost:{port}\", \
         error=\"insufficient_claims\", error_description=\"{description}\""
    )
}

#[tokio::test]
async fn a_token_of_a_revoked_session_is_refused_first_of_all_and_a_new_one_counts() {
    let world = World::new().await;
    let (former, other) = (world.token("owner").await, world.token("nobody").await);
    assert_eq!(lists(&world, &former).await, 200);
    revoke(&world, "owner").await;
    let message = format!(
        "Error validating token: the session of the identity with the object id {} was revoked.",
        object_id("owner")
    );
    let mut times = Vec::new();
    for line in ["GET /keys/k", "POST /keys/k/create", "DELETE /nowhere", "GET /keys?api-version=x"] {
        let answer = ask(&world, line, &former).await;
        let body = format!(r#"401 {{"error":{{"code":"Unauthorized","message":"{message}"}}}}"#);
        assert_eq!(answer.exactly(), body, "{line}");
        times.push(not_before(&answer, &challenge(&world, "User session has been revoked")));
    }
    times.dedup();
    assert!(matches!(times[..], [time] if time > 1_700_000_000), "{times:?}");
    assert_eq!(lists(&world, &world.token("owner").await).await, 200, "a token of the same second");
    assert_eq!(lists(&world, &other).await, 403, "the session of another goes on");
    assert_eq!(lists(&world, &former).await, 401);
}

#[tokio::test]
async fn each_revocation_ends_the_session_before_it_also_within_a_second() {
    let world = World::new().await;
    let mut former = world.token("owner").await;
    for _ in 0..3 {
        revoke(&world, "owner").await;
        assert_eq!(lists(&world, &former).await, 401);
        former = world.token("owner").await;
        assert_eq!(lists(&world, &former).await, 200);
    }
    let absent = world.admin("POST /admin/identities/absent/revoke", "").await;
    assert_eq!(absent.error(), "404 NotFound No identity is called 'absent'.");
}

#[tokio::test]
async fn the_management_plane_asks_for_a_new_token_too() {
    let world = World::new().await;
    let host = format!("arm.localhost:{}", world.port());
    let ask = async |token: &str| {
        world.send(world.request(&host, "GET /subscriptions?api-version=2022-12-01", "", Some(token))).await
    };
    let management = "https://management.azure.com/";
    let former = world.token_for("nobody", management).await;
    for (description, is_disabled) in [("User session has been revoked", false), ("User account is disabled", true)] {
        assert_eq!(ask(&world.token_for("nobody", management).await).await.status, 200);
        if is_disabled {
            enable(&world, "nobody", false).await;
        } else {
            revoke(&world, "nobody").await;
        }
        let refused = ask(&former).await;
        assert_eq!(refused.error(), "401 AuthenticationFailed The access token is invalid or has expired.");
        let expected = format!(
            "Bearer authorization_uri=\"https://login.microsoftonline.com/{TENANT}\", error=\"insufficient_claims\", \
             error_description=\"{description}\""
        );
        assert!(not_before(&refused, &expected) > 1_700_000_000);
    }
}

#[tokio::test]
async fn a_disabled_identity_gets_no_token_and_has_none() {
    let world = World::new().await;
    let client = identity_ids(&Config::parse(CONFIG).unwrap(), "owner").unwrap().client_id;
    let former = world.token("owner").await;
    enable(&world, "owner", false).await;
    let refused = ask(&world, "GET /nowhere", &former).await;
    let message =
        format!("Error validating token: the identity with the object id {} is disabled.", object_id("owner"));
    assert_eq!(refused.error(), format!("401 Unauthorized {message}"));
    assert!(not_before(&refused, &challenge(&world, "User account is disabled")) > 1_700_000_000);

    let why = format!("AADSTS7000112: Application '{client}'(owner) is disabled.");
    let query = "resource=https://vault.azure.net";
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}");
    let imds = world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await;
    let expected = format!(r#"400 {{"error":"unauthorized_client","error_description":"{why}"}}"#);
    assert_eq!(imds.exactly(), expected);
    let env = &world.server.ready.env;
    let path = format!("/msi/token?api-version=2019-08-01&{query}");
    let header = [("x-identity-header", env["IDENTITY_HEADER"].as_str())];
    let app_service = world.plain(&world.server.ready.identity, &path, &header).await;
    assert_eq!((app_service.status.as_u16(), app_service.json()["message"].as_str()), (400, Some(why.as_str())));
    for body in ["{}", r#"{"federated": true}"#] {
        let admin = world.admin("POST /admin/identities/owner/token", body).await;
        assert_eq!(admin.error(), "409 Conflict the identity 'owner' is disabled, so it gets no token");
    }

    enable(&world, "owner", true).await;
    assert_eq!(lists(&world, &former).await, 200, "its session has gone on");
    for (line, body, status) in [
        ("PATCH /admin/identities/absent", r#"{"enabled":false}"#, 404),
        ("PATCH /admin/identities/owner", "{}", 400),
        ("PATCH /admin/identities/owner", r#"{"enabled":false,"name":"x"}"#, 400),
    ] {
        assert_eq!(world.admin(line, body).await.status, status, "{line} {body}");
    }
}

#[tokio::test]
async fn a_configuration_says_which_identities_are_disabled() {
    let disabled = CONFIG.replace(r#"{"name": "nobody"}"#, r#"{"name": "nobody", "enabled": false}"#);
    let world = World::of(&disabled, Storage::Memory).await;
    let listed = world.admin("GET /admin/identities", "").await.json();
    let states: Vec<_> = listed["identities"].as_array().unwrap().iter().map(|one| one["enabled"].clone()).collect();
    assert_eq!(states, [true, false]);

    let former = world.token("owner").await;
    revoke(&world, "owner").await;
    let applied = CONFIG
        .replace(r#""systemAssigned": true"#, r#""systemAssigned": true, "clientSecret": "hush""#)
        .replace("nobody\"}", "nobody\", \"enabled\": true}");
    let steps = world.admin("POST /admin/configuration", &applied).await.json()["steps"].clone();
    let details: Vec<_> = steps.as_array().unwrap().iter().map(|step| step["detail"].clone()).collect();
    assert_eq!(details, ["clientSecret", "enabled"]);
    assert_eq!(lists(&world, &world.token("nobody").await).await, 403);
    assert_eq!(lists(&world, &former).await, 401, "a changed identity goes on in its session");
    assert_eq!(world.admin("POST /admin/configuration", &disabled).await.status, 200);
    assert_eq!(
        world.admin("POST /admin/identities", r#"{"name":"new","enabled":false}"#).await.json()["enabled"],
        false
    );
}

#[tokio::test]
async fn tokens_of_an_identity_that_was_removed_do_not_count_when_it_is_there_again() {
    let world = World::new().await;
    for by_file in [false, true] {
        let former = world.token("nobody").await;
        assert_eq!(lists(&world, &former).await, 403);
        assert_eq!(world.admin("DELETE /admin/identities/nobody", "").await.status, 204);
        let (line, body) = match by_file {
            false => ("POST /admin/identities", r#"{"name":"nobody"}"#),
            true => ("POST /admin/configuration", CONFIG),
        };
        assert!(world.admin(line, body).await.status.is_success());
        assert_eq!(lists(&world, &former).await, 401);
        assert_eq!(lists(&world, &world.token("nobody").await).await, 403);
    }
}

#[tokio::test]
async fn a_session_is_over_for_good_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let config = Config::parse(CONFIG).unwrap();
        World::with(Options { config, storage: Storage::Redb(dir.path().to_owned()), ..Options::default() }).await
    };
    let world = start().await;
    // Its audience is that of every port.
    let of_every_port = "https://vault.azure.net";
    let (former, removed) =
        (world.token_for("owner", of_every_port).await, world.token_for("nobody", of_every_port).await);
    assert_eq!(lists(&world, &removed).await, 403);
    revoke(&world, "owner").await;
    assert_eq!(world.admin("DELETE /admin/identities/nobody", "").await.status, 204);
    let current = world.token_for("owner", of_every_port).await;
    world.server.stop().await;
    let world = start().await;
    assert_eq!((lists(&world, &former).await, lists(&world, &current).await), (401, 200));
    assert_eq!(lists(&world, &removed).await, 401, "the file makes another identity of its ids");
    assert_eq!(lists(&world, &world.token("nobody").await).await, 403);
}

#[tokio::test]
async fn a_session_is_over_for_good_also_after_a_reset() {
    let world = World::new().await;
    let removed = world.token("nobody").await;
    assert_eq!(world.admin("DELETE /admin/identities/nobody", "").await.status, 204);
    let mut former = Vec::new();
    for _ in 0..3 {
        former.push(world.token("owner").await);
        revoke(&world, "owner").await;
    }
    let current = world.token("owner").await;
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!((lists(&world, &removed).await, lists(&world, &current).await), (401, 200));
    revoke(&world, "owner").await;
    for token in former.iter().chain([&current]) {
        assert_eq!(lists(&world, token).await, 401);
    }
    assert_eq!(lists(&world, &world.token("owner").await).await, 200);
    assert_eq!(lists(&world, &world.token("nobody").await).await, 403);
}
