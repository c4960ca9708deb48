//! Random batches against a plain map: every engine gives the same answers as this model.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::conformance::ENGINES;
use super::{Batch, Entry, EntryKey, Revision, Store, StoreError};

/// What a batch does to one key. Expectations are drawn as "does it hold?", since revisions are not known yet.
#[derive(Clone, Debug)]
struct Step {
    key: EntryKey,
    change: Option<Vec<u8>>,
    expect: Option<bool>,
}

/// Few keys, so that batches meet; the bytes at the edges among them.
fn keys() -> impl Strategy<Value = EntryKey> {
    vec(prop::sample::select(vec![0x00, b'a', 0xff]), 0..3).prop_map(EntryKey::from)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = prop::option::weighted(0.7, vec(any::<u8>(), 0..20));
    let expect = prop::option::weighted(0.5, prop::bool::weighted(0.9));
    let step = (keys(), change, expect).prop_map(|(key, change, expect)| Step { key, change, expect });
    vec(step, 0..5)
}

#[derive(Default)]
struct Model {
    records: BTreeMap<EntryKey, (Revision, Vec<u8>)>,
}

impl Model {
    fn revision_of(&self, key: &EntryKey) -> Revision {
        self.records.get(key).map_or(0, |(revision, _)| *revision)
    }

    /// The batch of `steps`, the first for each key, and whether it must be accepted.
    fn batch(&self, steps: &[Step]) -> (Batch, bool) {
        let mut seen = Vec::new();
        let mut batch = Batch::default();
        let mut holds = true;
        for Step { key, change, expect } in steps {
            if seen.contains(key) {
                continue;
            }
            seen.push(key.clone());
            holds &= *expect != Some(false);
            if let Some(truth) = expect {
                batch = batch.expect(key.clone(), self.revision_of(key) + u64::from(!truth));
            }
            batch = match change {
                Some(value) => batch.put(key.clone(), value.clone()),
                None => batch.delete(key.clone()),
            };
        }
        (batch, holds)
    }

    fn apply(&mut self, batch: Batch, revision: Revision) {
        for (key, value) in batch.put {
            self.records.insert(key, (revision, value.to_vec()));
        }
        for key in batch.delete {
            self.records.remove(&key);
        }
    }

    fn scan(&self, prefix: &EntryKey, after: Option<&EntryKey>, limit: usize) -> Vec<Entry> {
        let wanted =
            |key: &EntryKey| key.as_bytes().starts_with(prefix.as_bytes()) && after.is_none_or(|after| key > after);
        let found = self.records.iter().filter(|(key, _)| wanted(key)).take(limit);
        found
            .map(|(key, (revision, value))| Entry {
                key: key.clone(),
                value: value.clone().into(),
                revision: *revision,
            })
            .collect()
    }
}

async fn agree(store: &Store, batches: &[Vec<Step>], scans: &[(EntryKey, Option<EntryKey>, usize)]) {
    let mut model = Model::default();
    let mut last = 0;
    for steps in batches {
        let (batch, holds) = model.batch(steps);
        match store.commit(batch.clone()).await {
            Ok(revision) => {
                assert!(holds && revision > last);
                last = revision;
                model.apply(batch, revision);
            }
            Err(StoreError::Conflict) => assert!(!holds),
            Err(error) => panic!("{error}"),
        }
    }
    let view = store.view().await.unwrap();
    for (prefix, after, limit) in scans {
        assert_eq!(
            view.scan(prefix, after.as_ref(), *limit).await.unwrap(),
            model.scan(prefix, after.as_ref(), *limit)
        );
        assert_eq!(view.revision_of(prefix).await.unwrap().unwrap_or(0), model.revision_of(prefix));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_engine_agrees_with_a_plain_map(
        batches in vec(steps(), 0..12),
        mut scans in vec((keys(), prop::option::of(keys()), 0_usize..8), 4),
    ) {
        scans.push((EntryKey::from(""), None, usize::MAX));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for make in ENGINES {
            let (store, _directory) = make();
            runtime.block_on(agree(&store, &batches, &scans));
        }
    }
}
