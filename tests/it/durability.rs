//! What was acknowledged is found again, and nothing that must stay secret lies open.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keyhaven::testing::identity_ids;
use keyhaven::{Config, Options, Storage};

use crate::base64url;
use crate::world::{CONFIG, World};

async fn world_in(dir: &Path) -> World {
    let config = Config::parse(CONFIG).unwrap();
    World::with(Options { config, storage: Storage::Redb(dir.to_owned()), ..Options::default() }).await
}

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        }
        found.push(path);
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path()).await;
    let version = world.key("k", r#"{"kty":"RSA-HSM","tags":{"a":"b"}}"#).await;
    let body = format!(r#"{{"alg":"RSA-OAEP-256","value":"{}"}}"#, base64url::encode(b"data key"));
    let cipher = world.ask("POST /keys/k/wrapkey", &body).await.json()["value"].as_str().unwrap().to_owned();
    world.ask("PUT /secrets/s", r#"{"value":"kept"}"#).await;
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let ca = std::fs::read_to_string(&world.server.ready.ca).unwrap();
    world.server.stop().await;

    let world = world_in(dir.path()).await;
    let ask =
        async |line: &str, body: &str| world.send(world.request(&world.host("acme"), line, body, Some(&token))).await;
    let listed = ask("GET /keys/k", "").await;
    assert_eq!(listed.version(), version, "with the token of before: the issuer's key is kept too");
    let body = format!(r#"{{"alg":"RSA-OAEP-256","value":"{cipher}"}}"#);
    let plain = ask("POST /keys/k/unwrapkey", &body).await.json()["value"].as_str().unwrap().to_owned();
    assert_eq!(base64url::decode(&plain).unwrap(), b"data key");
    assert_eq!(ask("GET /secrets/s", "").await.json()["value"], "kept");
    assert_eq!(std::fs::read_to_string(&world.server.ready.ca).unwrap(), ca, "the CA is kept");
    world.server.stop().await;
}

#[tokio::test]
async fn a_seed_that_comes_again_gives_no_version_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for round in 0..3 {
        // Every world has the same seed, so each start draws the same ids.
        let world = world_in(dir.path()).await;
        ids.push(world.ask("PUT /secrets/s", &format!(r#"{{"value":"{round}"}}"#)).await.version());
        ids.push(world.key("k", r#"{"kty":"EC"}"#).await);
        for (at, id) in ids.iter().step_by(2).enumerate() {
            assert_eq!(world.ask(&format!("GET /secrets/s/{id}"), "").await.json()["value"], at.to_string());
        }
        let versions = world.ask("GET /keys/k/versions", "").await.json();
        assert_eq!(versions["value"].as_array().unwrap().len(), round + 1);
        world.server.stop().await;
    }
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn sled_keeps_everything_too_and_neither_engine_takes_the_others_data() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = async |storage| {
        let config = Config::parse(CONFIG).unwrap();
        keyhaven::testing::start(Options { config, storage, ..Options::default() })
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let world = World::of(CONFIG, Storage::Sled(dir.path().to_owned())).await;
    let version = world.key("k", r#"{"kty":"EC-HSM","crv":"P-521"}"#).await;
    world.ask("PUT /secrets/s", r#"{"value":"kept"}"#).await;
    let status = world.plain(world.server.ready.admin.as_deref().unwrap(), "/admin/status", &[]).await.json();
    assert_eq!(status["store"], "sled");
    world.server.stop().await;

    let world = World::of(CONFIG, Storage::Sled(dir.path().to_owned())).await;
    assert_eq!(world.ask("GET /keys/k", "").await.version(), version);
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "kept");
    world.server.stop().await;
    let refused = start(Storage::Redb(dir.path().to_owned())).await;
    assert!(refused.contains("keyhaven.sled holds this directory's data: start with --store sled"), "{refused}");

    world_in(other.path()).await.server.stop().await;
    let refused = start(Storage::Sled(other.path().to_owned())).await;
    assert!(refused.contains("keyhaven.redb holds this directory's data: start with --store redb"), "{refused}");
}

#[tokio::test]
async fn the_default_identity_is_the_configurations() {
    let dir = tempfile::tempdir().unwrap();
    world_in(dir.path()).await.server.stop().await;
    let text = r#"{"identities":[{"name":"zzz","systemAssigned":true},{"name":"owner"}],"vaults":[{"name":"zulu"}]}"#;
    let config = Config::parse(text).unwrap();
    let client = identity_ids(&config, "zzz").unwrap().client_id;
    let options = Options { config, storage: Storage::Redb(dir.path().to_owned()), ..Options::default() };
    let world = World::with(options).await;
    assert_eq!(world.server.ready.env["AZURE_CLIENT_ID"], client.to_string());
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
    let token = world.plain(&world.server.ready.identity, path, &[("metadata", "true")]).await;
    assert_eq!(token.json()["client_id"], client.to_string());
}

#[tokio::test]
async fn a_ca_key_of_another_certificate_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&dir, &other] {
        world_in(dir.path()).await.server.stop().await;
    }
    std::fs::copy(other.path().join("certs/ca.key"), dir.path().join("certs/ca.key")).unwrap();
    let config = Config::parse(CONFIG).unwrap();
    let options = Options { config, storage: Storage::Redb(dir.path().to_owned()), ..Options::default() };
    let refused = keyhaven::testing::start(options).await.err().unwrap().to_string();
    assert!(refused.contains("it is not the key of the certificate beside it"), "{refused}");
}

#[tokio::test]
async fn the_data_directory_shows_no_secret_and_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let world = world_in(&data).await;
    world.ask("PUT /secrets/s", r#"{"value":"a-secret-that-must-not-lie-open","tags":{"tag":"value-of-a-tag"}}"#).await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    let n = world.ask("GET /keys/k", "").await.json()["key"]["n"].as_str().unwrap().to_owned();
    world.server.stop().await;
    let mut found = vec![data.clone()];
    files(&data, &mut found);
    assert!(found.iter().any(|path| path.ends_with("keyhaven.redb")));
    for path in &found {
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(path).unwrap();
        let n_bytes = base64url::decode(&n).unwrap();
        for needle in [b"a-secret-that-must-not-lie-open".as_slice(), b"value-of-a-tag", n.as_bytes(), &n_bytes] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_configuration_never_overwrites_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let with = async |value: &str| {
        let config = format!(
            r#"{{"identities":[{{"name":"owner"}}],"vaults":[{{"name":"acme","secrets":[{{"name":"s","value":"{value}"}}],
               "accessPolicies":[{{"identity":"owner","permissions":{{"secrets":["all"]}}}}]}}]}}"#
        );
        World::of(&config, Storage::Redb(dir.path().to_owned())).await
    };
    let world = with("first").await;
    let version = world.ask("GET /secrets/s", "").await.version();
    world.server.stop().await;
    let world = with("second").await;
    let secret = world.ask("GET /secrets/s", "").await;
    assert_eq!((secret.version(), &secret.json()["value"]), (version, &"first".into()));
}

#[tokio::test]
async fn many_writers_of_one_name_all_succeed_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path()).await;
    let token = world.token("owner").await;
    let set = |n: usize| {
        let body = format!(r#"{{"value":"{n}"}}"#);
        world.send(world.request(&world.host("acme"), "PUT /secrets/s", &body, Some(&token)))
    };
    let answers = futures_join((0..40).map(set).collect()).await;
    let mut versions: Vec<_> = answers.iter().map(crate::world::Answer::version).collect();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 40);
    for version in versions {
        assert_eq!(world.ask(&format!("GET /secrets/s/{version}"), "").await.status, 200);
    }
}

/// Runs futures at once in this task.
async fn futures_join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).map(Some).collect();
    let mut done: Vec<_> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            let Some(running) = future else { continue };
            if let std::task::Poll::Ready(output) = running.as_mut().poll(context) {
                (*done, *future) = (Some(output), None);
            }
        }
        if waiting.iter().all(Option::is_none) {
            return std::task::Poll::Ready(done.iter_mut().map(|output| output.take().unwrap()).collect());
        }
        std::task::Poll::Pending
    })
    .await
}
