//! What a power cut leaves behind is no damage: a start repairs it, and finds every commit that was acknowledged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{fs, io};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::{Database, StorageBackend};

use super::super::Redb;
use super::super::file_opener::{FileOpener, Opener};
use super::super::owner::{Opened, Owner};
use super::{open_with, sealed, temp_path};
use crate::store::conformance::get;
use crate::store::degraded::Health;
use crate::store::last_seen::LastSeen;
use crate::store::sealed::Sealer;
use crate::store::{Batch, DataKey, RedbOptions, StoreError};

/// Bytes that a disk writes whole.
const SECTOR: usize = 512;
/// Images that are taken at each sync.
const IMAGES: usize = 3;

/// A disk that may lose, at each sync, any part of what was written since the one before.
#[derive(Debug)]
struct Disk(Mutex<State>, Arc<AtomicUsize>);

#[derive(Debug)]
struct State {
    /// What is on the disk for good.
    synced: Vec<u8>,
    /// What the program reads.
    seen: Vec<u8>,
    /// What was written since the last sync.
    written: Vec<(usize, Vec<u8>)>,
    /// What cuts would have left, each with the number of commits that were acknowledged by then.
    images: Vec<(usize, Vec<u8>)>,
    random: StdRng,
}

impl State {
    /// What a cut during this sync leaves: some sectors of what was written, and not the others.
    fn cut(&mut self) -> Vec<u8> {
        let mut image = self.synced.clone();
        image.resize(self.seen.len(), 0);
        let share = self.random.random_range(0..=4);
        for (offset, data) in &self.written {
            for (at, sector) in data.chunks(SECTOR).enumerate() {
                let start = offset + at * SECTOR;
                if self.random.random_range(0..4) < share && start + sector.len() <= image.len() {
                    image[start..start + sector.len()].copy_from_slice(sector);
                }
            }
        }
        image
    }
}

#[derive(Debug)]
struct OnDisk(Arc<Disk>);

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (state, start) = (self.0.0.lock().unwrap(), usize::try_from(offset).unwrap());
        let found = state.seen.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let len = usize::try_from(len).unwrap();
        state.seen.resize(len, 0);
        state.synced.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        for _ in 0..IMAGES {
            let image = (self.0.1.load(Ordering::SeqCst), state.cut());
            state.images.push(image);
        }
        state.synced = state.seen.clone();
        state.written.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut state, start) = (self.0.0.lock().unwrap(), usize::try_from(offset).unwrap());
        state.seen[start..start + data.len()].copy_from_slice(data);
        state.written.push((start, data.to_vec()));
        Ok(())
    }
}

#[tokio::test]
async fn what_a_power_cut_leaves_is_repaired_and_holds_every_acknowledged_commit() {
    let (_directory, path) = temp_path();
    drop(open_with(&path, 1).unwrap());
    let image = fs::read(&path).unwrap();
    let random = StdRng::seed_from_u64(15);
    let state = State { synced: image.clone(), seen: image, written: vec![], images: vec![], random };
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let disk = Arc::new(Disk(Mutex::new(state), Arc::clone(&acknowledged)));
    let backend = Arc::clone(&disk);
    let open: Opener = Box::new(move || Ok(Database::builder().create_with_backend(OnDisk(Arc::clone(&backend)))?));
    let open_read_only: Opener = Box::new(|| Err(StoreError::Closed));
    let opener = FileOpener { open, open_read_only, has_room: Box::new(|_| true) };
    let sealer = Arc::new(Sealer::new(&DataKey::from_bytes([7; 32])).unwrap());
    let last_seen = LastSeen::beside(&path.with_extension("cut")).unwrap();
    let options = RedbOptions::default();
    let health = Health::default();
    let owner = Owner::new(Opened::by(&opener, &health).unwrap(), opener, health);
    let engine = Redb::start(owner, sealer, (0, last_seen), options.idle).unwrap();
    for commit in 0..25 {
        let batch = Batch::default().put(format!("{commit:03}"), vec![1; 3000]).put("same", vec![2; commit]);
        engine.commit(sealed(batch)).await.unwrap();
        acknowledged.store(commit + 1, Ordering::SeqCst);
    }
    engine.close().await;
    let images = std::mem::take(&mut disk.0.lock().unwrap().images);
    assert!(images.len() > 25 * IMAGES);
    for (number, (there, image)) in images.into_iter().enumerate() {
        fs::write(&path, image).unwrap();
        let store = open_with(&path, 1).unwrap_or_else(|error| panic!("image {number}: {error}"));
        for commit in 0..there {
            assert!(get(&store, &format!("{commit:03}")).await.is_some(), "image {number}: {commit} of {there}");
        }
        store.close().await;
        fs::remove_file(path.with_extension("redb.revision")).ok();
    }
}
