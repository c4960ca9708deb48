//! A database that was put back as it was before is noticed, and accepted when that was wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{open_store, open_with, temp_path};
use crate::store::conformance::{get, put};
use crate::store::{Batch, StoreError};

fn kept(path: &Path) -> PathBuf {
    path.with_extension("redb.revision")
}

/// A store that was copied when it held one record, and written to afterwards.
async fn rolled_back() -> (tempfile::TempDir, PathBuf) {
    let (directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    store.close().await;
    let copy = fs::read(&path).unwrap();
    let store = open_store(&path);
    put(&store, "a", "two").await;
    store.close().await;
    fs::write(&path, copy).unwrap();
    (directory, path)
}

#[tokio::test]
async fn a_file_put_back_as_it_was_is_refused_until_that_is_accepted() {
    let (_directory, path) = rolled_back().await;
    let before = fs::read(&path).unwrap();
    let error = open_with(&path, 1).unwrap_err();
    assert!(matches!(error, StoreError::RolledBack { found: 1, last: 2, .. }), "{error}");
    let expected = format!(
        "{path} is older than when it was last seen (its last revision is 1, 2 was seen): if it was restored from a copy \
         and is to be used, remove {path}.revision; otherwise restore the newest copy",
        path = path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(fs::read(&path).unwrap() == before, "it is left as it is");
    fs::remove_file(kept(&path)).unwrap();
    assert_eq!(get(&open_store(&path), "a").await.unwrap().value.as_slice(), b"one");
}

#[tokio::test]
async fn a_copy_of_the_whole_directory_is_taken_as_it_is() {
    let (directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    store.close().await;
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    put(&open_store(&path), "a", "two").await;
    assert_eq!(get(&open_store(&copy.path().join("store.redb")), "a").await.unwrap().value.as_slice(), b"one");
}

#[tokio::test]
async fn a_database_made_anew_is_compared_with_nothing() {
    let (_directory, path) = rolled_back().await;
    fs::remove_file(&path).unwrap();
    let store = open_store(&path);
    assert!(!kept(&path).exists(), "a kill would leave it beside the new file");
    put(&store, "a", "three").await;
    store.close().await;
    assert_eq!(fs::read_to_string(kept(&path)).unwrap(), "1\n");
}

#[tokio::test]
async fn the_last_revision_is_kept_when_the_store_is_idle_and_never_by_a_write() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while fs::read_to_string(kept(&path)).ok().as_deref() != Some("1\n") {
        assert!(Instant::now() < deadline, "nothing was kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(kept(&path)).unwrap().permissions().mode() & 0o777, 0o600);
    // A revision that no record has is kept too.
    store.commit(Batch::default().delete("never there")).await.unwrap();
    store.close().await;
    assert_eq!(fs::read_to_string(kept(&path)).unwrap(), "2\n");
}

#[tokio::test]
async fn something_else_in_the_place_of_the_revision_is_refused() {
    let (_directory, path) = temp_path();
    drop(open_store(&path));
    for text in ["", "-1", "two"] {
        fs::write(kept(&path), text).unwrap();
        let error = open_with(&path, 1).unwrap_err();
        assert!(error.to_string().ends_with("or remove it to start without that comparison"), "{text}: {error}");
    }
}
