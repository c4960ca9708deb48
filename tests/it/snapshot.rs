//! Everything at once: put back, saved, loaded.

use keyhaven::clock::Clock;
use keyhaven::{BackupKey, Config, Options, Storage};
use zeroize::Zeroizing;

use crate::world::{CONFIG, START, World};

async fn with_key(byte: u8, storage: Storage) -> World {
    let key = BackupKey::from_bytes(Zeroizing::new([byte; 32]));
    let config = Config::parse(CONFIG).unwrap();
    World::with(Options { config, storage, backup_key: Some(key), ..Options::default() }).await
}

async fn load(world: &World, file: &[u8]) -> crate::world::Answer {
    let key = format!("Bearer {}", world.server.ready.admin_key);
    world.admin_with("PUT /admin/snapshot", file, &[("authorization", &key)]).await
}

#[tokio::test]
async fn a_reset_is_the_configuration_again_for_all_that_are_signed_in() {
    let config = CONFIG.replacen(
        r#""sku": "premium","#,
        r#""sku": "premium", "secrets": [{"name": "given", "value": "v"}],"#,
        1,
    );
    let world = World::of(&config, Storage::Memory).await;
    let token = world.token("owner").await;
    let ask =
        async |line: &str, body: &str| world.send(world.request(&world.host("acme"), line, body, Some(&token))).await;
    ask("PUT /secrets/mine", r#"{"value":"v"}"#).await;
    ask("PUT /secrets/given", r#"{"value":"changed"}"#).await;
    world.admin("PUT /admin/vaults/another", "{}").await;
    world.admin("POST /admin/identities", r#"{"name":"late"}"#).await;
    world.admin("PUT /admin/vaults/acme", r#"{"enablePurgeProtection":true}"#).await;
    world.admin("POST /admin/clock", r#"{"advance":"P5D"}"#).await;

    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!(ask("GET /secrets/mine", "").await.status, 404);
    let given = ask("GET /secrets/given", "").await.json();
    assert_eq!(
        (&given["value"], &given["attributes"]["recoveryLevel"]),
        (&"v".into(), &"Recoverable+Purgeable".into())
    );
    assert_eq!(given["attributes"]["created"], START + 5 * 86_400, "the clock goes on");
    assert_eq!(world.admin("GET /admin/vaults", "").await.json()["vaults"].as_array().unwrap().len(), 2);
    assert_eq!(world.admin("GET /admin/identities", "").await.json()["identities"].as_array().unwrap().len(), 2);
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204, "and again");
    assert_eq!(ask("GET /secrets/given/versions", "").await.json()["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_reset_stays_so_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let storage = || Storage::Redb(dir.path().to_owned());
    let world = with_key(1, storage()).await;
    let token = world.token_for("owner", "https://vault.azure.net").await;
    world.ask("PUT /secrets/before", r#"{"value":"v"}"#).await;
    world.admin("POST /admin/reset", "").await;
    world.ask("PUT /secrets/after", r#"{"value":"v"}"#).await;
    world.server.stop().await;
    let world = with_key(1, storage()).await;
    let request = world.request(&world.host("acme"), "GET /secrets", "", Some(&token));
    let listed = world.send(request).await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 1, "with a token of before the reset");
    assert!(listed["value"][0]["id"].as_str().unwrap().ends_with("/after"));
    world.server.stop().await;
}

#[tokio::test]
async fn a_snapshot_brings_everything_back_and_elsewhere_too() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = with_key(1, Storage::Redb(here.path().to_owned())).await;
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let version = world.key("k", r#"{"kty":"RSA"}"#).await;
    let sealed = world.ask("POST /keys/k/encrypt", r#"{"alg":"RSA-OAEP","value":"AAAA"}"#).await;
    let sealed = format!(r#"{{"alg":"RSA-OAEP","value":"{}"}}"#, sealed.json()["value"].as_str().unwrap());
    world.ask("PUT /secrets/s", r#"{"value":"hush"}"#).await;
    world.ask("PUT /secrets/d", r#"{"value":"v"}"#).await;
    world.ask("DELETE /secrets/d", "").await;
    world
        .admin(
            "PUT /admin/vaults/extra",
            r#"{"accessPolicies":[{"identity":"owner","permissions":{"secrets":["all"]}}]}"#,
        )
        .await;
    world.admin("POST /admin/clock", r#"{"advance":"P10D"}"#).await;
    let file = world.admin_bytes("GET /admin/snapshot").await;
    assert!(!String::from_utf8_lossy(&file).contains("hush"));

    let check = async |world: &World| {
        let ask = async |line: &str, body: &str| {
            world.send(world.request(&world.host("acme"), line, body, Some(&token))).await
        };
        assert_eq!(
            ask("GET /keys/k", "").await.version(),
            version,
            "with the token of before: the issuer's key came too"
        );
        assert_eq!(ask("POST /keys/k/decrypt", &sealed).await.json()["value"], "AAAA");
        assert_eq!(ask("GET /secrets/s", "").await.json()["value"], "hush");
        assert_eq!(ask("GET /deletedsecrets/d", "").await.json()["deletedDate"], START);
        assert_eq!(world.clock.now().unix(), START + 10 * 86_400);
        assert_eq!(world.admin("GET /admin/vaults", "").await.json()["vaults"].as_array().unwrap().len(), 3);
    };
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    world.ask("PUT /secrets/other", r#"{"value":"v"}"#).await;
    world.admin("POST /admin/clock", r#"{"advance":"P10D"}"#).await;
    assert_eq!(load(&world, &file).await.status, 204);
    check(&world).await;
    assert_eq!(world.ask("GET /secrets/other", "").await.status, 404, "what was there is replaced");
    world.server.stop().await;

    let other = with_key(1, Storage::Redb(there.path().to_owned())).await;
    let foreign = other.token_for("owner", "https://vault.azure.net").await;
    other.ask("GET /secrets", "").await;
    assert_eq!(load(&other, &file).await.status, 204);
    check(&other).await;
    let refused = other.send(other.request(&other.host("acme"), "GET /secrets", "", Some(&foreign))).await;
    assert_eq!(refused.status, 401, "tokens of the issuer that was there are worth nothing");
    let ran = other.admin("POST /admin/clock", r#"{"advance":"P80D"}"#).await.json()["ran"].clone();
    assert_eq!(ran, 1, "what was scheduled there is scheduled here");
    other.server.stop().await;
    let other = with_key(1, Storage::Redb(there.path().to_owned())).await;
    assert_eq!(other.ask("GET /secrets/s", "").await.json()["value"], "hush", "and after a restart");
    other.server.stop().await;
}

#[tokio::test]
async fn what_is_no_good_is_refused_and_changes_nothing() {
    let world = with_key(1, Storage::Memory).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    let file = world.admin_bytes("GET /admin/snapshot").await;
    let mut damaged = file.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (bytes, expected) in [
        (&damaged[..], "409 Conflict the snapshot is damaged"),
        (&file[..file.len() - 40], "409 Conflict the snapshot is damaged"),
        (b"", "409 Conflict this is no snapshot"),
        (b"{}", "409 Conflict this is no snapshot"),
    ] {
        let refused = load(&world, bytes).await.error();
        assert!(refused.starts_with(expected), "{refused}");
    }
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "v");
    let other = with_key(2, Storage::Memory).await;
    let refused = load(&other, &file).await.error();
    assert!(refused.contains("is sealed under another backup key"), "{refused}");

    let config = CONFIG.replacen('{', r#"{"tenantId": "11111111-2222-4333-8444-555555555555","#, 1);
    let key = BackupKey::from_bytes(Zeroizing::new([1; 32]));
    let config = Config::parse(&config).unwrap();
    let tenant = World::with(Options { config, backup_key: Some(key), ..Options::default() }).await;
    let refused = load(&tenant, &file).await.error();
    let why = "the snapshot is of the tenant 6b9e7c1a-0000-4000-8000-000000000001; load it into a server that was started \
               with --tenant";
    assert!(refused.contains(why), "{refused}");
}

#[tokio::test]
async fn requests_under_way_see_the_one_or_the_other() {
    let world = std::sync::Arc::new(with_key(1, Storage::Memory).await);
    world.ask("PUT /secrets/s", r#"{"value":"saved"}"#).await;
    let file = world.admin_bytes("GET /admin/snapshot").await;
    let token = world.token("owner").await;
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (world, token) = (world.clone(), token.clone());
        clients.spawn(async move {
            for round in 0..30 {
                let host = world.host("acme");
                let line = format!("PUT /secrets/n{n}-{round}");
                let set = world.send(world.request(&host, &line, r#"{"value":"v"}"#, Some(&token))).await;
                assert!([200, 429].contains(&set.status.as_u16()), "{}", set.text);
                let got = world.send(world.request(&host, "GET /secrets/s", "", Some(&token))).await;
                assert_eq!(got.json()["value"], "saved", "{}", got.text);
            }
        });
    }
    for _ in 0..10 {
        assert_eq!(load(&world, &file).await.status, 204);
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    assert_eq!(load(&world, &file).await.status, 204);
    assert_eq!(world.ask("GET /secrets", "").await.json()["value"].as_array().unwrap().len(), 1);
}

/// A well-sealed snapshot of these records, as whoever has the backup key can make it.
fn forged(records: &[(&str, &str)]) -> Vec<u8> {
    let key = BackupKey::from_bytes(Zeroizing::new([1; 32]));
    let about = serde_json::json!({"tenant": "6b9e7c1a-0000-4000-8000-000000000001", "made": "now", "version": "0",
        "backupKey": key.id()});
    let mut file = format!("KEYHAVEN-SNAPSHOT 1\n{about}\n").into_bytes();
    let mut all = Vec::new();
    for part in records.iter().flat_map(|(key, value)| [key, value]) {
        all.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        all.extend(part.as_bytes());
    }
    let sealed = key.seal("snapshot", &file, &all).unwrap();
    file.extend(sealed.nonce);
    file.extend(sealed.ciphertext);
    file.extend(sealed.tag);
    file
}

#[tokio::test]
async fn a_well_sealed_snapshot_that_no_server_could_live_on_is_refused_too() {
    let world = with_key(1, Storage::Memory).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    for (what, records) in [
        ("a vault", vec![("vault/acme", "junk")]),
        ("an identity", vec![("identity/x", "{}")]),
        ("the issuer's key", vec![("issuer/current", "{}")]),
        ("the clock", vec![("clock/position", "junk")]),
        ("a record twice", vec![("a", "1"), ("a", "1")]),
        ("records out of order", vec![("b", "1"), ("a", "1")]),
    ] {
        let refused = load(&world, &forged(&records)).await.error();
        assert!(refused.starts_with("409 Conflict the snapshot "), "{what}: {refused}");
    }
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "v", "nothing has changed");
    assert_eq!(world.admin("POST /admin/clock", r#"{"advance":"P1D"}"#).await.status, 200);
}

#[tokio::test]
async fn a_load_beside_a_clock_that_is_moved_is_the_snapshot_whole() {
    let world = std::sync::Arc::new(with_key(1, Storage::Memory).await);
    for n in 0..10 {
        world.ask(&format!("PUT /secrets/d{n}"), r#"{"value":"v"}"#).await;
        world.ask(&format!("DELETE /secrets/d{n}"), "").await;
    }
    let file = world.admin_bytes("GET /admin/snapshot").await;
    for _ in 0..20 {
        let moved = tokio::spawn({
            let world = world.clone();
            async move { world.admin("POST /admin/clock", r#"{"advance":"P91D"}"#).await.status }
        });
        assert_eq!(load(&world, &file).await.status, 204);
        assert_eq!(moved.await.unwrap(), 200);
        let at = world.clock.now().unix();
        let left = world.ask("GET /deletedsecrets", "").await.json()["value"].as_array().unwrap().len();
        // Before the load the clock was moved for nothing; after it, everything fell due.
        assert!((at, left) == (START, 10) || (at, left) == (START + 91 * 86_400, 0), "{at} {left}");
    }
}

#[tokio::test]
async fn a_snapshot_taken_at_once_holds_the_issuers_key() {
    let world = with_key(1, Storage::Memory).await;
    let file = world.admin_bytes("GET /admin/snapshot").await;
    let token = world.token("owner").await;
    assert_eq!(load(&world, &file).await.status, 204);
    let request = world.request(&world.host("acme"), "GET /secrets", "", Some(&token));
    assert_eq!(world.send(request).await.status, 200, "whoever was signed in stays so");
}

#[tokio::test]
async fn a_reset_beside_a_clock_that_is_moved_forgets_no_move() {
    let world = std::sync::Arc::new(with_key(1, Storage::Memory).await);
    for round in 1..20 {
        let reset = tokio::spawn({
            let world = world.clone();
            async move { world.admin("POST /admin/reset", "").await.status }
        });
        assert_eq!(world.admin("POST /admin/clock", r#"{"advance":"P1D"}"#).await.status, 200);
        assert_eq!(reset.await.unwrap(), 204);
        assert_eq!(world.clock.now().unix(), START + round * 86_400);
    }
}
