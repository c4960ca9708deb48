//! Copies of vaults: what they hold, and that whatever is done with one is not done with another.

use std::sync::Arc;

use keyhaven::{BackupKey, Config, Options, Storage};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::world::{Answer, CONFIG, START, World};

const DAY: i64 = 86_400;

async fn in_storage(storage: Storage) -> World {
    let backup_key = Some(BackupKey::from_bytes(Zeroizing::new([1; 32])));
    World::with(Options { config: Config::parse(CONFIG).unwrap(), storage, backup_key, ..Options::default() }).await
}

async fn copy(world: &World, from: &str, to: &str) -> Answer {
    world.admin(&format!("PUT /admin/vaults/{to}"), &format!(r#"{{"copyOf":"{from}"}}"#)).await
}

async fn in_copy(world: &World, line: &str, body: &str) -> Answer {
    world.ask_as("owner", "copy", line, body).await
}

/// The last segments of the ids of a list, all pages of it.
async fn ids(world: &World, vault: &str, path: &str) -> Vec<String> {
    let (mut ids, mut line) = (Vec::new(), format!("GET {path}?maxresults=7"));
    loop {
        let page = world.ask_as("owner", vault, &line, "").await.json();
        for item in page["value"].as_array().unwrap() {
            let id = item["kid"].as_str().or(item["id"].as_str()).unwrap();
            ids.push(id.rsplit('/').next().unwrap().to_owned());
        }
        let Some(next) = page["nextLink"].as_str() else { return ids };
        line = format!("GET {}", &next[next.find(path).unwrap()..]);
    }
}

#[tokio::test]
async fn a_copy_is_shown_like_its_source_with_what_was_said_besides() {
    let world = World::new().await;
    let source = world.admin("GET /admin/vaults", "").await.json()["vaults"][0].clone();
    let made = copy(&world, "ACME", "Copy").await;
    let mut expected = source.clone();
    (expected["name"], expected["aliases"]) = ("copy".into(), serde_json::json!([]));
    assert_eq!((made.status.as_u16(), made.json()), (201, expected), "a host name leads to one vault");
    let besides = r#"{"copyOf":"acme","name":"other","softDeleteRetentionInDays":7,"enablePurgeProtection":true,
        "accessPolicies":[{"identity":"nobody","permissions":{"secrets":["get"]}}],"secrets":[{"name":"more","value":"v"}]}"#;
    let other = world.admin("PUT /admin/vaults/other", besides).await.json();
    assert_eq!(
        (&other["softDeleteRetentionInDays"], &other["enablePurgeProtection"], &other["sku"]),
        (&7.into(), &true.into(), &"premium".into())
    );
    assert_eq!(world.ask_as("nobody", "other", "GET /secrets/more", "").await.json()["value"], "v");
    assert_eq!(world.ask_as("owner", "other", "GET /secrets/more", "").await.status, 403);
    assert_eq!(world.admin("GET /admin/vaults", "").await.json()["vaults"][0], source);
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_and_changes_nothing() {
    let world = World::new().await;
    for (name, body, expected) in [
        ("plain", r#"{"copyOf":"acme"}"#, "409 Conflict there is a vault 'plain' already"),
        ("acme", r#"{"copyOf":"acme"}"#, "409 Conflict there is a vault 'acme' already"),
        ("copy", r#"{"copyOf":"absent"}"#, "404 NotFound No vault is called 'absent'."),
        ("copy", r#"{"copyOf":"a b"}"#, "400 BadRequest copyOf: must be 3 to 24 letters"),
        ("copy", r#"{"copyOf":7}"#, "400 BadRequest copyOf: invalid type"),
        ("copy", r#"{"copyOf":"acme","colour":"red"}"#, "400 BadRequest colour: unknown field"),
        ("copy", r#"{"copyOf":"acme","name":"other"}"#, "400 BadRequest name: must be 'copy', as in the path"),
        (
            "copy",
            r#"{"copyOf":"plain","aliases":["keys.acme.test"]}"#,
            "409 Conflict the vault 'acme' answers on keys.acme.test",
        ),
        ("copy", r#"{"copyOf":"acme","softDeleteRetentionInDays":3}"#, "400 BadRequest softDeleteRetentionInDays"),
    ] {
        let refused = world.admin(&format!("PUT /admin/vaults/{name}"), body).await.error();
        assert!(refused.starts_with(expected), "{body}: {refused}");
    }
    assert_eq!(world.admin("GET /admin/vaults", "").await.json()["vaults"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_secret_that_is_said_besides_has_its_value_in_the_copy() {
    let world = World::new().await;
    for name in ["same", "other", "gone"] {
        world.ask(&format!("PUT /secrets/{name}"), r#"{"value":"source"}"#).await;
    }
    world.ask("DELETE /secrets/gone", "").await;
    let with = |secrets: &str| format!(r#"{{"copyOf":"acme","secrets":[{secrets}]}}"#);
    let gone = with(r#"{"name":"new","value":"v"},{"name":"gone","value":"v"}"#);
    let refused = world.admin("PUT /admin/vaults/copy", &gone).await.error();
    assert_eq!(refused, "409 Conflict the secret 'gone' is deleted and can be recovered");
    assert_eq!(world.admin("GET /admin/vaults", "").await.json()["vaults"].as_array().unwrap().len(), 2, "and no copy");

    let given = with(
        r#"{"name":"same","value":"source"},{"name":"other","value":"copy"},{"name":"new","value":"copy","contentType":"c"}"#,
    );
    assert_eq!(world.admin("PUT /admin/vaults/copy", &given).await.status, 201);
    for (name, value, versions) in [("same", "source", 1), ("other", "copy", 2), ("new", "copy", 1)] {
        assert_eq!(in_copy(&world, &format!("GET /secrets/{name}"), "").await.json()["value"], value, "{name}");
        assert_eq!(ids(&world, "copy", &format!("/secrets/{name}/versions")).await.len(), versions, "{name}");
    }
    assert_eq!(world.ask("GET /secrets/other", "").await.json()["value"], "source");
}

#[tokio::test]
async fn both_hold_the_same_versions_and_each_then_goes_its_own_way() {
    let world = World::new().await;
    let first = world.key("K", r#"{"kty":"RSA","tags":{"n":"1"}}"#).await;
    let digest = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let body = format!(r#"{{"alg":"RS256","value":"{digest}"}}"#);
    let signed = world.ask("POST /keys/k/sign", &body).await.json();
    assert_eq!(copy(&world, "acme", "copy").await.status, 201);

    let there = |text: &str| text.replace(&world.host("acme"), &world.host("copy"));
    for path in ["/keys/k", "/keys", "/keys/k/versions", &format!("/keys/k/{first}")] {
        let line = format!("GET {path}");
        assert_eq!(in_copy(&world, &line, "").await.text, there(&world.ask(&line, "").await.text), "{path}");
    }
    let verify = format!(r#"{{"alg":"RS256","digest":"{digest}","value":{}}}"#, signed["value"]);
    let verified = in_copy(&world, &format!("POST /keys/k/{first}/verify"), &verify).await;
    assert_eq!(verified.json()["value"], true);

    world.clock.advance(10);
    let changed = in_copy(&world, &format!("PATCH /keys/k/{first}"), r#"{"tags":{"n":"2"}}"#).await.json();
    assert_eq!((&changed["tags"]["n"], &changed["attributes"]["updated"]), (&"2".into(), &(START + 10).into()));
    assert_eq!(world.ask("GET /keys/k", "").await.json()["tags"]["n"], "1");
    let resigned = in_copy(&world, "POST /keys/k/sign", &body).await;
    assert_eq!(resigned.json()["value"], signed["value"], "the material lies where it was");
    let second = in_copy(&world, "POST /keys/k/create", r#"{"kty":"EC"}"#).await;
    assert_eq!(
        second.json()["key"]["kid"].as_str().unwrap().rsplit('/').nth(1),
        Some("K"),
        "the name as first written"
    );
    let second = second.version();
    let third = world.key("k", r#"{"kty":"EC"}"#).await;
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(ids(&world, "copy", "/keys/k/versions").await, sorted(vec![first.clone(), second.clone()]));
    assert_eq!(ids(&world, "acme", "/keys/k/versions").await, sorted(vec![first, third]));
}

#[tokio::test]
async fn lists_are_one_and_in_order() {
    let world = World::new().await;
    for name in ["b", "D", "f", "h", "j"] {
        world.ask(&format!("PUT /secrets/{name}"), r#"{"value":"v"}"#).await;
    }
    world.ask("DELETE /secrets/j", "").await;
    copy(&world, "acme", "copy").await;
    for name in ["A", "c", "d", "g", "z"] {
        in_copy(&world, &format!("PUT /secrets/{name}"), r#"{"value":"v"}"#).await;
    }
    for name in ["f", "z"] {
        in_copy(&world, &format!("DELETE /secrets/{name}"), "").await;
    }
    assert_eq!(ids(&world, "copy", "/secrets").await, ["A", "b", "c", "D", "g", "h"]);
    assert_eq!(ids(&world, "copy", "/deletedsecrets").await, ["f", "j", "z"]);
    assert_eq!(ids(&world, "acme", "/secrets").await, ["b", "D", "f", "h"]);
    assert_eq!(ids(&world, "acme", "/deletedsecrets").await, ["j"]);
}

#[tokio::test]
async fn what_was_deleted_is_in_the_copy_with_its_dates_and_goes_there_too() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.ask_as("owner", "plain", &format!("PUT /secrets/{name}"), r#"{"value":"v"}"#).await;
        world.ask_as("owner", "plain", &format!("DELETE /secrets/{name}"), "").await;
    }
    let advance = async |seconds: i64| {
        let body = format!(r#"{{"advance":"PT{seconds}S"}}"#);
        world.admin("POST /admin/clock", &body).await.json()["ran"].as_i64().unwrap()
    };
    assert_eq!(advance(DAY).await, 0);
    copy(&world, "plain", "copy").await;
    let deleted = in_copy(&world, "GET /deletedsecrets/a", "").await.json();
    assert_eq!(
        (&deleted["deletedDate"], &deleted["scheduledPurgeDate"]),
        (&START.into(), &(START + 7 * DAY).into()),
        "those of the source"
    );
    assert_eq!(in_copy(&world, "PUT /secrets/a", r#"{"value":"v"}"#).await.status, 409);
    assert_eq!(in_copy(&world, "POST /deletedsecrets/b/recover", "").await.status, 200);
    assert_eq!(in_copy(&world, "GET /secrets/b", "").await.json()["value"], "v");
    assert_eq!(world.ask_as("owner", "plain", "GET /secrets/b", "").await.status, 404);
    assert_eq!(in_copy(&world, "POST /deletedsecrets/c/recover", "").await.status, 200);
    assert_eq!(in_copy(&world, "DELETE /secrets/c", "").await.status, 200);
    assert_eq!(advance(6 * DAY).await, 4, "three in the source, and the one that was left as it was in the copy");
    for (vault, left) in [("plain", vec![]), ("copy", vec!["c"])] {
        assert_eq!(ids(&world, vault, "/deletedsecrets").await, left, "over is over: {vault}");
    }
    assert_eq!(in_copy(&world, "PUT /secrets/a", r#"{"value":"new"}"#).await.status, 200, "its name is free");
    assert_eq!(ids(&world, "copy", "/secrets/a/versions").await.len(), 1);
    assert_eq!(advance(DAY).await, 1, "what was done in the copy");
    assert_eq!(ids(&world, "copy", "/deletedsecrets").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_purged_in_a_copy_is_gone_there_alone() {
    let world = World::new().await;
    let old = world.ask("PUT /secrets/s", r#"{"value":"one"}"#).await.version();
    world.ask("PUT /secrets/s", r#"{"value":"two"}"#).await;
    copy(&world, "acme", "copy").await;
    in_copy(&world, "DELETE /secrets/s", "").await;
    assert_eq!(in_copy(&world, "DELETE /deletedsecrets/s", "").await.status, 204);
    assert_eq!(in_copy(&world, "GET /secrets/s/versions", "").await.exactly(), r#"200 {"value":[],"nextLink":null}"#);
    assert_eq!(in_copy(&world, "PUT /secrets/s", r#"{"value":"new"}"#).await.status, 200);
    assert_eq!(in_copy(&world, &format!("GET /secrets/s/{old}"), "").await.status, 404);
    assert_eq!(world.ask(&format!("GET /secrets/s/{old}"), "").await.json()["value"], "one");
    copy(&world, "copy", "again").await;
    assert_eq!(ids(&world, "again", "/secrets/s/versions").await.len(), 1);
    assert_eq!(world.ask_as("owner", "again", "GET /secrets/s", "").await.json()["value"], "new");
}

#[tokio::test]
async fn a_purge_that_takes_its_time_does_so_in_the_copy_alone() {
    let world = World::new().await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    world.ask("DELETE /secrets/s", "").await;
    world.admin("PUT /admin/vaults/copy", r#"{"copyOf":"acme","deletionDelay":"PT5S"}"#).await;
    assert_eq!(in_copy(&world, "DELETE /deletedsecrets/s", "").await.status, 204);
    assert_eq!(in_copy(&world, "PUT /secrets/s", r#"{"value":"v"}"#).await.status, 409);
    let ran = world.admin("POST /admin/clock", r#"{"advance":"PT5S"}"#).await.json()["ran"].clone();
    assert_eq!(ran, 1);
    assert_eq!(in_copy(&world, "GET /deletedsecrets/s", "").await.status, 404);
    assert_eq!(world.ask("GET /deletedsecrets/s", "").await.status, 200);
}

#[tokio::test]
async fn backups_go_from_one_to_the_other() {
    let world = in_storage(Storage::Memory).await;
    let old = world.key("k", r#"{"kty":"EC"}"#).await;
    copy(&world, "acme", "copy").await;
    let new = in_copy(&world, "POST /keys/k/create", r#"{"kty":"EC"}"#).await.version();
    let blob = in_copy(&world, "POST /keys/k/backup", "").await.text;
    let conflict = in_copy(&world, "POST /keys/restore", &blob).await.status;
    world.ask("DELETE /keys/k", "").await;
    world.ask("DELETE /deletedkeys/k", "").await;
    assert_eq!((conflict.as_u16(), world.ask("POST /keys/restore", &blob).await.version()), (409, new));
    assert_eq!(ids(&world, "acme", "/keys/k/versions").await.len(), 2, "a version of each layer");
    in_copy(&world, "DELETE /keys/k", "").await;
    in_copy(&world, "DELETE /deletedkeys/k", "").await;
    assert_eq!(in_copy(&world, "POST /keys/restore", &blob).await.status, 200);
    let body = r#"{"alg":"ES256","value":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}"#;
    assert_eq!(in_copy(&world, &format!("POST /keys/k/{old}/sign"), body).await.status, 200);
}

#[tokio::test]
async fn a_copy_outlives_its_source_and_a_changed_setting_keeps_what_it_holds() {
    let world = World::new().await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    copy(&world, "acme", "copy").await;
    in_copy(&world, "PUT /secrets/t", r#"{"value":"v"}"#).await;
    assert_eq!(world.admin("PUT /admin/vaults/copy", r#"{"enablePurgeProtection":true}"#).await.status, 200);
    assert_eq!(world.admin("PUT /admin/vaults/acme", r#"{"enablePurgeProtection":true}"#).await.status, 200);
    assert_eq!(ids(&world, "acme", "/secrets").await, ["s"]);
    assert_eq!(world.admin("DELETE /admin/vaults/acme", "").await.status, 204);
    assert_eq!(ids(&world, "copy", "/secrets").await, ["s", "t"]);
    assert_eq!(copy(&world, "copy", "acme").await.status, 201, "its name is free");
    assert_eq!(ids(&world, "acme", "/secrets").await, ["s", "t"]);
}

#[tokio::test]
async fn copies_are_in_snapshots_and_on_the_disk_and_go_with_a_reset() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = in_storage(Storage::Redb(here.path().to_owned())).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    world.ask("PUT /secrets/gone", r#"{"value":"v"}"#).await;
    copy(&world, "acme", "copy").await;
    in_copy(&world, "PUT /secrets/t", r#"{"value":"v"}"#).await;
    in_copy(&world, "DELETE /secrets/gone", "").await;
    let same = async |world: &World| {
        assert_eq!(ids(world, "acme", "/secrets").await, ["gone", "s"]);
        assert_eq!(ids(world, "copy", "/secrets").await, ["s", "t"]);
        assert_eq!(ids(world, "copy", "/deletedsecrets").await, ["gone"]);
    };
    let file = world.admin_bytes("GET /admin/snapshot").await;
    world.server.stop().await;
    let world = in_storage(Storage::Redb(here.path().to_owned())).await;
    same(&world).await;
    let other = in_storage(Storage::Redb(there.path().to_owned())).await;
    let key = format!("Bearer {}", other.server.ready.admin_key);
    let loaded = other.admin_with("PUT /admin/snapshot", &file, &[("authorization", &key)]).await;
    assert_eq!(loaded.status, 204, "{}", loaded.text);
    same(&other).await;
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!(in_copy(&world, "GET /secrets/s", "").await.status, 404);
    assert_eq!(copy(&world, "acme", "copy").await.status, 201);
    assert_eq!(ids(&world, "copy", "/secrets").await, Vec::<String>::new());
    world.server.stop().await;
    other.server.stop().await;
}

#[tokio::test]
async fn copies_beside_writes_hold_what_was_acknowledged_before_them() {
    let dir = tempfile::tempdir().unwrap();
    for storage in [Storage::Memory, Storage::Redb(dir.path().to_owned())] {
        let world = Arc::new(in_storage(storage).await);
        let token = world.token("owner").await;
        let writer = tokio::spawn({
            let (world, token) = (world.clone(), token.clone());
            async move {
                for n in 0..60 {
                    loop {
                        let line = format!("PUT /secrets/s{n:02}");
                        let request = world.request(&world.host("acme"), &line, r#"{"value":"v"}"#, Some(&token));
                        match world.send(request).await.status.as_u16() {
                            200 => break,
                            429 => {}
                            other => panic!("{other}"),
                        }
                    }
                }
            }
        });
        for round in 0..12 {
            let before = ids(&world, "acme", "/secrets").await;
            let name = format!("copy{round}");
            assert_eq!(copy(&world, "acme", &name).await.status, 201);
            let held = ids(&world, &name, "/secrets").await;
            assert!(held.starts_with(&before), "{before:?} {held:?}");
            assert_eq!(ids(&world, &name, "/secrets").await, held, "and no more from then on");
        }
        writer.await.unwrap();
        assert_eq!(ids(&world, "acme", "/secrets").await.len(), 60, "none was lost");
        let mut copies = tokio::task::JoinSet::new();
        for n in 0..16 {
            let world = world.clone();
            copies.spawn(async move { copy(&world, "acme", &format!("all{n}")).await.status });
        }
        while let Some(status) = copies.join_next().await {
            assert_eq!(status.unwrap(), 201, "at the same moment");
        }
        assert_eq!(ids(&world, "all7", "/secrets").await.len(), 60);
    }
}

#[tokio::test]
async fn a_thousand_vaults_of_their_own_from_one() {
    let world = World::new().await;
    world.ask("PUT /secrets/s", r#"{"value":"template"}"#).await;
    for n in 0..1_000 {
        assert_eq!(copy(&world, "acme", &format!("test-{n}")).await.status, 201);
    }
    let listed = world.admin("GET /admin/vaults", "").await.json();
    assert_eq!(listed["vaults"].as_array().map(Vec::len), Some(1_002));
    world.ask_as("owner", "test-7", "PUT /secrets/s", r#"{"value":"mine"}"#).await;
    for (vault, expected) in [("test-7", "mine"), ("test-8", "template"), ("acme", "template")] {
        let found = world.ask_as("owner", vault, "GET /secrets/s", "").await.json();
        assert_eq!(found["value"], Value::from(expected), "{vault}");
    }
}
