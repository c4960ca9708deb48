//! Layers, as those of an overlay file system: what a vault holds lies in a layer of its own, above frozen ones that it
//! may share with other vaults; so a copy of a vault is a pointer. The topmost record counts, and a whiteout hides the
//! records below it. A vault that has nothing to do with copies has its own layer alone, and pays nothing.
//!
//! Keys are given as they are in the own layer: `TABLE/LAYER/REST`.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Vault;
use super::store_key::{in_layer, whiteout_key};
use crate::random;
use crate::records::View;
use crate::store::{Batch, EntryKey, Revision, StoreError};

/// The least number of keys that are looked through at a time in each layer.
const PIECE: usize = 32;

/// The id of a new vault or layer. Never from the seed, which gives the same ids at every start: a new vault would show
/// the records of an old one.
pub(super) fn new_id() -> Uuid {
    Uuid::from_bytes(random::secret())
}

/// The layers of one vault.
#[derive(Clone, Copy)]
pub(crate) struct Layers<'a> {
    own: Uuid,
    /// The topmost first.
    below: &'a [Uuid],
}

/// The merged keys of some layers: by what follows the prefix, the topmost of each with the number of layers above it.
type Merged = BTreeMap<Vec<u8>, (usize, EntryKey, Revision)>;

impl<'a> Layers<'a> {
    /// Those of `vault`.
    pub(super) fn of(vault: &'a Vault) -> Self {
        Self { own: vault.layer(), below: &vault.below }
    }

    /// The frozen ones of `vault`, if there are any.
    pub(super) fn frozen(vault: &'a Vault) -> Option<Self> {
        let (own, below) = vault.below.split_first()?;
        Some(Self { own: *own, below })
    }

    /// The own one.
    pub(super) const fn own(&self) -> Uuid {
        self.own
    }

    /// The record for `key` and its revision; none when no layer has it, or a whiteout hides it.
    pub(super) async fn locate(&self, view: &View, key: &EntryKey) -> Result<Option<(EntryKey, Revision)>, StoreError> {
        match view.revision_of(key).await? {
            Some(revision) => Ok(Some((key.clone(), revision))),
            None => self.find_below(view, key).await,
        }
    }

    /// As [`Layers::locate`], in the layers below the own one, which does not have the record.
    pub(super) async fn find_below(
        &self,
        view: &View,
        key: &EntryKey,
    ) -> Result<Option<(EntryKey, Revision)>, StoreError> {
        let mut above = self.own;
        for layer in self.below {
            if view.revision_of(&whiteout_key(key, above)).await?.is_some() {
                return Ok(None);
            }
            let located = in_layer(key, *layer);
            if let Some(revision) = view.revision_of(&located).await? {
                return Ok(Some((located, revision)));
            }
            above = *layer;
        }
        Ok(None)
    }

    /// As [`View::keys`], of all layers merged: each key with the layer that its record lies in.
    pub(super) async fn keys(
        &self,
        view: &View,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
    ) -> Result<Vec<(EntryKey, Revision)>, StoreError> {
        if self.below.is_empty() {
            return view.keys(prefix, after, limit).await;
        }
        let (mut found, mut after) = (Vec::new(), after.cloned());
        loop {
            let (merged, end) = self.merged(view, prefix, after.as_ref(), limit.max(PIECE)).await?;
            for (above, key, revision) in merged.into_values() {
                if !self.has_whiteout(view, &key, above).await? {
                    found.push((key, revision));
                }
                if found.len() == limit {
                    return Ok(found);
                }
            }
            match end {
                Some(_) => after = end,
                None => return Ok(found),
            }
        }
    }

    /// The merged keys behind `after`, hidden or not, up to the key that all layers were read to (none: to their ends).
    async fn merged(
        &self,
        view: &View,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        piece: usize,
    ) -> Result<(Merged, Option<EntryKey>), StoreError> {
        let rest = |key: &EntryKey| key.as_bytes()[prefix.as_bytes().len()..].to_vec();
        let (mut merged, mut end) = (Merged::new(), None::<Vec<u8>>);
        for (above, layer) in self.all().enumerate() {
            let after = after.map(|after| in_layer(after, layer));
            let found = view.keys(&in_layer(prefix, layer), after.as_ref(), piece).await?;
            if let Some((last, _)) = found.last().filter(|_| found.len() == piece) {
                end = Some(end.map_or(rest(last), |end| end.min(rest(last))));
            }
            for (key, revision) in found {
                merged.entry(rest(&key)).or_insert((above, key, revision));
            }
        }
        if let Some(end) = &end {
            merged.retain(|rest, _| rest <= end);
        }
        Ok((merged, end.map(|end| EntryKey::from([prefix.as_bytes(), &end].concat()))))
    }

