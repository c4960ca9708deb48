//! Which credentials nodes have, as they say: a digest of them each. Of two nodes that differ each gets what the other has.

use std::collections::HashMap;

use uuid::Uuid;

use crate::clock::Timestamp;

/// How long after a node was named another it is named the same again, in seconds: that one may not have been reachable.
const RETRY_SECONDS: i64 = 15;
/// The longest digest, in characters: SHA-256 in hex.
const MAX_DIGEST: usize = 64;

/// Which credentials nodes have.
#[derive(Default)]
pub(super) struct Holdings(HashMap<Uuid, Holding>);

struct Holding {
    digest: String,
    /// The nodes whose credentials it was to get.
    named: HashMap<Uuid, Named>,
}

/// That a node was named another, when both had these.
struct Named {
    digests: (String, String),
    at: Timestamp,
}

impl Holdings {
    /// Notes what `node` has; answers whether it was something else before.
    pub(super) fn note(&mut self, node: Uuid, digest: String) -> bool {
        if digest.len() > MAX_DIGEST {
            return false;
        }
        match self.0.get_mut(&node) {
            Some(holding) if holding.digest == digest => false,
            Some(holding) => {
                holding.digest = digest;
                true
            }
            None => self.0.insert(node, Holding { digest, named: HashMap::new() }).is_none(),
        }
    }

    /// Whether both have said what they have, and it is not the same.
    pub(super) fn differ(&self, one: Uuid, other: Uuid) -> bool {
        let of = |node| self.0.get(&node).map(|holding| &holding.digest);
        matches!((of(one), of(other)), (Some(one), Some(other)) if one != other)
    }

    /// Whether `node` is named `other` at `now`: it differs, and was not just named for the same difference.
    pub(super) fn name(&mut self, node: Uuid, other: Uuid, now: Timestamp) -> bool {
        if !self.differ(node, other) {
            return false;
        }
        let others = self.0.get(&other).map(|holding| holding.digest.clone()).unwrap_or_default();
        let Some(holding) = self.0.get_mut(&node) else { return false };
        let digests = (holding.digest.clone(), others);
        let is_recent = |named: &Named| named.digests == digests && now.unix() - named.at.unix() < RETRY_SECONDS;
        if holding.named.get(&other).is_some_and(is_recent) {
            return false;
        }
        holding.named.insert(other, Named { digests, at: now });
        true
    }

    /// Forgets a node that was removed.
    pub(super) fn forget(&mut self, node: Uuid) {
        self.0.remove(&node);
        self.0.values_mut().for_each(|holding| drop(holding.named.remove(&node)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_differ_are_named_each_other_and_not_again_at_once() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let at = Timestamp::from_unix;
        let mut holdings = Holdings::default();
        assert!(holdings.note(one, "a".to_owned()) && !holdings.note(one, "a".to_owned()));
        assert!(!holdings.name(one, other, at(0)), "the other has not said what it has");
        holdings.note(other, "a".to_owned());
        assert!(!holdings.differ(one, other) && !holdings.name(one, other, at(0)));
        assert!(holdings.note(other, "b".to_owned()));
        assert!(holdings.differ(one, other) && holdings.name(one, other, at(0)) && holdings.name(other, one, at(0)));
        assert!(!holdings.name(one, other, at(RETRY_SECONDS - 1)) && holdings.name(one, other, at(RETRY_SECONDS)));
        holdings.note(other, "c".to_owned());
        assert!(holdings.name(one, other, at(RETRY_SECONDS)), "it has others since");
        holdings.forget(other);
        assert!(!holdings.differ(one, other));
        assert!(!holdings.note(other, "d".repeat(MAX_DIGEST + 1)) && !holdings.differ(one, other));
    }
}
