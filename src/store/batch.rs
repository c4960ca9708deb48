//! What goes into a store and what comes out.

use std::fmt;

use zeroize::Zeroizing;

use super::key::Key;

/// The number of a commit, which every key that it put carries. It only grows, no two commits share it, and 0 stands
/// for "absent".
pub type Revision = u64;

/// The bytes of an entry, wiped from memory when they are dropped.
pub type Value = Zeroizing<Vec<u8>>;

/// A key with its value, and the commit that put it there.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Key,
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

/// Changes that are made together or not at all. A key stands at most once among `put` and `delete`.
#[derive(Clone, Default)]
pub struct Batch {
    /// The revisions that these keys must still have; 0 means that there must be no such key.
    pub expect: Vec<(Key, Revision)>,
    /// The keys that get a new value.
    pub put: Vec<(Key, Value)>,
    /// The keys that are taken away; one that is not there is no error.
    pub delete: Vec<Key>,
}

impl Batch {
    /// Whether it asks for nothing at all.
    pub fn is_empty(&self) -> bool {
        self.expect.is_empty() && self.put.is_empty() && self.delete.is_empty()
    }

    /// The bytes of the keys and values that it puts.
    pub fn bytes(&self) -> usize {
        self.put.iter().map(|(key, value)| key.as_bytes().len() + value.len()).sum()
    }

    /// This batch, if `key` still has `revision` (0: if there is no such key).
    #[must_use]
    pub fn expect(mut self, key: impl Into<Key>, revision: Revision) -> Self {
        self.expect.push((key.into(), revision));
        self
    }

    /// This batch, putting `value` at `key`.
    #[must_use]
    pub fn put(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.put.push((key.into(), value.into()));
        self
    }

    /// This batch, taking `key` away.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Key>) -> Self {
        self.delete.push(key.into());
        self
    }
}

impl fmt::Debug for Batch {
    /// Never the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let put: Vec<&Key> = self.put.iter().map(|(key, _)| key).collect();
        f.debug_struct("Batch").field("expect", &self.expect).field("put", &put).field("delete", &self.delete).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_ever_printed() {
        let batch = Batch::default().expect("a", 1).put("a", b"hunter2".to_vec()).delete("b");
        assert_eq!(format!("{batch:?}"), r#"Batch { expect: [("a", 1)], put: ["a"], delete: ["b"] }"#);
        let entry = Entry { key: Key::from("a"), value: b"hunter2".to_vec().into(), revision: 2 };
        assert_eq!(format!("{entry:?}"), r#"Entry { key: "a", revision: 2, bytes: 7 }"#);
    }
}
