//! The credentials of a node, and which count where two nodes have different ones. Each entry says in which round of synchronisation, as which
//! of all changes that its writer knew of, and by which node it was written; of two the later one counts. An overwriting begins a round, and
//! drops what is older everywhere. Whatever nodes exchange in whatever order, they end up with the same. It knows neither files nor networks.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::NodeError;

/// The most credentials of a node.
const MAX_CREDENTIALS: usize = 10_000;
/// The most bytes of their ids and values together: they are exchanged as one text.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The longest id of a credential, in bytes.
const MAX_ID: usize = 200;

/// The credentials of a node; deliberately no `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CredentialSet {
    /// The last overwriting that it has seen; older entries count no more.
    round: u64,
    /// The number of the last change that it knows of.
    last: u64,
    entries: BTreeMap<String, Entry>,
}

/// A credential, or that there was one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    version: Version,
    /// None of a credential that was removed.
    value: Option<Zeroizing<String>>,
}

/// How late an entry is. Two entries of an id have the same version only if they are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    round: u64,
    /// Its number among the changes of all ids that its writer knew of.
    number: u64,
    /// The node that wrote it.
    writer: Uuid,
}

impl CredentialSet {
    /// Keeps `value` as the credential `id`, written by `writer` while `round` is the last overwriting that it knows of.
    ///
    /// # Errors
    /// When no credential can be called so, or there is no room.
    pub(super) fn put(
        &mut self,
        id: &str,
        value: Zeroizing<String>,
        (round, writer): (u64, Uuid),
    ) -> Result<(), NodeError> {
        check_id(id)?;
        let version = self.next_version(round, writer);
        let before = self.entries.insert(id.to_owned(), Entry { version, value: Some(value) });
        let checked = self.check_room();
        if checked.is_err() {
            match before {
                Some(before) => self.entries.insert(id.to_owned(), before),
                None => self.entries.remove(id),
            };
        }
        checked
    }

    /// Forgets the credential `id`, by `writer`; answers whether there was one.
    pub(super) fn remove(&mut self, id: &str, (round, writer): (u64, Uuid)) -> bool {
        let is_there = self.value(id).is_some();
        if is_there {
            let version = self.next_version(round, writer);
            self.entries.insert(id.to_owned(), Entry { version, value: None });
        }
        is_there
    }

    /// Takes what counts of `other`.
    ///
    /// # Errors
    /// When there is no room for both; then nothing is taken.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), NodeError> {
        let mut both = self.clone();
        (both.round, both.last) = (self.round.max(other.round), self.last.max(other.last));
        for (id, entry) in other.entries {
            check_id(&id)?;
            let before = both.entries.get(&id);
            if before.is_none_or(|before| before.version < entry.version) {
                both.entries.insert(id, entry);
            }
        }
        let round = both.round;
        both.entries.retain(|_, entry| entry.version.round >= round);
        both.check_room()?;
        *self = both;
        Ok(())
    }

    /// Begins the round `round`: these credentials are the only ones, wherever they are merged. A round that is not later changes nothing.
    pub(super) fn overwrite(&mut self, round: u64) {
        if round <= self.round {
            return;
        }
        self.round = round;
        self.entries.retain(|_, entry| entry.value.is_some());
        // A credential that was written while another round began, of which this node had heard, stays as late as it is.
        for entry in self.entries.values_mut() {
            entry.version.round = entry.version.round.max(round);
        }
    }

    /// The value of the credential `id`.
    pub(super) fn value(&self, id: &str) -> Option<&Zeroizing<String>> {
        self.entries.get(id)?.value.as_ref()
    }

    /// The ids of all credentials.
    pub(super) fn ids(&self) -> Vec<String> {
        self.entries.iter().filter(|(_, entry)| entry.value.is_some()).map(|(id, _)| id.clone()).collect()
    }

    /// What is the same for the same credentials, in hex. It is made of ids and versions, so that it says nothing of a value.
    pub(super) fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        context.update(&self.round.to_be_bytes());
        for (id, Entry { version: Version { round, number, writer }, value }) in &self.entries {
            context.update(id.as_bytes());
            context.update(&[0, u8::from(value.is_some())]);
            context.update(&round.to_be_bytes());
            context.update(&number.to_be_bytes());
            context.update(writer.as_bytes());
        }
        context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The version of what `writer` writes now, while `round` is the last overwriting that it knows of: later than all that is here.
    fn next_version(&mut self, round: u64, writer: Uuid) -> Version {
        let heard_of = self.entries.values().map(|entry| entry.version.round).max().unwrap_or(0);
        self.last = self.last.saturating_add(1);
        Version { round: round.max(self.round).max(heard_of), number: self.last, writer }
    }

    /// Refuses more than a node keeps. Of what was removed the oldest is forgotten then, and no error.
    fn check_room(&mut self) -> Result<(), NodeError> {
        let is_there = |entry: &Entry| entry.value.is_some();
        let count = self.entries.values().filter(|entry| is_there(entry)).count();
        let length = |(id, entry): (&String, &Entry)| id.len() + entry.value.as_ref().map_or(0, |value| value.len());
        if count > MAX_CREDENTIALS || self.entries.iter().map(length).sum::<usize>() > MAX_BYTES {
            return Err(NodeError::TooManyCredentials(MAX_CREDENTIALS, MAX_BYTES));
        }
        while self.entries.len() - count > MAX_CREDENTIALS {
            let removed = self.entries.iter().filter(|(_, entry)| !is_there(entry));
            let oldest = removed.min_by_key(|(_, entry)| entry.version).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            self.entries.remove(&oldest);
        }
        Ok(())
    }
}

