//! How the engine behaves on a disk that is full, and on one that is slow.

use std::ops::Not;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend};
use tokio::sync::oneshot::{Receiver, channel};

use super::super::Redb;
use super::super::file_opener::{self, FileOpener, Opener};
use super::super::owner::{Opened, Owner};
use super::super::scrub::Scrubber;
use super::{open_store, sealed, temp_path};
use crate::store::degraded::{Degraded, Health};
use crate::store::last_seen::LastSeen;
use crate::store::panics::catch_panic;
use crate::store::queue::{Job, QUEUE_CAPACITY, Request};
use crate::store::sealed::Sealer;
use crate::store::{Batch, DataKey, RedbOptions, Revision, StoreError};

/// Less than what the tests write, so that not all reads are answered without the disk.
const CACHE_BYTES: usize = 64 * 1024;

/// A disk that is full, or slow, for as long as a test wants it to be.
#[derive(Debug, Default)]
struct Disk {
    full: AtomicBool,
    /// Whether one can ask beforehand.
    is_known_to_be_full: AtomicBool,
    /// Whether it refuses every read, as a disk does that wears out.
    unreadable: AtomicBool,
    reads_refused: AtomicUsize,
    /// A sync waits for this lock.
    slow: Mutex<()>,
    syncs: AtomicUsize,
}

#[derive(Debug)]
struct OnDisk(FileBackend, Arc<Disk>);

impl OnDisk {
    fn room(&self) -> io::Result<()> {
        if self.1.full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.1.unreadable.load(Ordering::SeqCst) {
            self.1.reads_refused.fetch_add(1, Ordering::SeqCst);
            return Err(io::Error::other("the disk is worn out"));
        }
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        drop(self.1.slow.lock());
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.0.write(offset, data)
    }
}

/// The engine on a new file on `disk`.
fn engine_on(path: &Path, disk: &Arc<Disk>) -> Redb {
    drop(open_store(path));
    engine_with(path, disk, &Health::default())
}

/// The engine on the file at `path` on `disk`, which reports to `health`.
fn engine_with(path: &Path, disk: &Arc<Disk>, health: &Health) -> Redb {
    let (file, written, measured) = (path.to_owned(), Arc::clone(disk), Arc::clone(disk));
    let open: Opener = Box::new(move || {
        let file = fs::File::options().read(true).write(true).open(&file).unwrap();
        let backend = OnDisk(FileBackend::new(file)?, Arc::clone(&written));
        catch_panic("the file", || Ok(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?))
    });
    let file = path.to_owned();
    let open_read_only: Opener = Box::new(move || file_opener::read_only(&file, 1 << 20));
    let has_room = Box::new(move |_| measured.is_known_to_be_full.load(Ordering::SeqCst).not());
    let opener = FileOpener { open, open_read_only, has_room };
    let sealer = Arc::new(Sealer::new(&DataKey::from_bytes([7; 32])).unwrap());
    let owner = Owner::new(Opened::by(&opener, health).unwrap(), opener, health.clone());
    let last_seen = LastSeen::beside(path).unwrap();
    Redb::start(owner, sealer, (0, last_seen), RedbOptions::default().idle).unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_commits_until_there_is_room_again() {
    let ((_directory, path), disk) = (temp_path(), Arc::default());
    let engine = engine_on(&path, &disk);
    let change = || sealed(Batch::default().put("a", vec![0; 100_000]));
    let first = engine.commit(change()).await.unwrap();
    disk.full.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert!(matches!(engine.commit(change()).await, Err(StoreError::Full { .. })));
    }
    disk.full.store(false, Ordering::SeqCst);
    let later = engine.commit(change()).await.unwrap();
    assert!(later > first);
    let revision = engine.view().unwrap().read(&"a".into(), |revision, _| Ok(revision)).unwrap();
    assert_eq!(revision, Some(later));
}

#[tokio::test]
async fn a_full_disk_is_read_and_says_so_until_something_was_written() {
    let ((_directory, path), disk, health) = (temp_path(), Arc::<Disk>::default(), Health::default());
    drop(open_store(&path));
    let engine = engine_with(&path, &disk, &health);
    let change = || sealed(Batch::default().put("a", vec![0; 100_000]));
    let first = engine.commit(change()).await.unwrap();
    let read = async || engine.view_when_open().await.unwrap().read(&"a".into(), |revision, _| Ok(revision)).unwrap();
    assert_eq!(health.degraded(), None);
    disk.full.store(true, Ordering::SeqCst);
    for is_known in [false, true, false] {
        disk.is_known_to_be_full.store(is_known, Ordering::SeqCst);
        assert!(matches!(engine.commit(change()).await, Err(StoreError::Full { .. })));
        assert_eq!(health.degraded(), Some(Degraded::DiskFull));
        assert_eq!(read().await, Some(first), "what was there is read, and the failed write is not in it");
    }
    disk.full.store(false, Ordering::SeqCst);
    let later = engine.commit(change()).await.unwrap();
    assert_eq!((read().await, health.degraded()), (Some(later), None));
}

