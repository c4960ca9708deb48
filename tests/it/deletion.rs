//! The life of things after their deletion.

use keyhaven::{Config, Options, Storage};

use crate::world::{START, World};

const DAY: i64 = 86_400;
const BEING_DELETED: &str = "409 Conflict/ObjectIsBeingDeleted";
const BEING_RECOVERED: &str = "409 Conflict/ObjectIsBeingRecovered";

/// A vault of each kind, and one identity that may do everything in all.
const CONFIG: &str = r#"{
  "identities": [{"name": "owner"}],
  "vaults": [
    {"name": "acme", "softDeleteRetentionInDays": 7,
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]},
    {"name": "guarded", "enablePurgeProtection": true,
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]},
    {"name": "slow", "softDeleteRetentionInDays": 7, "deletionDelay": "PT10S",
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]},
    {"name": "plain", "enableSoftDelete": false,
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]}
  ]
}"#;

async fn world() -> World {
    World::of(CONFIG, Storage::Memory).await
}

/// `STATUS` of a success, `STATUS CODE/INNER` of a refusal.
async fn outcome(world: &World, vault: &str, line: &str) -> String {
    let body = if line.starts_with("PUT /secrets") { r#"{"value":"v"}"# } else { "" };
    let answer = world.ask_as("owner", vault, line, body).await;
    if answer.status.is_success() {
        return answer.status.as_u16().to_string();
    }
    let error = answer.error();
    error.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

async fn names(world: &World, vault: &str, line: &str) -> Vec<String> {
    let listed = world.ask_as("owner", vault, line, "").await.json();
    let last = |item: &serde_json::Value| item["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    listed["value"].as_array().unwrap().iter().map(last).collect()
}

#[tokio::test]
async fn a_deleted_object_is_out_of_sight_and_whole_when_it_comes_back() {
    let world = world().await;
    let first = world.ask("PUT /secrets/S", r#"{"value":"one"}"#).await.version();
    let second = world.ask("PUT /secrets/s", r#"{"value":"two"}"#).await.version();
    assert_eq!(outcome(&world, "acme", "DELETE /secrets/s").await, "200");
    for line in ["GET /secrets/s", &format!("GET /secrets/s/{first}"), "PATCH /secrets/s", "DELETE /secrets/s"] {
        assert_eq!(outcome(&world, "acme", line).await, "404 SecretNotFound", "{line}");
    }
    assert_eq!(outcome(&world, "acme", "POST /secrets/s/backup").await, "404 SecretNotFound");
    assert!(names(&world, "acme", "GET /secrets").await.is_empty());
    assert!(names(&world, "acme", "GET /secrets/s/versions").await.is_empty());
    assert_eq!(names(&world, "acme", "GET /deletedsecrets").await, ["S"]);
    world.clock.advance(7 * DAY - 1);
    assert_eq!(outcome(&world, "acme", "POST /deletedsecrets/s/recover").await, "200");
    for (version, value) in [(&first, "one"), (&second, "two")] {
        let found = world.ask(&format!("GET /secrets/s/{version}"), "").await.json();
        assert_eq!(found["value"], value);
        assert_eq!(found["attributes"]["created"], START, "dates are those of before");
    }
    assert!(names(&world, "acme", "GET /deletedsecrets").await.is_empty());
    assert_eq!(outcome(&world, "acme", "GET /deletedsecrets/s").await, "404 SecretNotFound");
}

#[tokio::test]
async fn what_is_purged_leaves_its_name_free_and_nothing_behind() {
    let world = world().await;
    let before = world.ask("PUT /secrets/s", r#"{"value":"one"}"#).await.version();
    assert_eq!(outcome(&world, "acme", "DELETE /deletedsecrets/s").await, "404 SecretNotFound", "it is not deleted");
    for line in ["DELETE /secrets/s", "DELETE /deletedsecrets/s"] {
        assert!(outcome(&world, "acme", line).await.starts_with("20"), "{line}");
    }
    for line in ["GET /deletedsecrets/s", "POST /deletedsecrets/s/recover", "DELETE /deletedsecrets/s"] {
        assert_eq!(outcome(&world, "acme", line).await, "404 SecretNotFound", "{line}");
    }
    assert_eq!(outcome(&world, "acme", "PUT /secrets/s").await, "200");
    assert_eq!(names(&world, "acme", "GET /secrets/s/versions").await.len(), 1);
    assert_eq!(outcome(&world, "acme", &format!("GET /secrets/s/{before}")).await, "404 SecretNotFound");
}

#[tokio::test]
async fn a_recovery_of_what_never_was_has_the_words_for_a_live_object() {
    let world = world().await;
    let absent = |kind: &str, code: &str| {
        format!(
            "404 {code} A {kind} with (name/id) never was not found in this key vault. If you recently deleted this {kind} \
             you may be able to recover it using the correct recovery command. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125182"
        )
    };
    for (kind, capital, code) in [("key", "Key", "KeyNotFound"), ("secret", "Secret", "SecretNotFound")] {
        let ask = async |line: String| world.ask(&line, r#"{"kty":"EC","value":"v"}"#).await;
        let recover = format!("POST /deleted{kind}s/never/recover");
        let made = if kind == "key" { "POST /keys/never/create" } else { "PUT /secrets/never" };
        assert_eq!(ask(recover.clone()).await.error(), absent(kind, code), "recorded for keys");
        for line in [format!("GET /deleted{kind}s/never"), format!("DELETE /deleted{kind}s/never")] {
            let expected = format!("404 {code} Deleted {capital} not found: never");
            assert_eq!(ask(line).await.error(), expected, "golden 074, 076; a purge follows them");
        }
        ask(made.to_owned()).await;
        for line in [format!("DELETE /{kind}s/never"), format!("DELETE /deleted{kind}s/never")] {
            assert!(ask(line).await.status.is_success());
        }
        assert_eq!(ask(recover.clone()).await.error(), absent(kind, code), "purged");
        ask(made.to_owned()).await;
        ask(format!("DELETE /{kind}s/never")).await;
        world.clock.advance(7 * DAY);
        assert_eq!(ask(recover).await.error(), absent(kind, code), "its retention is over");
    }
}

#[tokio::test]
async fn when_retention_ends_the_object_goes_by_itself() {
    let world = world().await;
    outcome(&world, "acme", "PUT /secrets/s").await;
    outcome(&world, "acme", "DELETE /secrets/s").await;
    world.clock.advance(7 * DAY - 1);
    assert_eq!(outcome(&world, "acme", "GET /deletedsecrets/s").await, "200");
    assert_eq!(outcome(&world, "acme", "PUT /secrets/s").await, "409 Conflict/ObjectIsDeletedButRecoverable");
    world.clock.advance(1);
    // Whether the task that takes the records away has run or not, nobody can tell.
    assert_eq!(outcome(&world, "acme", "GET /deletedsecrets/s").await, "404 SecretNotFound");
    assert!(names(&world, "acme", "GET /deletedsecrets").await.is_empty());
    assert_eq!(outcome(&world, "acme", "POST /deletedsecrets/s/recover").await, "404 SecretNotFound");
    assert_eq!(outcome(&world, "acme", "PUT /secrets/s").await, "200");
    assert_eq!(names(&world, "acme", "GET /secrets/s/versions").await.len(), 1);
}

#[tokio::test]
async fn purge_protection_refuses_the_impatient_alone() {
    let world = world().await;
    outcome(&world, "guarded", "PUT /secrets/s").await;
    outcome(&world, "guarded", "DELETE /secrets/s").await;
    assert_eq!(
        world.ask_as("owner", "guarded", "DELETE /deletedsecrets/s", "").await.error(),
        "403 Forbidden Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault \
         service will automatically purge it after the retention period has passed.\r\nVault: guarded;location=local"
    );
    world.clock.advance(89 * DAY);
    assert_eq!(outcome(&world, "guarded", "POST /deletedsecrets/s/recover").await, "200");
    outcome(&world, "guarded", "DELETE /secrets/s").await;
    world.clock.advance(90 * DAY);
    assert_eq!(outcome(&world, "guarded", "GET /deletedsecrets/s").await, "404 SecretNotFound");
    assert_eq!(outcome(&world, "guarded", "PUT /secrets/s").await, "200");
}

#[tokio::test]
async fn a_delay_shows_the_states_in_between() {
    let world = world().await;
    let ask = async |line: &str| outcome(&world, "slow", line).await;
    ask("PUT /secrets/s").await;
    assert_eq!(ask("DELETE /secrets/s").await, "200");
    for (line, expected) in [
        ("GET /secrets/s", "404 SecretNotFound"),
        ("GET /deletedsecrets/s", "404 SecretNotFound"),
        ("PUT /secrets/s", BEING_DELETED),
        ("POST /deletedsecrets/s/recover", BEING_DELETED),
        ("DELETE /deletedsecrets/s", BEING_DELETED),
    ] {
        assert_eq!(ask(line).await, expected, "{line}");
    }
    let texts = [
        (
            "PUT /secrets/s",
            r#"{"value":"v"}"#,
            "Secret s is currently being deleted and cannot be re-created; retry later.",
        ),
        ("DELETE /deletedsecrets/s", "", "Secret is currently being deleted."),
        ("POST /deletedsecrets/s/recover", "", "Secret s is currently being deleted."),
    ];
    for (line, body, text) in texts {
        let refused = world.ask_as("owner", "slow", line, body).await;
        assert_eq!(refused.json()["error"]["message"], text, "golden 083, 085, 086");
    }
    assert!(names(&world, "slow", "GET /deletedsecrets").await.is_empty());
    world.clock.advance(10);
    assert_eq!(ask("GET /deletedsecrets/s").await, "200");
    assert_eq!(names(&world, "slow", "GET /deletedsecrets").await, ["s"]);

    assert_eq!(ask("POST /deletedsecrets/s/recover").await, "200");
    for (line, expected) in [
        ("GET /secrets/s", "404 SecretNotFound"),
        ("GET /deletedsecrets/s", "404 SecretNotFound"),
        ("PUT /secrets/s", BEING_RECOVERED),
        ("DELETE /secrets/s", BEING_RECOVERED),
        ("POST /deletedsecrets/s/recover", BEING_RECOVERED),
        ("DELETE /deletedsecrets/s", BEING_RECOVERED),
    ] {
        assert_eq!(ask(line).await, expected, "{line}");
    }
    let refused = world.ask_as("owner", "slow", "PUT /secrets/s", r#"{"value":"v"}"#).await;
    assert_eq!(
        refused.json()["error"]["message"],
        "Secret s is currently being recovered and cannot be re-created; retry later."
    );
    assert!(names(&world, "slow", "GET /secrets").await.is_empty());
    world.clock.advance(10);
    assert_eq!(ask("GET /secrets/s").await, "200");
    assert_eq!(names(&world, "slow", "GET /secrets").await, ["s"]);
}

#[tokio::test]
async fn a_purge_that_takes_time_keeps_the_name_meanwhile() {
    let world = world().await;
    let ask = async |line: &str| outcome(&world, "slow", line).await;
    ask("PUT /secrets/s").await;
    ask("DELETE /secrets/s").await;
    world.clock.advance(10);
    assert_eq!(ask("DELETE /deletedsecrets/s").await, "204");
    for (line, expected) in [
        ("GET /deletedsecrets/s", "200"),
        ("PUT /secrets/s", BEING_DELETED),
        ("POST /deletedsecrets/s/recover", BEING_DELETED),
        ("DELETE /deletedsecrets/s", BEING_DELETED),
    ] {
        assert_eq!(ask(line).await, expected, "{line}");
    }
    world.clock.advance(10);
    assert_eq!(ask("GET /deletedsecrets/s").await, "404 SecretNotFound");
    assert_eq!(ask("PUT /secrets/s").await, "200");
}

#[tokio::test]
async fn a_delay_never_outlasts_the_retention() {
    let world = world().await;
    let ask = async |line: &str| outcome(&world, "slow", line).await;
    ask("PUT /secrets/s").await;
    ask("DELETE /secrets/s").await;
    world.clock.advance(7 * DAY - 5);
    assert_eq!(ask("DELETE /deletedsecrets/s").await, "204");
    world.clock.advance(5);
    assert_eq!(ask("GET /deletedsecrets/s").await, "404 SecretNotFound");
    assert_eq!(ask("PUT /secrets/s").await, "200");
}

#[tokio::test]
async fn without_soft_delete_things_are_gone_at_once() {
    let world = world().await;
    let ask = async |line: &str| outcome(&world, "plain", line).await;
    ask("PUT /secrets/s").await;
    let attributes = world.ask_as("owner", "plain", "GET /secrets/s", "").await.json()["attributes"].clone();
    assert_eq!((&attributes["recoveryLevel"], &attributes["recoverableDays"]), (&"Purgeable".into(), &0.into()));
    assert_eq!(ask("DELETE /secrets/s").await, "200");
    assert_eq!(ask("GET /secrets/s").await, "404 SecretNotFound");
    for line in
        ["GET /deletedsecrets/s", "GET /deletedkeys", "POST /deletedsecrets/s/recover", "DELETE /deletedsecrets/s"]
    {
        assert_eq!(ask(line).await, "400 NotSupported", "{line}");
    }
    assert_eq!(
        world.ask_as("owner", "plain", "DELETE /deletedsecrets/s", "").await.error(),
        "400 NotSupported Operation \"purge\" is not enabled for this vault."
    );
    assert_eq!(ask("PUT /secrets/s").await, "200");
    assert_eq!(names(&world, "plain", "GET /secrets/s/versions").await.len(), 1);
}

#[tokio::test]
async fn keys_and_secrets_of_one_name_live_apart() {
    let world = world().await;
    world.key("both", r#"{"kty":"EC"}"#).await;
    outcome(&world, "acme", "PUT /secrets/both").await;
    outcome(&world, "acme", "DELETE /keys/both").await;
    assert_eq!(outcome(&world, "acme", "GET /secrets/both").await, "200");
    assert_eq!(outcome(&world, "acme", "GET /deletedsecrets/both").await, "404 SecretNotFound");
    assert_eq!(outcome(&world, "acme", "GET /deletedkeys/both").await, "200");
    assert_eq!(outcome(&world, "guarded", "GET /deletedkeys/both").await, "404 KeyNotFound", "nor do vaults mix");
}

#[tokio::test]
async fn a_deleted_key_does_nothing_and_does_it_again_when_recovered() {
    let world = world().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    let digest = crate::base64url::encode(&[7; 32]);
    let body = format!(r#"{{"alg":"ES256","value":"{digest}"}}"#);
    let signed = world.ask("POST /keys/k/sign", &body).await;
    world.ask("DELETE /keys/k", "").await;
    assert!(world.ask("POST /keys/k/sign", &body).await.error().starts_with("404 KeyNotFound"));
    world.ask("POST /deletedkeys/k/recover", "").await;
    let signature = signed.json()["value"].as_str().unwrap().to_owned();
    let body = format!(r#"{{"alg":"ES256","digest":"{digest}","value":"{signature}"}}"#);
    assert_eq!(world.ask("POST /keys/k/verify", &body).await.exactly(), r#"200 {"value":true}"#);
}

#[tokio::test]
async fn a_configured_object_that_was_deleted_does_not_keep_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let config = CONFIG.replacen(
        r#""softDeleteRetentionInDays": 7,"#,
        r#""softDeleteRetentionInDays": 7, "keys": [{"name": "k", "kty": "EC"}], "secrets": [{"name": "s", "value": "v"}],"#,
        1,
    );
    let start = async || {
        let storage = Storage::Redb(dir.path().to_owned());
        World::with(Options { config: Config::parse(&config).unwrap(), storage, ..Options::default() }).await
    };
    let world = start().await;
    for line in ["DELETE /keys/k", "DELETE /secrets/s"] {
        assert_eq!(outcome(&world, "acme", line).await, "200");
    }
    world.server.stop().await;
    let world = start().await;
    assert_eq!(outcome(&world, "acme", "GET /deletedkeys/k").await, "200", "and it stays deleted");
    assert_eq!(outcome(&world, "acme", "GET /deletedsecrets/s").await, "200");
    world.server.stop().await;
}