fn check_id(id: &str) -> Result<(), NodeError> {
    let is_fine = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_fine { Ok(()) } else { Err(NodeError::CredentialId) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What happens on one of three nodes.
    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Put(u8),
        Remove(u8),
        Overwrite,
        /// It gets what another has.
        Merge(u8),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            4 => (0_u8..3).prop_map(Deed::Put),
            1 => (0_u8..3).prop_map(Deed::Remove),
            1 => Just(Deed::Overwrite),
            3 => (0_u8..3).prop_map(Deed::Merge),
        ]
    }

    fn value(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    /// Three nodes after `deeds`; only the service's counter of rounds is common to them.
    fn after(deeds: &[(u8, Deed)]) -> [CredentialSet; 3] {
        let (mut sets, mut round) = ([CredentialSet::default(), CredentialSet::default(), CredentialSet::default()], 0);
        for (step, (node, deed)) in deeds.iter().enumerate() {
            let (index, by) = (usize::from(*node), (round, Uuid::from_u128(u128::from(*node))));
            match deed {
                Deed::Put(id) => sets[index].put(&id.to_string(), value(&step.to_string()), by).unwrap(),
                Deed::Remove(id) => drop(sets[index].remove(&id.to_string(), by)),
                Deed::Overwrite => {
                    round += 1;
                    sets[index].overwrite(round);
                }
                Deed::Merge(other) => {
                    let other = sets[usize::from(*other)].clone();
                    sets[index].merge(other).unwrap();
                }
            }
        }
        sets
    }

    fn merged<'s>(sets: impl IntoIterator<Item = &'s CredentialSet>) -> CredentialSet {
        sets.into_iter().fold(CredentialSet::default(), |mut all, set| {
            all.merge(set.clone()).unwrap();
            all
        })
    }

    proptest! {
        #[test]
        fn nodes_end_up_with_the_same_in_whatever_order_they_exchange(
            deeds in prop::collection::vec((0_u8..3, deed()), 0..40)
        ) {
            let [a, b, c] = after(&deeds);
            let all = merged([&a, &b, &c]);
            for order in [[&a, &c, &b], [&b, &a, &c], [&c, &b, &a]] {
                let other = merged(order);
                prop_assert!(all == other && all.digest() == other.digest());
            }
            let again = merged([&all, &a, &all]);
            prop_assert!(again == all, "what was merged once changes nothing");
            prop_assert!(a.entries == all.entries || a.digest() != all.digest());
        }

        #[test]
        fn what_was_put_last_is_lost_by_no_exchange(deeds in prop::collection::vec((0_u8..3, deed()), 0..30)) {
            let [mut a, b, c] = after(&deeds);
            a.put("own", value("last"), (a.round.max(b.round).max(c.round), Uuid::nil())).unwrap();
            let all = merged([&b, &a, &c]);
            prop_assert!(all.value("own").is_some_and(|value| value.as_str() == "last"));
        }
    }

    #[test]
    fn an_overwriting_drops_what_the_dispatcher_lacks_and_nothing_that_comes_later() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (mut dispatcher, mut worker) = (CredentialSet::default(), CredentialSet::default());
        dispatcher.put("a", value("dispatcher's"), (0, one)).unwrap();
        for value_of in ["1", "2", "3"] {
            worker.put("a", value(value_of), (0, other)).unwrap();
        }
        worker.put("b", value("stale"), (0, other)).unwrap();
        dispatcher.overwrite(1);
        // The worker has heard of the round, and not yet got what the dispatcher has.
        worker.put("c", value("new"), (1, other)).unwrap();
        worker.merge(dispatcher.clone()).unwrap();
        assert_eq!(
            (worker.ids(), worker.value("a").unwrap().as_str()),
            (vec!["a".to_owned(), "c".to_owned()], "dispatcher's")
        );
        dispatcher.merge(worker.clone()).unwrap();
        assert!(dispatcher == worker);
        dispatcher.overwrite(1);
        assert!(dispatcher == worker, "a round is begun once");
    }

    #[test]
    fn what_was_removed_comes_back_from_no_other_node() {
        let writer = |id| (0, Uuid::from_u128(id));
        let mut one = CredentialSet::default();
        one.put("a", value("x"), writer(1)).unwrap();
        let mut other = one.clone();
        assert!(other.remove("a", writer(2)) && !other.remove("a", writer(2)) && !other.remove("b", writer(2)));
        other.merge(one.clone()).unwrap();
        assert_eq!(other.ids(), Vec::<String>::new());
        one.merge(other).unwrap();
        assert!(one.value("a").is_none());
        one.put("a", value("again"), writer(1)).unwrap();
        assert_eq!(one.ids(), ["a"]);
    }

    #[test]
    fn a_node_keeps_no_more_than_it_can_exchange() {
        let mut set = CredentialSet::default();
        let by = (0, Uuid::nil());
        for id in ["", "a b", "ü", &"i".repeat(MAX_ID + 1)] {
            assert!(matches!(set.put(id, value("x"), by), Err(NodeError::CredentialId)), "{id}");
        }
        let half = "x".repeat(MAX_BYTES / 2);
        set.put("a", value(&half), by).unwrap();
        let full = set.put("b", value(&half), by).unwrap_err().to_string();
        assert_eq!(full, "a node keeps at most 10000 credentials and 16 MiB of them");
        assert_eq!(set.ids(), ["a"]);
        set.put("a", value("short"), by).unwrap();
        let before = set.clone();
        let entry = |number: usize| {
            (
                number.to_string(),
                Entry { version: Version { round: 0, number: 1, writer: Uuid::nil() }, value: Some(value("x")) },
            )
        };
        let many =
            CredentialSet { last: 1, entries: (0..MAX_CREDENTIALS).map(entry).collect(), ..CredentialSet::default() };
        assert!(matches!(set.merge(many), Err(NodeError::TooManyCredentials(..))) && set == before);
    }
}
