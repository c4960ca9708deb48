//! Data that is damaged, lost or put back: what a start says of it, what `keyhaven check` finds, and what a server does that
//! notices it while it runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keyhaven::Storage;
use redb::{Database, ReadableTable, TableDefinition};
use serde_json::Value;

use crate::cli::{ON_FREE_PORTS, Served, keyhaven, refused};
use crate::world::{CONFIG, World};

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// Data of a server that was used and stopped: a key, a secret of two versions, a deleted secret.
async fn used(data: &Path) {
    let world = World::of(CONFIG, Storage::Redb(data.to_owned())).await;
    world.key("app", r#"{"kty":"EC"}"#).await;
    for value in ["one", "two"] {
        assert_eq!(world.ask("PUT /secrets/Database", &format!(r#"{{"value":"{value}"}}"#)).await.status, 200);
    }
    assert_eq!(world.ask("PUT /secrets/gone", r#"{"value":"v"}"#).await.status, 200);
    assert_eq!(world.ask("DELETE /secrets/gone", "").await.status, 200);
    world.server.stop().await;
}

fn database(data: &Path) -> PathBuf {
    data.join("keyhaven.redb")
}

/// The configuration that the data is of, as a file.
fn configured(dir: &Path) -> PathBuf {
    let path = dir.join("config.json");
    std::fs::write(&path, CONFIG).unwrap();
    path
}

/// The line that `serve` refuses to start with.
pub(crate) fn start_refused(data: &Path, more: &[&str]) -> String {
    let config = configured(data.parent().unwrap());
    let (data, config) = (data.to_str().unwrap(), config.to_str().unwrap());
    refused(
        &[&["serve", "--log-level", "off", "--data", data, "--config", config][..], &ON_FREE_PORTS, more].concat(),
        1,
    )
}

/// What `keyhaven check` exits with, and prints.
pub(crate) fn check(data: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = keyhaven(&["check", data.to_str().unwrap()]).args(more).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Every file in `dir`, with its bytes.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Writes `instead` wherever the database file holds `bytes`.
fn overwrite(data: &Path, bytes: &[u8], instead: &[u8]) {
    let mut file = std::fs::read(database(data)).unwrap();
    let mut replaced = 0;
    for at in 0..file.len() - bytes.len() {
        if file[at..].starts_with(bytes) {
            file[at..at + instead.len()].copy_from_slice(instead);
            replaced += 1;
        }
    }
    assert!(replaced > 0, "{}", String::from_utf8_lossy(bytes));
    std::fs::write(database(data), file).unwrap();
}

/// Changes the records, behind the back of the store, as one that lost some would have them.
fn tamper(data: &Path, change: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>)) {
    let database = Database::open(database(data)).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&mut transaction.open_table(RECORDS).unwrap());
    transaction.commit().unwrap();
}

#[tokio::test]
async fn data_that_is_whole_is_said_to_be_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    used(&data).await;
    let before = files(&data);
    let (status, printed, why) = check(&data, &[]);
    assert_eq!((status, why.as_str()), (Some(0), ""), "{printed}");
    assert!(
        printed.starts_with(&format!("{} is whole (vaults: 2, keys and secrets: 3, records: ", data.display())),
        "{printed}"
    );
    let (status, printed, _) = check(&data, &["--json"]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((status, &report["whole"], &report["objects"]), (Some(0), &true.into(), &3.into()));
    assert!(files(&data) == before, "nothing in the directory was changed");
    // After a kill there is something to be repaired, and nothing is damaged.
    let config = configured(dir.path());
    drop(Served::start(&data, &["--config", config.to_str().unwrap()]));
    let before = files(&data);
    assert_eq!(check(&data, &[]).0, Some(0));
    assert!(files(&data) == before, "nothing in the directory was changed");
}

#[test]
fn what_cannot_be_checked_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    assert!(refused(&["check", path], 1).contains("there is no database (keyhaven.redb) in this directory"));
    assert_eq!(keyhaven(&["check"]).output().unwrap().status.code(), Some(2));
    let served = Served::start(&data, &[]);
    let printed = refused(&["check", path], 1);
    assert!(printed.contains("is in use by another keyhaven; stop it first\n"), "{printed}");
    drop(served);
    let printed = refused(&["check", database(&data).to_str().unwrap()], 1);
    assert!(
        printed.ends_with("keyhaven.redb: a file, not a data directory; name the directory that it lies in\n"),
        "{printed}"
    );
    std::fs::remove_file(data.join("master.key")).unwrap();
    let printed = refused(&["check", path], 1);
    assert!(printed.contains("restore it, or set KEYHAVEN_SEAL_KEY"), "{printed}");
    assert!(!data.join("master.key").exists(), "a check makes nothing");
    let output = keyhaven(&["check", path]).env("KEYHAVEN_SEAL_KEY", "7".repeat(64)).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("the master key does not open this database"), "{printed}");
}

#[tokio::test]
async fn a_bit_in_a_key_stops_the_start_and_the_check_names_the_object() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    used(&data).await;
    overwrite(&data, b"/secrets/DATABASE", b"/secrets/DATABASD");
    let before = files(&data);
    let printed = start_refused(&data, &[]);
    assert!(printed.contains(&format!("{} is damaged (", database(&data).display())), "{printed}");
    assert!(printed.contains(&format!("see what is lost with keyhaven check {}", data.display())), "{printed}");
    assert!(files(&data)[&database(&data)] == before[&database(&data)], "the evidence stays");
    let (status, printed, why) = check(&data, &[]);
    assert_eq!(status, Some(1), "{printed}");
    assert!(printed.starts_with(&format!("{}: its pages are damaged: ", database(&data).display())), "{printed}");
    assert!(
        printed.contains("secret 'DATABASD' in vault 'acme': the value is not the one that was sealed here"),
        "{printed}"
    );
    assert!(why.contains("damaged or missing; nothing was changed: restore a copy of the directory"), "{why}");
    let (_, printed, _) = check(&data, &["--json"]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["whole"], false);
    let findings = report["findings"].as_array().unwrap();
    assert!(findings[0]["subject"].as_str().unwrap().ends_with("keyhaven.redb"), "{printed}");
    assert!(
        findings.iter().any(|finding| finding["record"].as_str().unwrap().ends_with("/secrets/DATABASD")),
        "{printed}"
    );
}

#[tokio::test]
async fn a_vault_whose_record_is_lost_is_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    used(&data).await;
    tamper(&data, |records| drop(records.remove(b"vault/acme".as_slice()).unwrap().unwrap()));
    let printed = start_refused(&data, &[]);
    assert!(printed.contains("the store holds objects of a vault whose record is missing"), "{printed}");
    assert!(printed.contains("see what is missing with keyhaven check DIR"), "{printed}");
    let (status, printed, _) = check(&data, &[]);
    assert_eq!(status, Some(1), "{printed}");
    assert!(printed.contains("vault 'acme': its record is missing, and its objects are there: key 'APP', secret 'DATABASE', secret 'GONE'"), "{printed}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    used(&data).await;
    let mut lost = Vec::new();
    tamper(&data, |records| {
        let all: Vec<Vec<u8>> = records.iter().unwrap().map(|record| record.unwrap().0.value().to_vec()).collect();
        for key in all {
            let text = String::from_utf8_lossy(&key).into_owned();
            if text.starts_with("version/") && text.contains("/DATABASE/") || text.starts_with("due/") {
                records.remove(key.as_slice()).unwrap();
                lost.push(text);
            }
        }
    });
    assert_eq!(lost.len(), 3, "{lost:?}");
    let (status, printed, _) = check(&data, &[]);
    assert_eq!(status, Some(1), "{printed}");
    for line in [
        "secret 'DATABASE' in vault 'acme': it counts 2 versions, 0 are there (object/",
        "'purge' of secret 'GONE' in vault 'acme': it is scheduled, and the entry that has it done is missing (due/",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let version = lost.iter().find(|key| key.starts_with("version/")).unwrap().rsplit('/').next().unwrap();
    assert!(
        printed.contains(&format!("version {version} of secret 'DATABASE' in vault 'acme': it is missing")),
        "{printed}"
    );
}

#[tokio::test]
async fn a_database_put_back_as_it_was_is_refused_until_that_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    used(&data).await;
    let (old, copy) = (std::fs::read(database(&data)).unwrap(), dir.path().join("copy"));
    std::fs::create_dir(&copy).unwrap();
    for file in ["keyhaven.redb", "keyhaven.redb.revision", "master.key"] {
        std::fs::copy(data.join(file), copy.join(file)).unwrap();
    }
    let world = World::of(CONFIG, Storage::Redb(data.clone())).await;
    assert_eq!(world.ask("PUT /secrets/Database", r#"{"value":"three"}"#).await.status, 200);
    world.server.stop().await;
    std::fs::write(database(&data), old).unwrap();
    let printed = start_refused(&data, &[]);
    assert!(printed.contains("is older than when it was last seen"), "{printed}");
    let kept = data.join("keyhaven.redb.revision");
    assert!(printed.contains(&format!("is to be used, remove {}", kept.display())), "{printed}");
    let (status, printed, _) = check(&data, &[]);
    assert_eq!(status, Some(1), "{printed}");
    let finding = format!("{}: it is older than when it was last seen (", database(&data).display());
    assert!(printed.starts_with(&finding), "{printed}");
    std::fs::remove_file(&kept).unwrap();
    assert_eq!(check(&data, &[]).0, Some(0));
    // A copy of the whole directory is no older than what was seen of it.
    for data in [&data, &copy] {
        let world = World::of(CONFIG, Storage::Redb(data.clone())).await;
        assert_eq!(world.ask("GET /secrets/Database", "").await.json()["value"], "two");
        world.server.stop().await;
    }
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn data_in_sled_is_checked_on_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let world = World::of(CONFIG, Storage::Sled(data.clone())).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    world.server.stop().await;
    let before = files(&data);
    let (status, printed, why) = check(&data, &[]);
    assert_eq!((status, why.as_str()), (Some(0), ""));
    assert!(printed.contains("is whole (vaults: 2, keys and secrets: 1, records: "), "{printed}");
    assert!(files(&data) == before, "nothing in the directory was changed");
    std::fs::remove_dir_all(data.join("keyhaven.sled")).unwrap();
    std::fs::create_dir(data.join("keyhaven.sled")).unwrap();
    let printed = refused(&["check", data.to_str().unwrap()], 1);
    let path = data.join("keyhaven.sled");
    assert!(printed.contains(&format!("{} is not a Keyhaven database", path.display())), "{printed}");
}

/// More than a start checks before it answers.
fn make_large(data: &Path) {
    let padding = TableDefinition::<u64, &[u8]>::new("padding");
    let database = Database::open(database(data)).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(padding).unwrap();
        for number in 0..36 {
            table.insert(number, vec![0; 1 << 20].as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[tokio::test]
async fn damage_in_large_data_stops_writes_while_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    used(&data).await;
    make_large(&data);
    let world = World::of(CONFIG, Storage::Redb(data.clone())).await;
    assert_eq!(world.ask("PUT /secrets/Database", r#"{"value":"three"}"#).await.status, 200, "large and whole");
    world.server.stop().await;
    overwrite(&data, b"/secrets/GONE/", b"/secrets/GOND/");
    let world = World::of(CONFIG, Storage::Redb(data.clone())).await;
    let health = async || world.plain(&world.server.ready.identity, "/health", &[]).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !health().await.text.contains("degraded") {
        assert!(Instant::now() < deadline, "the damage was not found");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let printed = "damage was found in the store: nothing is written any more; stop the server, see what is damaged with \
                keyhaven check DIR, and restore a copy";
    assert_eq!((health().await.status, &health().await.json()["degraded"]), (200.try_into().unwrap(), &printed.into()));
    let status = world.plain(world.server.ready.admin.as_deref().unwrap(), "/admin/status", &[]).await;
    assert_eq!(status.json()["degraded"], printed);
    assert_eq!(world.ask("GET /secrets/Database", "").await.json()["value"], "three");
    let refused = world.ask("PUT /secrets/Database", r#"{"value":"four"}"#).await;
    assert_eq!(refused.error(), format!("500 InternalServerError {STOPPED}"));
    assert_eq!(world.ask("GET /secrets/Database", "").await.json()["value"], "three");
    world.server.stop().await;
    let (status, printed, _) = check(&data, &[]);
    assert_eq!(status, Some(1), "{printed}");
    assert!(printed.contains("secret 'GOND' in vault 'acme'"), "{printed}");
}

const STOPPED: &str = "Nothing is written any more, because damage was found in the server's store; reads go on. Stop the \
                       server, see what is damaged with keyhaven check DIR, and restore a copy of the data directory.";
