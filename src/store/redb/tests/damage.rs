//! Damage behind the back of the store is noticed, named, and never given out as an answer.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use redb::Database;

use super::super::open::META;
use super::super::view::{RECORDS, join, split};
use super::{open_store, open_with, temp_path};
use crate::store::conformance::put;
use crate::store::{Batch, DataKey, Degraded, EntryKey, MasterKey, RedbOptions, Revision, Store, StoreError};

/// Changes the raw record of `key`, behind the back of the store.
fn tamper(path: &Path, key: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut records = transaction.open_table(RECORDS).unwrap();
        let record = records.remove(key.as_bytes()).unwrap().unwrap().value().to_vec();
        records.insert(key.as_bytes(), change(record).as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

fn raw(path: &Path, key: &str) -> Vec<u8> {
    let mut record = Vec::new();
    tamper(path, key, |found| {
        record.clone_from(&found);
        found
    });
    record
}

async fn assert_damaged(path: &Path, key: &str) {
    let store = open_store(path);
    let view = store.view().await.unwrap();
    for outcome in [view.get(&key.into()).await.map(drop), view.scan(&EntryKey::from(""), None, 99).await.map(drop)] {
        let Err(StoreError::Damaged { record, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(record, key);
    }
}

fn set_meta(path: &Path, name: &str, bytes: &[u8]) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(name, bytes).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn an_unknown_format_is_refused() {
    let (_directory, path) = temp_path();
    drop(open_store(&path));
    set_meta(&path, "schema", &3_u32.to_be_bytes());
    assert!(matches!(open_with(&path, 1), Err(StoreError::UnknownFormat { found: 3, known: 2 })));
}

#[tokio::test]
async fn the_last_revision_cannot_be_set_back_by_damage() {
    let (_directory, path) = temp_path();
    put(&open_store(&path), "a", "one").await;
    let record = raw(&path, "a");
    set_meta(&path, "revision", &record[8..]);
    let error = open_with(&path, 1).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { record, .. } if record == "revision"), "{error}");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_record_is_noticed() {
    let (_directory, path) = temp_path();
    put(&open_store(&path), "1/secrets/A", "hunter2").await;
    let length = raw(&path, "1/secrets/A").len();
    for at in [0, 7, 8, length / 2, length - 13, length - 1] {
        tamper(&path, "1/secrets/A", |mut record| {
            record[at] ^= 1;
            record
        });
        assert_damaged(&path, "1/secrets/A").await;
        tamper(&path, "1/secrets/A", |mut record| {
            record[at] ^= 1;
            record
        });
    }
    tamper(&path, "1/secrets/A", |record| record[..5].to_vec());
    assert_damaged(&path, "1/secrets/A").await;
}

#[tokio::test]
async fn a_value_moved_to_another_key_is_noticed() {
    let (_directory, path) = temp_path();
    let both = Batch::default().put("a", b"alice".to_vec()).put("b", b"bob".to_vec());
    open_store(&path).commit(both).await.unwrap();
    let other = raw(&path, "b");
    tamper(&path, "a", |_| other);
    assert_damaged(&path, "a").await;
}

#[tokio::test]
async fn an_old_value_put_back_under_the_new_revision_is_noticed() {
    let (_directory, path) = temp_path();
    let old = {
        put(&open_store(&path), "a", "old password").await;
        raw(&path, "a")
    };
    put(&open_store(&path), "a", "new password").await;
    tamper(&path, "a", |new| {
        let (revision, _) = split(&"a".into(), &new).unwrap();
        join(revision, &old[size_of::<Revision>()..], &[])
    });
    assert_damaged(&path, "a").await;
}

const RECORDS_THERE: usize = 200;

fn key(at: usize) -> EntryKey {
    format!("object/{at:03}").into()
}

fn value(at: usize) -> Vec<u8> {
    format!("{at:0>100}").into_bytes()
}

/// A store of 200 records, closed: its bytes.
async fn filled(path: &Path) -> Vec<u8> {
    let store = open_store(path);
    let many = (0..RECORDS_THERE).fold(Batch::default(), |batch, at| batch.put(key(at), value(at)));
    store.commit_pieces(many).await.unwrap();
    store.close().await;
    fs::read(path).unwrap()
}

/// Where to damage a file: evenly spread over what is used of it, and every place that holds the key of record 37.
fn places(whole: &[u8]) -> Vec<usize> {
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let spread = (0..used).step_by(1 + used / 250);
    let wanted = key(37);
    let keys = whole.windows(wanted.as_bytes().len()).enumerate().filter(|(_, found)| *found == wanted.as_bytes());
    spread.chain(keys.flat_map(|(at, _)| [at, at + 4, at + 9])).collect()
}

/// The file as it was before, or damaged: not one that is older than when it was last seen.
fn put_back(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::remove_file(path.with_extension("redb.revision")).ok();
}

/// How many records cannot be read, or are not there.
async fn lost(store: &Store) -> usize {
    let mut lost = 0;
    for at in 0..RECORDS_THERE {
        let found = match store.view().await {
            Ok(view) => view.get(&key(at)).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(Some(entry)) => assert_eq!(entry.value.as_slice(), value(at)),
            Ok(None) | Err(_) => lost += 1,
        }
    }
    lost
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone_or_gives_right_answers() {
    let (_directory, path) = temp_path();
    let whole = filled(&path).await;
    let mut refused = 0;
    for at in places(&whole) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        put_back(&path, &damaged);
        match open_with(&path, 1) {
            Err(error) => {
                refused += 1;
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
                assert!(error.to_string().contains(path.to_str().unwrap()), "byte {at}: {error}");
                assert!(fs::read(&path).unwrap() == damaged, "byte {at}: the evidence stays");
            }
            Ok(store) => {
                assert_eq!(lost(&store).await, 0, "byte {at}");
                store.commit(Batch::default().put("new", vec![])).await.unwrap();
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[tokio::test]
async fn damage_names_the_file_and_what_to_do() {
    let (directory, path) = temp_path();
    let mut damaged = filled(&path).await;
    let wanted = key(37);
    for at in 0..damaged.len() - wanted.as_bytes().len() {
        if damaged[at..].starts_with(wanted.as_bytes()) {
            damaged[at] ^= 1;
        }
    }
    put_back(&path, &damaged);
    let error = open_with(&path, 1).unwrap_err();
    assert!(matches!(error, StoreError::DamagedFile { .. }), "{error}");
    let (text, directory) = (error.to_string(), directory.path().display());
    assert!(text.starts_with(&format!("{directory}/store.redb is damaged (")), "{text}");
    assert!(text.contains(&format!("see what is lost with keyhaven check {directory}, then restore a copy")), "{text}");
}

/// As a file is opened that is too large to be checked first.
fn open_large(path: &Path) -> Result<Store, StoreError> {
    let options = RedbOptions { max_checked_bytes: 0, scrub_after: Duration::ZERO, ..RedbOptions::default() };
    Store::redb(path, &MasterKey::from_bytes([1; 32]), DataKey::from_bytes([7; 32]), options)
}

async fn degraded(store: &Store) -> Option<Degraded> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.degraded().is_none() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    store.degraded()
}

#[tokio::test]
async fn damage_in_a_large_file_is_found_while_it_is_used_and_stops_writes() {
    let (_directory, path) = temp_path();
    let whole = filled(&path).await;
    let mut stopped = 0;
    for at in places(&whole) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        put_back(&path, &damaged);
        let Ok(store) = open_large(&path) else { continue };
        if lost(&store).await == 0 {
            continue;
        }
        stopped += 1;
        let found = degraded(&store).await;
        assert!(matches!(&found, Some(Degraded::Damaged(_))), "byte {at}: {found:?}");
        let refused = store.commit(Batch::default().put("new", vec![])).await;
        assert!(matches!(refused, Err(StoreError::WritesStopped { .. })), "byte {at}: {refused:?}");
    }
    assert!(stopped > 5, "{stopped}");
}

#[tokio::test]
async fn a_large_file_that_is_whole_is_walked_and_written() {
    let (_directory, path) = temp_path();
    filled(&path).await;
    let store = open_large(&path).unwrap();
    for at in 0..50 {
        put(&store, &format!("new/{at}"), "one").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((store.degraded(), lost(&store).await), (None, 0));
    store.close().await;
    assert_eq!(open_large(&path).unwrap().degraded(), None);
}

#[tokio::test]
async fn keys_out_of_order_are_an_error_and_never_a_short_list() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    let names = ["p/a", "p/b", "p/c", "p/d", "p/e", "q/z"];
    let all = names.iter().fold(Batch::default(), |batch, name| batch.put(*name, vec![]));
    store.commit(all).await.unwrap();
    store.close().await;
    let whole = fs::read(&path).unwrap();
    // In its temp_path within the list; behind all that the list is of; before the key that it follows.
    for moved in ["p/g", "r/c", "p/a"] {
        let mut damaged = whole.clone();
        for at in 0..damaged.len() - 3 {
            if damaged[at..].starts_with(b"p/c") {
                damaged[at..at + 3].copy_from_slice(moved.as_bytes());
            }
        }
        put_back(&path, &damaged);
        let store = open_large(&path).unwrap();
        let view = store.view().await.unwrap();
        let listed = view.keys(&EntryKey::from("p/"), None, 99).await;
        let Err(StoreError::Damaged { why, .. }) = &listed else { panic!("{moved}: {listed:?}") };
        assert_eq!(why, "its key is out of order, so a page is damaged");
    }
}

#[tokio::test]
async fn what_is_whole_of_a_damaged_file_is_found_and_what_is_not_is_named() {
    let (_directory, path) = temp_path();
    let whole = filled(&path).await;
    let master = MasterKey::from_bytes([1; 32]);
    let mut named = 0;
    for at in places(&whole) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        put_back(&path, &damaged);
        let mut found = 0;
        let Ok(inspection) = Store::inspect_redb(&path, &master, |_| found += 1) else { continue };
        assert_eq!(inspection.records, found);
        assert!(found == RECORDS_THERE as u64 || !inspection.damage.is_empty(), "byte {at}: {inspection:?}");
        named += usize::from(inspection.damage.iter().any(|damage| damage.key.is_some()));
        assert!(fs::read(&path).unwrap() == damaged, "byte {at}");
    }
    assert!(named > 5, "{named}");
    put_back(&path, &whole);
    let inspection = Store::inspect_redb(&path, &master, |_| ()).unwrap();
    assert_eq!((inspection.records, inspection.damage), (RECORDS_THERE as u64, vec![]));
}

#[tokio::test]
async fn nothing_of_a_value_is_readable_in_the_file() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "a secret nobody may read").await;
    store.close().await;
    let file = fs::read(&path).unwrap();
    assert!(!file.windows(6).any(|window| window == b"secret"));
}
