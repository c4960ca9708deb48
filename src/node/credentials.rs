//! The credentials that a node keeps, each sealed with all others in one file of its home, which is replaced whole: a process that is
//! killed at any moment loses none that was acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::error::NodeError;
use super::home::NodeHome;

/// The file, in the home.
const FILE: &str = "credentials.json";
/// The most credentials of a node.
const MAX_CREDENTIALS: usize = 10_000;
/// The longest id of a credential, in bytes.
const MAX_ID: usize = 200;

/// The credentials of a node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CredentialStore {
    home: Arc<NodeHome>,
    /// One change at a time.
    turn: Arc<Mutex<()>>,
}

type All = BTreeMap<String, Zeroizing<String>>;

impl CredentialStore {
    /// The credentials in `home`.
    pub(crate) fn new(home: Arc<NodeHome>) -> Self {
        Self { home, turn: Arc::new(Mutex::new(())) }
    }

    /// Keeps `value` as the credential `id`; when this returns, it is on the disk. May block.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) fn put(&self, id: &str, value: Zeroizing<String>) -> Result<(), NodeError> {
        let is_fine = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_fine {
            return Err(NodeError::CredentialId);
        }
        self.change(|all| {
            if all.len() >= MAX_CREDENTIALS && !all.contains_key(id) {
                return Err(NodeError::TooManyCredentials(MAX_CREDENTIALS));
            }
            all.insert(id.to_owned(), value);
            Ok(())
        })
    }

    /// Forgets the credential `id`; answers whether there was one. May block.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn remove(&self, id: &str) -> Result<bool, NodeError> {
        let mut existed = false;
        self.change(|all| {
            existed = all.remove(id).is_some();
            Ok(())
        })?;
        Ok(existed)
    }

    /// The ids of all credentials. May block.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn ids(&self) -> Result<Vec<String>, NodeError> {
        Ok(self.all()?.into_keys().collect())
    }

    fn change(&self, change: impl FnOnce(&mut All) -> Result<(), NodeError>) -> Result<(), NodeError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.all()?;
        change(&mut all)?;
        self.home.write(FILE, &all)
    }

    fn all(&self) -> Result<All, NodeError> {
        Ok(self.home.read(FILE)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn credentials_are_kept_sealed_and_are_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = CredentialStore::new(Arc::new(NodeHome::open(dir.path()).unwrap()));
        store.put("b", value("hunter2")).unwrap();
        store.put("a", value("other")).unwrap();
        store.put("a", value("changed")).unwrap();
        assert_eq!(store.ids().unwrap(), ["a", "b"]);
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let text = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
        }
        drop(store);
        let store = CredentialStore::new(Arc::new(NodeHome::open(dir.path()).unwrap()));
        assert_eq!(store.all().unwrap()["a"].as_str(), "changed");
        assert!(store.remove("a").unwrap() && !store.remove("a").unwrap());
        assert_eq!(store.ids().unwrap(), ["b"]);
        for id in ["", "a b", &"i".repeat(MAX_ID + 1)] {
            assert!(matches!(store.put(id, value("x")), Err(NodeError::CredentialId)), "{id}");
        }
    }

    #[test]
    fn what_is_put_at_once_is_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = &CredentialStore::new(Arc::new(NodeHome::open(dir.path()).unwrap()));
        std::thread::scope(|threads| {
            for number in 0..8 {
                threads.spawn(move || store.put(&number.to_string(), value("x")).unwrap());
            }
        });
        assert_eq!(store.ids().unwrap().len(), 8);
    }
}
