//! Backups: what goes out comes back the same, and nothing else does.

use keyhaven::testing::Sealed;
use keyhaven::{BackupKey, Config, Options, Storage};
use zeroize::Zeroizing;

use crate::base64url;
use crate::world::{CONFIG, START, World};

/// A server with a backup key of these bytes.
async fn with_key(byte: u8) -> World {
    let key = BackupKey::from_bytes(Zeroizing::new([byte; 32]));
    let config = Config::parse(CONFIG).unwrap();
    World::with(Options { config, backup_key: Some(key), ..Options::default() }).await
}

async fn backup(world: &World, path: &str) -> String {
    let answer = world.ask(&format!("POST {path}/backup"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["value"].as_str().unwrap().to_owned()
}

fn body(blob: &str) -> String {
    format!(r#"{{"value":"{blob}"}}"#)
}

#[tokio::test]
async fn every_version_comes_back_with_its_dates_and_works() {
    let world = with_key(1).await;
    let first = world.key("K", r#"{"kty":"RSA","tags":{"n":"1"}}"#).await;
    let sealed = world.ask("POST /keys/k/encrypt", r#"{"alg":"RSA-OAEP","value":"AAAA"}"#).await;
    let sealed = sealed.json()["value"].as_str().unwrap().to_owned();
    world.clock.advance(100);
    let second = world.key("k", r#"{"kty":"EC-HSM","attributes":{"exp":4000000000}}"#).await;
    let before = world.ask("GET /keys/k/versions", "").await.text;
    let latest = world.ask("GET /keys/k", "").await.text;
    let blob = backup(&world, "/keys/k").await;

    let other = with_key(1).await;
    other.clock.advance(1_000_000);
    let restored = other.ask("POST /keys/restore", &body(&blob)).await;
    let here = |text: &str| text.replace(&world.host("acme"), &other.host("acme"));
    assert_eq!(restored.exactly(), format!("200 {}", here(&latest)));
    assert_eq!(other.ask("GET /keys/k/versions", "").await.text, here(&before));
    assert_eq!(restored.version(), second, "the latest is the one made last, not the greatest id");
    let opened = other
        .ask(&format!("POST /keys/k/{first}/decrypt"), &format!(r#"{{"alg":"RSA-OAEP","value":"{sealed}"}}"#))
        .await;
    assert_eq!(opened.json()["value"], "AAAA");
}

#[tokio::test]
async fn secrets_come_back_with_their_values() {
    let world = with_key(1).await;
    let first = world.ask("PUT /secrets/s", r#"{"value":"one","contentType":"text/plain"}"#).await.version();
    world.ask("PUT /secrets/s", r#"{"value":"two","attributes":{"enabled":false}}"#).await;
    let blob = backup(&world, "/secrets/s").await;
    let other = with_key(1).await;
    assert_eq!(other.ask("POST /secrets/restore", &body(&blob)).await.status, 200);
    let found = other.ask(&format!("GET /secrets/s/{first}"), "").await.json();
    assert_eq!((&found["value"], &found["contentType"]), (&"one".into(), &"text/plain".into()));
    assert_eq!(found["attributes"]["created"], START);
    assert!(other.ask("GET /secrets/s", "").await.error().starts_with("403 Forbidden/SecretDisabled"));
}

#[tokio::test]
async fn what_is_damaged_or_foreign_is_refused_with_the_reason() {
    let world = with_key(1).await;
    world.ask("PUT /secrets/s", r#"{"value":"hush"}"#).await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    let (secret, key) = (backup(&world, "/secrets/s").await, backup(&world, "/keys/k").await);
    for path in ["DELETE /secrets/s", "DELETE /deletedsecrets/s", "DELETE /keys/k", "DELETE /deletedkeys/k"] {
        assert!(world.ask(path, "").await.status.is_success());
    }
    let corrupt = "400 Malformed backup blob Backup blob is corrupt.";
    let refused = async |world: &World, collection: &str, blob: &str| {
        let answer = world.ask(&format!("POST /{collection}/restore"), &body(blob)).await;
        assert_eq!(answer.error(), corrupt, "{blob}");
        answer.header("x-keyhaven-detail").to_owned()
    };
    let damaged = "value: the backup is damaged";
    let bytes = base64url::decode(&secret).unwrap();
    for at in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refused(&world, "secrets", &base64url::encode(&changed)).await;
    }
    assert_eq!(refused(&world, "secrets", &base64url::encode(&bytes[..bytes.len() - 5])).await, damaged);
    assert_eq!(refused(&world, "secrets", &key).await, "value: not a backup of this kind");
    assert_eq!(refused(&world, "keys", &secret).await, "value: not a backup of this kind");
    let foreign = "value: sealed under another backup key; give both servers the same backupKey";
    assert_eq!(refused(&with_key(2).await, "secrets", &secret).await, foreign);
    assert_eq!(
        world.ask("POST /secrets/restore", r#"{"value":"not base64url!"}"#).await.error(),
        "400 BadParameter Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n"
    );
    assert!(world.ask("GET /secrets", "").await.json()["value"].as_array().unwrap().is_empty(), "nothing came of it");
    assert!(!String::from_utf8_lossy(&bytes).contains("hush"));
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_in_every_state() {
    let world = with_key(1).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    let blob = body(&backup(&world, "/secrets/s").await);
    assert!(world.ask("POST /secrets/restore", &blob).await.error().starts_with("409 Conflict There was a conflict"));
    world.ask("DELETE /secrets/s", "").await;
    let deleted = world.ask("POST /secrets/restore", &blob).await.error();
    assert!(deleted.starts_with("409 Conflict/ObjectIsDeletedButRecoverable"), "{deleted}");
    world.ask("DELETE /deletedsecrets/s", "").await;
    assert_eq!(world.ask("POST /secrets/restore", &blob).await.status, 200);
}

#[tokio::test]
async fn a_version_that_comes_back_is_not_mistaken_for_one_of_before() {
    // Both have the same seed, so their keys have the same versions and different material.
    let (world, other) = (with_key(1).await, with_key(1).await);
    let version = world.key("k", r#"{"kty":"RSA"}"#).await;
    assert_eq!(other.key("k", r#"{"kty":"RSA"}"#).await, version, "or there is nothing to mistake");
    let sealed = world.ask("POST /keys/k/encrypt", r#"{"alg":"RSA-OAEP","value":"AAAA"}"#).await;
    let sealed = format!(r#"{{"alg":"RSA-OAEP","value":"{}"}}"#, sealed.json()["value"].as_str().unwrap());
    assert_eq!(other.ask("POST /keys/k/decrypt", &sealed).await.status, 400, "parsed once, and another key");
    for line in ["DELETE /keys/k", "DELETE /deletedkeys/k"] {
        other.ask(line, "").await;
    }
    other.ask("POST /keys/restore", &body(&backup(&world, "/keys/k").await)).await;
    assert_eq!(other.ask("POST /keys/k/decrypt", &sealed).await.json()["value"], "AAAA");
}

#[tokio::test]
async fn without_a_configured_key_the_datas_own_is_made_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let storage = Storage::Redb(dir.path().to_owned());
        World::with(Options { config: Config::parse(CONFIG).unwrap(), storage, ..Options::default() }).await
    };
    let world = start().await;
    let file = dir.path().join("backup.key");
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    assert!(!file.exists(), "it is made when it is first needed");
    let blob = backup(&world, "/secrets/s").await;
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for line in ["DELETE /secrets/s", "DELETE /deletedsecrets/s"] {
        world.ask(line, "").await;
    }
    world.server.stop().await;
    let world = start().await;
    assert_eq!(world.ask("POST /secrets/restore", &body(&blob)).await.status, 200);
    world.server.stop().await;
}

#[tokio::test]
async fn more_versions_than_a_backup_holds_are_refused() {
    let world = with_key(1).await;
    let token = world.token("owner").await;
    let set = async || {
        let request = world.request(&world.host("acme"), "PUT /secrets/s", r#"{"value":"v"}"#, Some(&token));
        assert_eq!(world.send(request).await.status, 200);
    };
    for _ in 0..500 {
        set().await;
    }
    let blob = backup(&world, "/secrets/s").await;
    for line in ["DELETE /secrets/s", "DELETE /deletedsecrets/s"] {
        world.ask(line, "").await;
    }
    assert_eq!(world.ask("POST /secrets/restore", &body(&blob)).await.status, 200);
    set().await;
    assert_eq!(
        world.ask("POST /secrets/s/backup", "").await.error(),
        "400 BadParameter An object with more than 500 versions cannot be backed up."
    );
}

#[tokio::test]
async fn an_hsm_key_does_not_come_back_into_a_standard_vault() {
    let world = with_key(1).await;
    world.key("k", r#"{"kty":"EC-HSM"}"#).await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    let blob = body(&backup(&world, "/keys/k").await);
    let refused = world.ask_as("owner", "plain", "POST /keys/restore", &blob).await.error();
    assert!(refused.starts_with("400 BadParameter/KeyTypeNotSupported Invalid kty value: EC-HSM"), "{refused}");
    assert_eq!(world.ask_as("owner", "plain", "GET /keys/k", "").await.status, 404);
}

const SECRET: &[u8] = b")AzureKeyVaultSecretBackupV1.microsoft.com";
const KEY: &[u8] = b"&AzureKeyVaultKeyBackupV1.microsoft.com";

fn shared_key() -> BackupKey {
    BackupKey::from_bytes(Zeroizing::new([1; 32]))
}

/// A blob of the form `form` with this content, as whoever has the backup key can make it.
fn forged(form: &[u8], content: &serde_json::Value) -> String {
    let header = serde_json::json!({"kid": shared_key().id(), "alg": "dir", "enc": "A256GCM"}).to_string();
    let header = base64url::encode(header.as_bytes());
    let sealed =
        shared_key().seal("object backup", &[form, header.as_bytes()].concat(), content.to_string().as_bytes());
    let sealed = sealed.unwrap();
    let [nonce, ciphertext, tag] = [&sealed.nonce[..], &sealed.ciphertext, &sealed.tag].map(base64url::encode);
    body(&base64url::encode(&[form, format!("{header}..{nonce}.{ciphertext}.{tag}").as_bytes()].concat()))
}

/// What a blob of the form `form` holds.
fn opened(form: &[u8], blob: &str) -> serde_json::Value {
    let bytes = base64url::decode(blob).unwrap();
    let jwe = String::from_utf8(bytes[form.len()..].to_vec()).unwrap();
    let parts: Vec<&str> = jwe.split('.').collect();
    let part = |at: usize| base64url::decode(parts[at]).unwrap();
    let sealed = Sealed { nonce: part(2).try_into().unwrap(), ciphertext: part(3), tag: part(4) };
    let plain = shared_key().open("object backup", &[form, parts[0].as_bytes()].concat(), sealed).unwrap();
    serde_json::from_slice(&plain).unwrap()
}

#[tokio::test]
async fn a_key_comes_back_with_its_own_material_alone() {
    let world = with_key(1).await;
    let mut wholes = Vec::new();
    for (name, body) in [("a", r#"{"kty":"EC"}"#), ("b", r#"{"kty":"EC"}"#), ("c", r#"{"kty":"RSA"}"#)] {
        world.key(name, body).await;
        wholes.push(opened(KEY, &backup(&world, &format!("/keys/{name}")).await));
        for line in [format!("DELETE /keys/{name}"), format!("DELETE /deletedkeys/{name}")] {
            assert!(world.ask(&line, "").await.status.is_success());
        }
    }
    let material = |at: usize| wholes[at]["versions"][0]["material"].clone();
    for other in [material(1), material(2), "AAAA".into(), "".into(), "not base64url!".into()] {
        let mut odd = wholes[0].clone();
        odd["versions"][0]["material"] = other;
        let refused = world.ask("POST /keys/restore", &forged(KEY, &odd)).await.error();
        assert_eq!(refused, "400 Malformed backup blob Backup blob is corrupt.");
    }
    assert_eq!(world.ask("POST /keys/restore", &forged(KEY, &wholes[0])).await.status, 200);
}

#[tokio::test]
async fn a_well_sealed_backup_with_impossible_contents_is_refused_too() {
    let world = with_key(1).await;
    let version = "0123456789abcdef0123456789abcdef";
    let attributes = serde_json::json!({"enabled": true, "nbf": null, "exp": null, "created": 1, "updated": 1});
    let one = |id: &str, record: serde_json::Value| serde_json::json!({"version": id, "record": record, "material": base64url::encode(b"value")});
    let record = serde_json::json!({"content_type": null, "attributes": attributes, "tags": null});
    let whole = |name: &str, latest: &str, versions: Vec<serde_json::Value>| serde_json::json!({"kind": "secret", "name": name, "latest": latest, "versions": versions});
    let sound = whole("s", version, vec![one(version, record.clone())]);
    for (what, content) in [
        ("a name that is none", whole("a/b", version, vec![one(version, record.clone())])),
        ("no version", whole("s", version, vec![])),
        ("a latest that is not there", whole("s", &"f".repeat(32), vec![one(version, record.clone())])),
        ("a version twice", whole("s", version, vec![one(version, record.clone()), one(version, record.clone())])),
        (
            "a version that is none",
            whole("s", version, vec![one(version, record.clone()), one("../x", record.clone())]),
        ),
        ("a record that is none", whole("s", version, vec![one(version, serde_json::json!({"kty": "RSA"}))])),
        (
            "another kind",
            serde_json::json!({"kind": "key", "name": "s", "latest": version, "versions": [one(version, record.clone())]}),
        ),
        ("nothing", serde_json::json!({})),
        ("a value that is no text", {
            let mut odd = sound.clone();
            odd["versions"][0]["material"] = base64url::encode(b"\xff").into();
            odd
        }),
        ("a value that is too long", {
            let mut odd = sound.clone();
            odd["versions"][0]["material"] = base64url::encode(&[b'x'; 25_601]).into();
            odd
        }),
        ("more versions than are backed up", {
            let versions = (0..501).map(|n| one(&format!("{n:032x}"), record.clone())).collect();
            whole("s", &format!("{:032x}", 7), versions)
        }),
    ] {
        let refused = world.ask("POST /secrets/restore", &forged(SECRET, &content)).await.error();
        assert_eq!(refused, "400 Malformed backup blob Backup blob is corrupt.", "{what}");
    }
    assert!(world.ask("GET /secrets", "").await.json()["value"].as_array().unwrap().is_empty());
    let restored = world.ask("POST /secrets/restore", &forged(SECRET, &sound)).await;
    assert_eq!(restored.status, 200, "{}", restored.text);
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "value");
}
