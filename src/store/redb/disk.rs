//! How the engine behaves on a disk that is full, and on one that is slow.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{fs, io, thread};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend};
use tokio::sync::oneshot::{Receiver, channel};

use super::Redb;
use super::owner::Opener;
use super::tests::{open_store, place};
use crate::store::queue::{Job, QUEUE, Request};
use crate::store::sealed::Sealer;
use crate::store::{Batch, DataKey, RedbOptions, Revision, StoreError};

/// A disk that is full, or slow, for as long as a test wants it to be.
#[derive(Debug, Default)]
struct Disk {
    full: AtomicBool,
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
    let (path, disk) = (path.to_owned(), Arc::clone(disk));
    let opener: Opener = Box::new(move || {
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        Ok(Database::builder().create_with_backend(OnDisk(FileBackend::new(file)?, Arc::clone(&disk)))?)
    });
    let sealer = Arc::new(Sealer::new(&DataKey::from_bytes([7; 32])).unwrap());
    Redb::start(opener().unwrap(), opener, sealer, 0, RedbOptions::default().idle).unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_commits_until_there_is_room_again() {
    let ((_directory, path), disk) = (place(), Arc::default());
    let engine = engine_on(&path, &disk);
    let change = || Batch::default().put("a", vec![0; 100_000]);
    let first = engine.commit(change()).await.unwrap();
    disk.full.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert!(matches!(engine.commit(change()).await, Err(StoreError::Io { .. })));
    }
    disk.full.store(false, Ordering::SeqCst);
    let later = engine.commit(change()).await.unwrap();
    assert!(later > first);
    let revision = engine.view().unwrap().read(&"a".into(), |revision, _| Ok(revision)).unwrap();
    assert_eq!(revision, Some(later));
}

#[test]
fn commits_that_wait_share_a_sync_and_are_bounded() {
    let ((_directory, path), disk) = (place(), Arc::default());
    let engine = engine_on(&path, &disk);
    let before = disk.syncs.load(Ordering::SeqCst);
    let slow = disk.slow.lock().unwrap();
    let first = send(&engine, Batch::default());
    while disk.syncs.load(Ordering::SeqCst) == before {
        thread::yield_now();
    }
    let waiting: Vec<_> = (0..QUEUE).map(|at| send(&engine, Batch::default().put(format!("{at}"), vec![]))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(runtime.block_on(engine.commit(Batch::default())), Err(StoreError::Busy)));
    drop(slow);

    let revisions = [first].into_iter().chain(waiting).map(|answer| answer.blocking_recv().unwrap().unwrap());
    assert!(revisions.is_sorted_by(|one, next| one < next));
    let syncs = disk.syncs.load(Ordering::SeqCst) - before;
    assert!(syncs < 20, "{syncs} syncs for {QUEUE} commits");
}

fn send(engine: &Redb, batch: Batch) -> Receiver<Result<Revision, StoreError>> {
    let (reply, answer) = channel();
    engine.queue.requests.try_send(Request::Commit(Job { batch, reply })).unwrap();
    answer
}
