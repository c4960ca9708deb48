//! What goes into a store and what comes out.

use std::collections::HashSet;
use std::fmt;

use zeroize::Zeroizing;

use super::error::StoreError;
use super::key::EntryKey;
use super::limits::{MAX_BATCH_BYTES, MAX_OPERATIONS, PIECE_BYTES, PIECE_OPERATIONS};

/// The number of a commit, carried by every key that it put. It only grows, no two commits share it, and 0 means
/// "absent".
pub(crate) type Revision = u64;

/// The bytes of an entry, wiped from memory when they are dropped.
pub(crate) type Value = Zeroizing<Vec<u8>>;

/// A key with its value, and the commit that put it there.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: EntryKey,
    /// The value, unsealed.
    pub value: Value,
    /// The commit that put it: what a [`Batch`] built upon this entry expects.
    pub revision: Revision,
}

impl fmt::Debug for Entry {
    /// Never the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("revision", &self.revision)
            .field("bytes", &self.value.len())
            .finish()
    }
}

/// Changes that are made together or not at all: at most [`MAX_OPERATIONS`] of [`MAX_BATCH_BYTES`]. A key occurs at most
/// once among `put` and `delete`.
///
/// A change that may be larger is made of several batches that can be resumed after a kill: the first one makes what
/// follows invisible or names it in a record of what is to be done, and the last one ends that.
#[derive(Clone, Default)]
pub struct Batch {
    /// The revisions that these keys must still have; 0 means that there must be no such key.
    pub expect: Vec<(EntryKey, Revision)>,
    /// The keys that get a new value.
    pub put: Vec<(EntryKey, Value)>,
    /// The keys that are deleted; one that does not exist is no error.
    pub delete: Vec<EntryKey>,
}

impl Batch {
    /// Whether it expects and changes nothing.
    pub fn is_empty(&self) -> bool {
        self.expect.is_empty() && self.put.is_empty() && self.delete.is_empty()
    }

    /// The bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        let expected = self.expect.iter().map(|(key, _)| key.as_bytes().len());
        let deleted = self.delete.iter().map(|key| key.as_bytes().len());
        let put = self.put.iter().map(|(key, value)| key.as_bytes().len() + value.len());
        expected.chain(deleted).chain(put).sum()
    }

    /// Whether `other` can be added to this piece of a larger change ([`PIECE_OPERATIONS`], [`PIECE_BYTES`]).
    pub fn has_room_for(&self, other: &Self) -> bool {
        let changes = [self, other].map(|batch| batch.put.len() + batch.delete.len());
        changes.iter().sum::<usize>() <= PIECE_OPERATIONS && self.bytes() + other.bytes() <= PIECE_BYTES
    }

    /// This batch, with what `other` expects and changes.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.expect.extend(other.expect);
        self.put.extend(other.put);
        self.delete.extend(other.delete);
        self
    }

    /// This batch as batches of which each is small enough to be committed, also with a few operations more. Changes of this
    /// batch are spread over them; each has all of the expectations.
    pub fn into_pieces(self) -> Vec<Self> {
        let empty = Self { expect: self.expect, ..Self::default() };
        let (mut pieces, mut last) = (Vec::new(), empty.clone());
        let (most_operations, most_bytes) = (PIECE_OPERATIONS, PIECE_BYTES.saturating_sub(empty.bytes()));
        let puts = self.put.into_iter().map(|(key, value)| (key, Some(value)));
        let mut bytes = 0;
        for (key, value) in puts.chain(self.delete.into_iter().map(|key| (key, None))) {
            let length = key.as_bytes().len() + value.as_ref().map_or(0, |value| value.len());
            let operations = last.put.len() + last.delete.len();
            if operations > 0 && (operations == most_operations || bytes + length > most_bytes) {
                pieces.push(std::mem::replace(&mut last, empty.clone()));
                bytes = 0;
            }
            bytes += length;
            match value {
                Some(value) => last.put.push((key, value)),
                None => last.delete.push(key),
            }
        }
        pieces.extend((!last.put.is_empty() || !last.delete.is_empty()).then_some(last));
        pieces
    }

    /// Refuses what no engine is to see.
    ///
    /// # Errors
    /// [`StoreError::BatchTooLarge`]; [`StoreError::DuplicateKey`], because the engines would disagree about which of two
    /// changes of one key wins.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let (operations, bytes) = (self.expect.len().max(self.put.len() + self.delete.len()), self.bytes());
        if operations > MAX_OPERATIONS || bytes > MAX_BATCH_BYTES {
            return Err(StoreError::BatchTooLarge { operations, bytes });
        }
        let mut seen = HashSet::new();
        let mut changed = self.put.iter().map(|(key, _)| key).chain(&self.delete);
        match changed.find(|key| !seen.insert(*key)) {
            Some(key) => Err(StoreError::DuplicateKey { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// This batch, if `key` still has `revision` (0: if there is no such key).
    #[must_use]
    pub fn expect(mut self, key: impl Into<EntryKey>, revision: Revision) -> Self {
        self.expect.push((key.into(), revision));
        self
    }

    /// This batch, putting `value` at `key`.
    #[must_use]
    pub fn put(mut self, key: impl Into<EntryKey>, value: impl Into<Value>) -> Self {
        self.put.push((key.into(), value.into()));
        self
    }

    /// This batch, deleting `key`.
    #[must_use]
    pub fn delete(mut self, key: impl Into<EntryKey>) -> Self {
        self.delete.push(key.into());
        self
    }
}

impl fmt::Debug for Batch {
    /// Never the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let put: Vec<&EntryKey> = self.put.iter().map(|(key, _)| key).collect();
        f.debug_struct("Batch").field("expect", &self.expect).field("put", &put).field("delete", &self.delete).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_small_enough_and_come_to_the_same() {
        let large = vec![0; MAX_BATCH_BYTES / 3];
        let batch = (0..1000).fold(Batch::default().expect("a", 1), |batch, at| match at {
            0..300 => batch.put(format!("{at}"), vec![]),
            300..310 => batch.put(format!("{at}"), large.clone()),
            _ => batch.delete(format!("{at}")),
        });
        let pieces = batch.clone().into_pieces();
        for piece in &pieces {
            assert!(piece.put.len() + piece.delete.len() <= PIECE_OPERATIONS && piece.bytes() <= PIECE_BYTES);
            assert_eq!(piece.expect, batch.expect);
            piece.check().unwrap();
        }
        assert_eq!(
            pieces.iter().flat_map(|piece| &piece.put).collect::<Vec<_>>(),
            batch.put.iter().collect::<Vec<_>>()
        );
        assert_eq!(
            pieces.iter().flat_map(|piece| &piece.delete).collect::<Vec<_>>(),
            batch.delete.iter().collect::<Vec<_>>()
        );
        assert_eq!(pieces.len(), 12);
        assert!(Batch::default().expect("a", 1).into_pieces().is_empty());
    }

    #[test]
    fn no_value_is_ever_printed() {
        let batch = Batch::default().expect("a", 1).put("a", b"hunter2".to_vec()).delete("b");
        assert_eq!(format!("{batch:?}"), r#"Batch { expect: [("a", 1)], put: ["a"], delete: ["b"] }"#);
        let entry = Entry { key: EntryKey::from("a"), value: b"hunter2".to_vec().into(), revision: 2 };
        assert_eq!(format!("{entry:?}"), r#"Entry { key: "a", revision: 2, bytes: 7 }"#);
    }
}
