//! The credentials that a node keeps, each sealed with all others in one file of its home, which is replaced whole: a process that is
//! killed at any moment loses none that was acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::credential_set::CredentialSet;
use super::error::NodeError;
use super::home::NodeHome;

/// The file, in the home.
const FILE: &str = "credentials.json";

/// The credentials of a node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CredentialStore(Arc<Shared>);

struct Shared {
    home: Arc<NodeHome>,
    /// The node, which what it writes names.
    node: Uuid,
    /// The last overwriting that the service has begun.
    round: AtomicU64,
    /// What the digest of what lies on the disk is, once it was read. One change at a time holds it.
    digest: Mutex<Option<String>>,
    changed: Notify,
}

impl CredentialStore {
    /// The credentials in `home` of the node with the id `node`.
    pub(crate) fn new(home: Arc<NodeHome>, node: Uuid) -> Self {
        let (round, digest, changed) = (AtomicU64::new(0), Mutex::new(None), Notify::new());
        Self(Arc::new(Shared { home, node, round, digest, changed }))
    }

    /// Keeps `value` as the credential `id`; when this returns, it is on the disk. May block.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) fn put(&self, id: &str, value: Zeroizing<String>) -> Result<(), NodeError> {
        self.change(|all| all.put(id, value, self.writing()))
    }

    /// The same for an id that no credential has yet. May block.
    ///
    /// # Errors
    /// When there is one, or it cannot be kept.
    pub(super) fn add(&self, id: &str, value: Zeroizing<String>) -> Result<(), NodeError> {
        self.change(|all| match all.value(id) {
            Some(_) => Err(NodeError::CredentialExists),
            None => all.put(id, value, self.writing()),
        })
    }

    /// Forgets the credential `id`; answers whether there was one. May block.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn remove(&self, id: &str) -> Result<bool, NodeError> {
        let mut existed = false;
        self.change(|all| {
            existed = all.remove(id, self.writing());
            Ok(())
        })?;
        Ok(existed)
    }

    /// Takes what counts of the credentials of another node. May block.
    ///
    /// # Errors
    /// When there is no room, or it cannot be written.
    pub(super) fn merge(&self, others: CredentialSet) -> Result<(), NodeError> {
        self.change(|all| all.merge(others))
    }

    /// Makes the credentials that are here the only ones of the runtime, as of the overwriting `round`. May block.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn overwrite(&self, round: u64) -> Result<(), NodeError> {
        self.heard_of(round);
        self.change(|all| {
            all.overwrite(round);
            Ok(())
        })
    }

    /// Notes that the service has begun the overwriting `round`: what is written from now on outlasts it.
    pub(super) fn heard_of(&self, round: u64) {
        self.0.round.fetch_max(round, Ordering::Relaxed);
    }

    /// The value of the credential `id`. May block.
    ///
    /// # Errors
    /// When the credentials cannot be read.
    pub(crate) fn value(&self, id: &str) -> Result<Option<Zeroizing<String>>, NodeError> {
        Ok(self.all()?.value(id).cloned())
    }

    /// The ids of all credentials. May block.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn ids(&self) -> Result<Vec<String>, NodeError> {
        Ok(self.all()?.ids())
    }

    /// All of them. May block.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn all(&self) -> Result<CredentialSet, NodeError> {
        Ok(self.0.home.read(FILE)?.unwrap_or_default())
    }

    /// What is the same on nodes with the same credentials. May block.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn digest(&self) -> Result<String, NodeError> {
        let mut digest = self.turn();
        match &*digest {
            Some(known) => Ok(known.clone()),
            None => Ok(digest.insert(self.all()?.digest()).clone()),
        }
    }

    /// Ends when the credentials have changed since this was asked last.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut CredentialSet) -> Result<(), NodeError>) -> Result<(), NodeError> {
        let mut digest = self.turn();
        let before = self.all()?;
        let mut all = before.clone();
        change(&mut all)?;
        if all != before {
            self.0.home.write(FILE, &all)?;
            self.0.changed.notify_one();
        }
        *digest = Some(all.digest());
        Ok(())
    }

    fn writing(&self) -> (u64, Uuid) {
        (self.0.round.load(Ordering::Relaxed), self.0.node)
    }

    fn turn(&self) -> MutexGuard<'_, Option<String>> {
        self.0.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    fn store_in(dir: &std::path::Path) -> CredentialStore {
        CredentialStore::new(Arc::new(NodeHome::open(dir).unwrap()), Uuid::from_u128(1))
    }

    #[test]
    fn credentials_are_kept_sealed_and_are_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = store_in(dir.path());
        let empty = store.digest().unwrap();
        store.put("b", value("hunter2")).unwrap();
        store.put("a", value("other")).unwrap();
        store.put("a", value("changed")).unwrap();
        assert_eq!(store.ids().unwrap(), ["a", "b"]);
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let text = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
        }
        let digest = store.digest().unwrap();
        assert_ne!(digest, empty);
        drop(store);
        let store = store_in(dir.path());
        assert_eq!(store.digest().unwrap(), digest);
        assert_eq!(store.value("a").unwrap().unwrap().as_str(), "changed");
        assert!(store.remove("a").unwrap() && !store.remove("a").unwrap());
        assert_eq!((store.ids().unwrap(), store.value("a").unwrap()), (vec!["b".to_owned()], None));
        assert!(matches!(store.put("a b", value("x")), Err(NodeError::CredentialId)));
    }

    #[test]
    fn what_is_put_at_once_is_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = &store_in(dir.path());
        std::thread::scope(|threads| {
            for number in 0..8 {
                threads.spawn(move || store.put(&number.to_string(), value("x")).unwrap());
            }
        });
        assert_eq!(store.ids().unwrap().len(), 8);
    }

    #[test]
    fn what_is_written_after_an_overwriting_was_heard_of_outlasts_it() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (dispatcher, worker) = (store_in(one.path()), store_in(other.path()));
        worker.put("old", value("x")).unwrap();
        worker.heard_of(1);
        worker.put("new", value("x")).unwrap();
        dispatcher.overwrite(1).unwrap();
        worker.merge(dispatcher.all().unwrap()).unwrap();
        assert_eq!(worker.ids().unwrap(), ["new"]);
    }
}
