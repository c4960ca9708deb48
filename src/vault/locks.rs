//! Name locks: writers of one object take turns. The locks are striped, so that there is no lock for each name: two
//! names can share a stripe.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{Mutex, MutexGuard};

use crate::store::EntryKey;

/// The number of stripes.
const STRIPES: usize = 64;

/// The locks of one process. Writers of other processes are detected when they commit.
pub(super) struct NameLocks {
    stripes: [Mutex<()>; STRIPES],
}

impl NameLocks {
    pub(super) fn new() -> Self {
        Self { stripes: std::array::from_fn(|_| Mutex::new(())) }
    }

    /// Locks all of `keys` until the answer is dropped. Each stripe is locked once and in ascending order, so a call
    /// waits neither for itself nor in a circle with others.
    pub(super) async fn lock(&self, keys: impl IntoIterator<Item = EntryKey>) -> Vec<MutexGuard<'_, ()>> {
        let mut stripes: Vec<usize> = keys.into_iter().map(|key| stripe_of(&key)).collect();
        stripes.sort_unstable();
        stripes.dedup();
        let mut guards = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            guards.push(self.stripes[stripe].lock().await);
        }
        guards
    }
}

fn stripe_of(key: &EntryKey) -> usize {
    let mut hasher = DefaultHasher::new();
    key.as_bytes().hash(&mut hasher);
    hasher.finish() as usize % STRIPES
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Long enough for any machine: what is waited for here is ready at once, or never.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn keys(names: &[u16]) -> Vec<EntryKey> {
        names.iter().map(|name| EntryKey::from(format!("object/{name}"))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn writers_of_several_names_never_wait_for_themselves_or_in_a_circle(
            writers in prop::collection::vec(prop::collection::vec(0_u16..200, 1..100), 1..8),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let locks = std::sync::Arc::new(NameLocks::new());
                let write = |names: Vec<u16>| {
                    let locks = locks.clone();
                    tokio::spawn(async move {
                        let held = locks.lock(keys(&names)).await;
                        tokio::task::yield_now().await;
                        drop(held);
                    })
                };
                for writer in writers.into_iter().map(write).collect::<Vec<_>>() {
                    prop_assert!(tokio::time::timeout(PATIENCE, writer).await.is_ok(), "a writer waits for ever");
                }
                Ok(())
            })?;
        }
    }

    #[tokio::test]
    async fn names_that_share_a_stripe_are_locked_together() {
        let locks = NameLocks::new();
        // More names than stripes: some must share one.
        let names: Vec<u16> = (0..200).collect();
        let all = tokio::time::timeout(PATIENCE, locks.lock(keys(&names))).await.unwrap();
        assert!(all.len() <= STRIPES, "each stripe is locked once");
        assert!(tokio::time::timeout(Duration::from_millis(10), locks.lock(keys(&[7]))).await.is_err(), "it is locked");
        drop(all);
        locks.lock(keys(&[7])).await;
    }
}
