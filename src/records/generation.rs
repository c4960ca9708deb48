//! Generations: everything that is kept lies under one, and a pointer says which counts. Replacing all of it (a reset,
//! a snapshot that is loaded) is building another beside it and moving the pointer; what is left behind is swept away
//! afterwards.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::view::Root;
use super::{RecordError, Records};
use crate::store::{Batch, Key, Revision, Store, StoreError};

/// Keys that one commit of the sweep takes away.
const SWEPT_AT_ONCE: usize = 1000;

/// What the prefixes of all generations but the first begin with; no key of a record does.
const GENERATIONS: &str = "generation/";

/// The generation that counts, as last seen.
pub(super) struct Current(Mutex<(Revision, Arc<str>)>);

impl Current {
    pub(super) fn new() -> Self {
        Self(Mutex::new((0, Arc::from(""))))
    }

    /// The root that the pointer names at `moment`.
    pub(super) async fn at(&self, moment: &crate::store::View) -> Result<Root, StoreError> {
        let pointed = moment.revision_of(&pointer()).await?.unwrap_or(0);
        let (known, prefix) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if pointed == known {
            return Ok(Root { prefix, pointed: Some(pointed) });
        }
        let prefix: Arc<str> = match moment.get(&pointer()).await? {
            Some(entry) => Arc::from(String::from_utf8_lossy(&entry.value).as_ref()),
            None => Arc::from(""),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (pointed, prefix.clone());
        Ok(Root { prefix, pointed: Some(pointed) })
    }
}

/// Where the pointer lies, outside of all generations.
pub(super) fn pointer() -> Key {
    Key::from("generation")
}

/// What says that something may be left to sweep away: a start need not look through everything.
fn unswept() -> Key {
    Key::from("generation-unswept")
}

/// A generation that is being built; nobody sees it until it is published. Dropped before, it is swept away later.
pub struct Draft {
    records: Records,
    store: Store,
    root: Root,
    /// The revision of the pointer when the draft was begun.
    before: Revision,
    /// Drafts and sweeps take turns.
    turn: OwnedMutexGuard<()>,
}

impl Draft {
    pub(super) async fn begin(records: &Records) -> Result<Self, RecordError> {
        let turn = records.inner.drafts.clone().lock_owned().await;
        let before = records.view().await?.root().pointed.unwrap_or_default();
        let prefix = format!("{GENERATIONS}{}/", Uuid::from_bytes(crate::random::secret()).simple());
        let root = Root { prefix: Arc::from(prefix), pointed: None };
        records.inner.store.commit(Batch::default().put(unswept(), vec![])).await?;
        let drafted = records.under(root.clone());
        Ok(Self { records: drafted, store: records.inner.store.clone(), root, before, turn })
    }

    /// The records of the draft, to build it with.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Puts entries into the draft, as they were in another generation.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn fill(&self, batch: Batch) -> Result<(), RecordError> {
        self.store.commit(self.root.applied(batch, &pointer())).await?;
        Ok(())
    }

    /// Makes the draft what counts, in one commit.
    ///
    /// # Errors
    /// [`RecordError::Busy`] when something else was published meanwhile; what the store reports.
    pub async fn publish(self) -> Result<(), RecordError> {
        let value = self.root.prefix.as_bytes().to_vec();
        let batch = Batch::default().expect(pointer(), self.before).put(pointer(), value);
        match self.store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict) => Err(RecordError::Busy),
            Err(error) => Err(error.into()),
        }?;
        self.records.inner.kept_mark.forget();
        drop(self.turn);
        Ok(())
    }
}

/// What a key of the store is to the records, for those that look at a store from outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Located {
    /// The pointer to the generation that counts.
    Pointer,
    /// What says that something may be left to sweep away.
    Mark,
    /// A record, under its own key, in the generation of this prefix.
    Record(String, Key),
}

impl Located {
    /// What the key `place` of the store is.
    pub fn of(place: &Key) -> Self {
        if *place == pointer() {
            return Self::Pointer;
        }
        if *place == unswept() {
            return Self::Mark;
        }
        let text = place.as_bytes();
        let id = text.strip_prefix(GENERATIONS.as_bytes());
        let end = id.and_then(|id| id.iter().position(|byte| *byte == b'/'));
        let (prefix, rest) = text.split_at(end.map_or(0, |end| GENERATIONS.len() + end + 1));
        Self::Record(String::from_utf8_lossy(prefix).into_owned(), Key::from(rest))
    }

    /// The prefix of the generation that counts, as the value of the pointer has it.
    pub fn current(pointer: &[u8]) -> String {
        String::from_utf8_lossy(pointer).into_owned()
    }
}

impl Records {
    /// Begins another generation. Others wait for their turn until it is published or dropped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn draft(&self) -> Result<Draft, RecordError> {
        Draft::begin(self).await
    }

    /// Takes away what belongs to no generation that counts: those before, and drafts that were given up. Answers how
    /// many records that were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<usize, RecordError> {
        let _turn = self.inner.drafts.lock().await;
        if self.inner.store.view().await?.revision_of(&unswept()).await?.is_none() {
            return Ok(0);
        }
        let swept = self.sweep_all().await?;
        self.inner.store.commit(Batch::default().delete(unswept())).await?;
        Ok(swept)
    }

    async fn sweep_all(&self) -> Result<usize, RecordError> {
        let (mut after, mut swept) = (None, 0);
        loop {
            let moment = self.inner.store.view().await?;
            let root = self.inner.current.at(&moment).await?;
            let found = moment.keys(&Key::from(""), after.as_ref(), SWEPT_AT_ONCE).await?;
            let Some((last, _)) = found.last() else { return Ok(swept) };
            after = Some(last.clone());
            let stale: Vec<Key> = found.into_iter().map(|(key, _)| key).filter(|key| is_stale(key, &root)).collect();
            swept += stale.len();
            if !stale.is_empty() {
                self.inner.store.commit(Batch { delete: stale, ..Batch::default() }).await?;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn is_stale(key: &Key, root: &Root) -> bool {
    let text = key.as_bytes();
    let current = text.starts_with(root.prefix.as_bytes()) && (!root.prefix.is_empty() || !is_apart(key));
    !current && *key != pointer() && *key != unswept()
}

/// Whether a key is no record of the first generation, whose keys begin with nothing of their own.
pub(super) fn is_apart(key: &Key) -> bool {
    *key == pointer() || *key == unswept() || key.as_bytes().starts_with(GENERATIONS.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_apart_from_its_generation() {
        let record = |prefix: &str, key: &str| Located::Record(prefix.to_owned(), Key::from(key));
        assert_eq!(Located::of(&"vault/acme".into()), record("", "vault/acme"));
        assert_eq!(Located::of(&"generation/7f/vault/acme".into()), record("generation/7f/", "vault/acme"));
        assert_eq!(Located::of(&"generation/7f".into()), record("", "generation/7f"));
        assert_eq!(Located::of(&pointer()), Located::Pointer);
        assert_eq!(Located::of(&unswept()), Located::Mark);
        let root = Root { prefix: Arc::from("generation/7f/"), pointed: None };
        let place = root.applied(Batch::default().delete("object/x"), &pointer()).delete.remove(0);
        assert_eq!(Located::of(&place), record(&root.prefix, "object/x"));
    }
}
