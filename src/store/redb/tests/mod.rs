//! What only a store in a file can get wrong: starts, locks, crashes.

mod damage;
mod disk;
mod power_cut;
mod rolled_back;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redb::{Database, TableDefinition};
use tempfile::TempDir;

use crate::store::conformance::{get, put};
use crate::store::sealed::{SealedBatch, Sealer};
use crate::store::{Batch, DataKey, EntryKey, MasterKey, RedbOptions, Store, StoreError};

/// Tells the test binary, started again as a child, which file to write to until it is killed.
const CHILD: &str = "KEYHAVEN_TEST_STORE";

pub(super) fn temp_path() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.redb");
    (directory, path)
}

pub(super) fn open_with(path: &Path, master: u8) -> Result<Store, StoreError> {
    let options = RedbOptions { idle: Duration::from_millis(20), ..RedbOptions::default() };
    Store::redb(path, &MasterKey::from_bytes([master; 32]), DataKey::from_bytes([7; 32]), options)
}

/// `batch` as the engine receives it from a store with the data key of these tests.
pub(super) fn sealed(batch: Batch) -> SealedBatch {
    Sealer::new(&DataKey::from_bytes([7; 32])).unwrap().seal_batch(batch).unwrap()
}

pub(super) fn open_store(path: &Path) -> Store {
    open_with(path, 1).unwrap()
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
async fn a_dropped_store_is_closed_and_its_views_say_so_at_worst() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    put(&store, "a", "one").await;
    let view = store.view().await.unwrap();
    drop(store);
    assert!(matches!(view.get(&"a".into()).await, Ok(Some(_)) | Err(StoreError::Closed)));
    assert!(get(&open_store(&path), "a").await.is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = temp_path();
    let _store = open_store(&path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[tokio::test]
async fn a_second_store_on_the_same_file_is_refused() {
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

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let (_directory, path) = temp_path();
    let text = "not a database, but somebody's thesis\n".repeat(1000);
    fs::write(&path, &text).unwrap();
    assert!(matches!(open_with(&path, 1), Err(StoreError::NotADatabase { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    for (name, content) in [("empty", &b""[..]), ("zeros", &[0; 100_000])] {
        let path = path.with_extension(name);
        fs::write(&path, content).unwrap();
        assert!(matches!(open_with(&path, 1), Err(StoreError::NotADatabase { .. })), "{name}");
    }

    let other = path.with_extension("other");
    let database = Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<&str, u64>::new("scores")).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(open_with(&other, 1), Err(StoreError::NotADatabase { .. })));
}

#[test]
fn of_two_that_make_the_same_file_one_is_refused() {
    let (_directory, path) = temp_path();
    let stores: Vec<_> = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| open_with(&path, 1)));
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(stores.iter().filter(|store| store.is_ok()).count(), 1, "{stores:?}");
    assert!(stores.iter().any(|store| matches!(store, Err(StoreError::InUse { .. }))), "{stores:?}");
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let error = open_with(Path::new("/nowhere/at all/store.redb"), 1).unwrap_err();
    assert!(error.to_string().starts_with("creating /nowhere/at all/store.redb: "), "{error}");
}

#[test]
fn a_cut_off_file_is_refused() {
    let (_directory, path) = temp_path();
    drop(open_store(&path));
    for length in [100, 5000, 20_000] {
        let copy = path.with_extension(length.to_string());
        fs::write(&copy, &fs::read(&path).unwrap()[..length]).unwrap();
        let error = open_with(&copy, 1).unwrap_err();
        assert!(matches!(error, StoreError::DamagedFile { .. }), "{length}: {error:?}");
    }
}

/// The file as a crash would leave it: what it holds when no writer is writing to it.
async fn crashed(path: &Path) -> PathBuf {
    let copy = path.with_extension("crashed");
    loop {
        fs::copy(path, &copy).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        if fs::read(path).unwrap() == fs::read(&copy).unwrap() {
            return copy;
        }
    }
}

/// Whether a start on the file as it is has to walk all of it.
fn needs_repair(path: &Path) -> bool {
    let repaired = Arc::new(AtomicBool::new(false));
    let noticed = Arc::clone(&repaired);
    let mut builder = Database::builder();
    builder.set_repair_callback(move |_| noticed.store(true, Ordering::SeqCst)).open(path).unwrap();
    repaired.load(Ordering::SeqCst)
}

fn many() -> Batch {
    (0..10_000).fold(Batch::default(), |batch, at| batch.put(format!("{at:05}"), vec![0; 20]))
}

#[tokio::test]
async fn a_crash_among_writes_costs_a_repair() {
    let (_directory, path) = temp_path();
    let options = RedbOptions { idle: Duration::from_secs(3600), ..RedbOptions::default() };
    let master = MasterKey::from_bytes([1; 32]);
    let store = Store::redb(&path, &master, DataKey::from_bytes([7; 32]), options).unwrap();
    store.commit_pieces(many()).await.unwrap();
    let crashed = crashed(&path).await;
    assert!(get(&open_store(&crashed), "09999").await.is_some());
    fs::copy(&path, &crashed).unwrap();
    assert!(needs_repair(&crashed));
}

#[tokio::test]
async fn after_a_quiet_moment_a_crash_costs_no_repair() {
    let (_directory, path) = temp_path();
    let store = open_store(&path);
    store.commit_pieces(many()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while needs_repair(&crashed(&path).await) {
        assert!(Instant::now() < deadline, "the store never came to rest");
    }
    let mut fastest = Duration::MAX;
    // The best of several, so that a busy machine does not fail the test.
    for _ in 0..5 {
        let crashed = crashed(&path).await;
        let begun = Instant::now();
        let reopened = open_store(&crashed);
        fastest = fastest.min(begun.elapsed());
        assert!(get(&reopened, "09999").await.is_some());
    }
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
}

#[tokio::test]
async fn a_killed_process_keeps_every_commit_it_answered() {
    let (_directory, path) = temp_path();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::redb::tests::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut answered = lines.filter_map(|line| line.strip_prefix("answered ")?.parse::<usize>().ok());
    let before = answered.by_ref().take(100).max();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = answered.max().max(before).unwrap();
    let found = open_store(&path).view().await.unwrap().keys(&EntryKey::from("by "), None, usize::MAX).await.unwrap();
    assert!(found.len() > last, "{} of {last} are there", found.len());
}

/// Not a test of its own: see above.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open_store(Path::new(&path));
    println!();
    for at in 0.. {
        put(&store, &format!("by {at:09}"), "one").await;
        println!("answered {at}");
    }
}
