//! Damage behind the back of the store is noticed, named, and never given out as an answer.

use std::fs;
use std::path::Path;

use redb::Database;

use super::moment::{RECORDS, join, split};
use super::open::META;
use super::tests::{open_store, open_with, place};
use crate::store::conformance::put;
use crate::store::{Batch, Key, Revision, StoreError};

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
    for outcome in [view.get(&key.into()).await.map(drop), view.scan(&Key::from(""), None, 99).await.map(drop)] {
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
fn an_unknown_layout_is_refused() {
    let (_directory, path) = place();
    drop(open_store(&path));
    set_meta(&path, "schema", &2_u32.to_be_bytes());
    assert!(matches!(open_with(&path, 1), Err(StoreError::Schema { found: 2, known: 1 })));
}

#[tokio::test]
async fn the_last_revision_cannot_be_set_back_by_damage() {
    let (_directory, path) = place();
    put(&open_store(&path), "a", "one").await;
    let record = raw(&path, "a");
    set_meta(&path, "revision", &record[8..]);
    let error = open_with(&path, 1).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { record, .. } if record == "revision"), "{error}");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_record_is_noticed() {
    let (_directory, path) = place();
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
    let (_directory, path) = place();
    let both = Batch::default().put("a", b"alice".to_vec()).put("b", b"bob".to_vec());
    open_store(&path).commit(both).await.unwrap();
    let other = raw(&path, "b");
    tamper(&path, "a", |_| other);
    assert_damaged(&path, "a").await;
}

#[tokio::test]
async fn an_old_value_put_back_under_the_new_revision_is_noticed() {
    let (_directory, path) = place();
    let old = {
        put(&open_store(&path), "a", "old password").await;
        raw(&path, "a")
    };
    put(&open_store(&path), "a", "new password").await;
    tamper(&path, "a", |new| {
        let (revision, _) = split(&"a".into(), &new).unwrap();
        join(revision, &old[size_of::<Revision>()..])
    });
    assert_damaged(&path, "a").await;
}

/// A damaged page may hide an entry, which no seal can notice; it never changes one, and never brings the store down.
#[tokio::test]
async fn a_damaged_file_gives_right_answers_or_none() {
    let (_directory, path) = place();
    let store = open_store(&path);
    let value = |at: usize| format!("{at:0>100}").into_bytes();
    let many = (0..200).fold(Batch::default(), |batch, at| batch.put(format!("{at:03}"), value(at)));
    store.commit(many).await.unwrap();
    store.close().await;
    let whole = fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let mut complaints = 0;
    for at in (0..used).step_by(1 + used / 150) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, damaged).unwrap();
        let Ok(store) = open_with(&path, 1) else {
            complaints += 1;
            continue;
        };
        for at in 0..200 {
            let found = match store.view().await {
                Ok(view) => view.get(&format!("{at:03}").into()).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(Some(entry)) => assert_eq!(entry.value.as_slice(), value(at)),
                Ok(None) => {}
                Err(_) => complaints += 1,
            }
        }
        let written = store.commit(Batch::default().put("new", vec![])).await;
        assert!(!matches!(written, Err(StoreError::Closed)), "the writer goes on");
    }
    assert!(complaints > 0);
}

#[tokio::test]
async fn nothing_of_a_value_is_readable_in_the_file() {
    let (_directory, path) = place();
    let store = open_store(&path);
    put(&store, "a", "a secret nobody may read").await;
    store.close().await;
    let file = fs::read(&path).unwrap();
    assert!(!file.windows(6).any(|window| window == b"secret"));
}