#[tokio::test]
async fn readers_notice_nothing_of_writes_that_a_full_disk_refuses() {
    let ((_directory, path), disk) = (temp_path(), Arc::<Disk>::default());
    let engine = Arc::new(engine_on(&path, &disk));
    engine.commit(sealed(Batch::default().put("a", vec![0; 100_000]))).await.unwrap();
    disk.full.store(true, Ordering::SeqCst);
    let reading = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move {
            let mut refused = 0;
            for _ in 0..300 {
                let view = engine.view_when_open().await.unwrap();
                match view.read(&"a".into(), |revision, _| Ok(revision)) {
                    Ok(found) => assert_eq!(found, Some(1)),
                    // Closed under a read: it is asked again.
                    Err(StoreError::Busy) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
                tokio::task::yield_now().await;
            }
            refused
        }
    });
    for _ in 0..5 {
        assert!(engine.commit(sealed(Batch::default().put("b", vec![0; 100_000]))).await.is_err());
    }
    assert!(reading.await.unwrap() <= 5, "one for each write at the most");
}

#[tokio::test]
async fn a_store_on_a_disk_that_refuses_every_write_is_opened_and_read() {
    let ((_directory, path), disk, health) = (temp_path(), Arc::<Disk>::default(), Health::default());
    let engine = engine_on(&path, &disk);
    let written = engine.commit(sealed(Batch::default().put("a", vec![1]))).await.unwrap();
    drop(engine);
    let before = fs::read(&path).unwrap();
    disk.full.store(true, Ordering::SeqCst);
    let engine = engine_with(&path, &disk, &health);
    assert_eq!(health.degraded(), Some(Degraded::DiskFull));
    let read = || engine.view().unwrap().read(&"a".into(), |revision, _| Ok(revision)).unwrap();
    assert_eq!(read(), Some(written));
    assert!(matches!(engine.commit(sealed(Batch::default().put("b", vec![1]))).await, Err(StoreError::Full { .. })));
    assert_eq!((read(), fs::read(&path).unwrap()), (Some(written), before));
    disk.full.store(false, Ordering::SeqCst);
    engine.commit(sealed(Batch::default().put("b", vec![1]))).await.unwrap();
    assert_eq!((read(), health.degraded()), (Some(written), None));
}

#[tokio::test]
async fn a_walk_ends_when_the_disk_cannot_be_read() {
    let ((_directory, path), disk, health) = (temp_path(), Arc::<Disk>::default(), Health::default());
    let store = open_store(&path);
    let many = (0..500).fold(Batch::default(), |batch, at| batch.put(format!("{at:03}"), vec![1; 3000]));
    store.commit_pieces(many).await.unwrap();
    store.close().await;
    let engine = engine_with(&path, &disk, &health);
    disk.unreadable.store(true, Ordering::SeqCst);
    let sealer = Arc::new(Sealer::new(&DataKey::from_bytes([7; 32])).unwrap());
    let walk = Scrubber::start(engine.database.clone(), sealer, health.clone(), Duration::ZERO).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !walk.has_ended() {
        assert!(Instant::now() < deadline, "it begins again and again, and no log says why");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((disk.reads_refused.load(Ordering::SeqCst), health.degraded()), (1, None));
}

#[test]
fn commits_that_wait_share_a_sync_and_are_bounded() {
    let ((_directory, path), disk) = (temp_path(), Arc::default());
    let engine = engine_on(&path, &disk);
    let before = disk.syncs.load(Ordering::SeqCst);
    let slow = disk.slow.lock().unwrap();
    let first = send(&engine, Batch::default());
    while disk.syncs.load(Ordering::SeqCst) == before {
        thread::yield_now();
    }
    let waiting: Vec<_> =
        (0..QUEUE_CAPACITY).map(|at| send(&engine, Batch::default().put(format!("{at}"), vec![]))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(runtime.block_on(engine.commit(sealed(Batch::default()))), Err(StoreError::Busy)));
    drop(slow);

    let revisions = [first].into_iter().chain(waiting).map(|answer| answer.blocking_recv().unwrap().unwrap());
    assert!(revisions.is_sorted_by(|one, next| one < next));
    let syncs = disk.syncs.load(Ordering::SeqCst) - before;
    assert!(syncs < 20, "{syncs} syncs for {QUEUE_CAPACITY} commits");
}

fn send(engine: &Redb, batch: Batch) -> Receiver<Result<Revision, StoreError>> {
    let (reply, answer) = channel();
    engine.queue.requests.try_send(Request::Commit(Job { batch: sealed(batch), reply })).unwrap();
    answer
}