    /// Whether a whiteout hides the record at `key`, which has so many layers `above` it.
    async fn has_whiteout(&self, view: &View, key: &EntryKey, above: usize) -> Result<bool, StoreError> {
        for layer in self.all().take(above) {
            if view.revision_of(&whiteout_key(key, layer)).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `batch`, committing only while what is visible at `key` has not changed.
    pub(super) async fn guarding(&self, view: &View, batch: Batch, key: &EntryKey) -> Result<Batch, StoreError> {
        let batch = batch.expect(key.clone(), view.revision_of(key).await?.unwrap_or(0));
        if self.below.is_empty() {
            return Ok(batch);
        }
        // Frozen layers stay as they are.
        let whiteout = whiteout_key(key, self.own);
        let revision = view.revision_of(&whiteout).await?.unwrap_or(0);
        Ok(batch.expect(whiteout, revision))
    }

    /// `batch`, deleting what is visible at `key`.
    pub(super) async fn deleting(&self, view: &View, batch: Batch, key: &EntryKey) -> Result<Batch, StoreError> {
        let batch = batch.delete(key.clone());
        Ok(match self.find_below(view, key).await? {
            Some(_) => batch.put(whiteout_key(key, self.own), vec![]),
            None => batch,
        })
    }

    fn all(&self) -> impl Iterator<Item = Uuid> {
        std::iter::once(self.own).chain(self.below.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::Records;
    use crate::store::{DataKey, Store};

    const LAYERS: [Uuid; 4] = [Uuid::from_u128(9), Uuid::from_u128(3), Uuid::from_u128(7), Uuid::from_u128(1)];

    fn key(name: u8) -> EntryKey {
        EntryKey::from(format!("object/{}/keys/{name:03}", LAYERS[0].simple()))
    }

    /// What each layer does with each name: nothing, has it, hides it.
    type Layout = Vec<Vec<u8>>;

    async fn laid_out(layout: &Layout) -> View {
        let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
        let mut batch = Batch::default().put("object/other", vec![]).put("hidden/other", vec![]);
        for (layer, layout) in LAYERS.into_iter().zip(layout) {
            for (name, state) in (0..).zip(layout) {
                batch = match state {
                    1 => batch.put(in_layer(&key(name), layer), vec![]),
                    2 => batch.put(whiteout_key(&key(name), layer), vec![]),
                    _ => batch,
                };
            }
        }
        store.commit_pieces(batch).await.unwrap();
        Records::new(store).view().await.unwrap()
    }

    /// Where a name is seen, by the rule alone.
    fn seen(layout: &Layout, name: u8) -> Option<EntryKey> {
        let topmost = layout.iter().zip(LAYERS).find(|(layout, _)| layout[usize::from(name)] != 0)?;
        (topmost.0[usize::from(name)] == 1).then(|| in_layer(&key(name), topmost.1))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_layers_are_seen_as_one(
            layout in prop::collection::vec(prop::collection::vec(0_u8..3, 100), 4),
            after in prop::option::of(0_u8..100),
            limit in prop_oneof![1_usize..60, Just(usize::MAX)],
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let view = laid_out(&layout).await;
                let layers = Layers { own: LAYERS[0], below: &LAYERS[1..] };
                let prefix = EntryKey::from(format!("object/{}/keys/", LAYERS[0].simple()));
                let found = layers.keys(&view, &prefix, after.map(key).as_ref(), limit).await.unwrap();
                let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
                let first = after.map_or(0, |after| after + 1);
                let expected: Vec<_> = (first..100).filter_map(|name| seen(&layout, name)).take(limit).collect();
                prop_assert_eq!(found, expected);
                for name in (0..100).filter(|name| layout[0][usize::from(*name)] != 1) {
                    let below = layers.find_below(&view, &key(name)).await.unwrap();
                    prop_assert_eq!(below.map(|(key, _)| key), seen(&layout, name));
                }
                Ok(())
            })?;
        }
    }
}
