//! What only a store in a directory of sled's can get wrong: starts, locks, crashes, lost entries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::open::{self, record_key};
use crate::store::conformance::{get, put};
use crate::store::degraded::Health;
use crate::store::last_seen::LastSeen;
use crate::store::sealed::SealedBatch;
use crate::store::{Batch, DataKey, MasterKey, Store, StoreError};

fn temp_path() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.sled");
    (directory, path)
}

fn open_with(path: &Path, master: u8) -> Result<Store, StoreError> {
    Store::sled(path, &MasterKey::from_bytes([master; 32]), DataKey::from_bytes([7; 32]))
}

fn open_store(path: &Path) -> Store {
    open_with(path, 1).unwrap()
}

/// What a killed process would leave behind: the files as they are now.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_new_start_finds_everything_and_goes_on_counting() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    let first = put(&store, "a", "one").await;
    let last = store.commit(Batch::default().delete("never there")).await.unwrap();
    store.close().await;
    let store = open_store(&path);
    assert_eq!(get(&store, "a").await.unwrap().revision, first);
    assert!(put(&store, "b", "two").await > last, "a revision that left no record is not given again");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let (directory, path) = temp_path();
    let store = open_store(&path);
    let large = vec![5; 1 << 20];
    for round in 0..10 {
        let key = format!("k{round}");
        store.commit(Batch::default().put(key.as_str(), b"v".to_vec()).put("large", large.clone())).await.unwrap();
        let left = directory.path().join(format!("killed{round}"));
        copy(&path, &left);
        let again = open_store(&left);
        assert_eq!(get(&again, &key).await.unwrap().value.as_slice(), b"v");
        assert_eq!(get(&again, "large").await.unwrap().value.as_slice(), large);
    }
}

#[tokio::test]
async fn every_acknowledged_commit_is_synced() {
    let (_directory, path) = temp_path();
    open::create_if_absent(&path, &MasterKey::from_bytes([1; 32]), &DataKey::from_bytes([7; 32])).unwrap();
    let opened = open::database(&path, &MasterKey::from_bytes([1; 32])).unwrap();
    let sealer = std::sync::Arc::clone(&opened.sealer);
    let (published, last_seen) = (super::Published(std::sync::Arc::default()), LastSeen::beside(&path).unwrap());
    let mut writer = super::Writer::new(opened, last_seen, published, Health::default());
    for round in 1..=5 {
        let before = writer.syncs();
        let batch = sealer.seal_batch(Batch::default().put("a", vec![round])).unwrap();
        writer.transaction(&[batch.clone(), batch]).unwrap().remove(1).unwrap();
        assert_eq!(writer.syncs(), before + 1, "one for all that wait");
    }
    let before = writer.syncs();
    assert!(
        writer.transaction(&[SealedBatch { expect: vec![("a".into(), 99)], ..SealedBatch::default() }]).unwrap()[0]
            .is_err()
    );
    assert_eq!(writer.syncs(), before, "none for nothing");
}

#[tokio::test]
async fn a_second_store_on_the_same_directory_is_refused() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    let Err(StoreError::InUse { path: named }) = open_with(&path, 1) else { panic!() };
    assert_eq!(named, path);
    store.close().await;
    open_store(&path);
}

#[tokio::test]
async fn a_wrong_master_key_is_refused_and_the_right_one_still_works() {
    let (_directory, path) = temp_path();
    put(&open_store(&path), "a", "one").await;
    let error = open_with(&path, 2).unwrap_err();
    assert!(matches!(error, StoreError::WrongMasterKey), "{error}");
    assert!(get(&open_store(&path), "a").await.is_some());
}

#[tokio::test]
async fn a_directory_put_back_as_it_was_is_refused_until_that_is_accepted() {
    let (directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    store.close().await;
    drop(store);
    let before = directory.path().join("before");
    copy(&path, &before);
    let store = open_store(&path);
    put(&store, "a", "two").await;
    store.close().await;
    drop(store);
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&before, &path).unwrap();
    let error = open_with(&path, 1).unwrap_err();
    assert!(matches!(error, StoreError::RolledBack { found: 1, last: 2, .. }), "{error}");
    fs::remove_file(path.with_extension("sled.revision")).unwrap();
    assert_eq!(get(&open_store(&path), "a").await.unwrap().value.as_slice(), b"one");
}

#[tokio::test]
async fn an_entry_that_sled_lost_is_noticed() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    put(&store, "b", "two").await;
    store.close().await;
    let db = sled::open(&path).unwrap();
    db.remove(record_key(&"a".into())).unwrap().unwrap();
    drop(db);
    let error = open_with(&path, 1).unwrap_err();
    assert!(error.to_string().contains("2 records were written, 1 are there"), "{error}");
}

#[tokio::test]
async fn a_value_that_was_altered_or_moved_is_damage() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    put(&store, "b", "two").await;
    store.close().await;
    let db = sled::open(&path).unwrap();
    let moved = db.get(record_key(&"a".into())).unwrap().unwrap();
    db.insert(record_key(&"b".into()), moved).unwrap();
    drop(db);
    let store = open_store(&path);
    let error = store.view().await.unwrap().get(&"b".into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(get(&store, "a").await.is_some());
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let (directory, path) = temp_path();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("thesis"), "somebody's").unwrap();
    assert!(matches!(open_with(&path, 1), Err(StoreError::NotADatabase { .. })));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    let other = directory.path().join("other");
    sled::open(&other).unwrap().insert("score", "7").unwrap();
    assert!(matches!(open_with(&other, 1), Err(StoreError::NotADatabase { .. })));
}

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    let check = || {
        let mut open = vec![path.clone()];
        let mut seen = 0;
        while let Some(entry) = open.pop() {
            seen += 1;
            assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o077, 0, "{}", entry.display());
            if entry.is_dir() {
                open.extend(fs::read_dir(entry).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        assert!(seen > 4, "{seen}");
    };
    check();
    store.close().await;
    check();
}
