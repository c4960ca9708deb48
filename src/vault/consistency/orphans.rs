//! Orphaned layers: what is left of a vault whose record is missing.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::Vault;
use super::super::store_key::{ObjectKey, StoreKey, Table};
use super::{ConsistencyCheck, Finding, text_of};

impl ConsistencyCheck {
    /// Every record of an object lies in a layer of a vault, or in one that is being swept.
    pub(super) fn check_layers(&self, vaults: &[Vault], findings: &mut Vec<Finding>) {
        let layers_of = |vault: &Vault| std::iter::once(vault.layer()).chain(vault.below.clone()).collect::<Vec<_>>();
        let known: BTreeSet<Uuid> = vaults.iter().flat_map(layers_of).collect();
        for (layer, objects) in self.layers().into_iter().filter(|(layer, _)| !known.contains(layer)) {
            let is_swept = self.has(&text_of(StoreKey::Sweep(layer)));
            let is_retired =
                self.has(&text_of(StoreKey::UnsweptLayers)) && self.has(&text_of(StoreKey::FrozenLayer(layer)));
            if !is_swept && !is_retired {
                findings.push(self.orphaned(layer, &objects));
            }
        }
    }

    /// The layers that there are records in, with the objects that these belong to.
    fn layers(&self) -> BTreeMap<Uuid, BTreeSet<String>> {
        let mut all = BTreeMap::<_, BTreeSet<_>>::new();
        for (key, _) in Table::of_layers().flat_map(|table| self.table(table)) {
            if let Some(StoreKey::Object(object) | StoreKey::Whiteout(object)) = StoreKey::parse(key) {
                let objects = all.entry(object.layer).or_default();
                objects.insert(object_in_words(&object));
            }
        }
        all
    }

    fn orphaned(&self, layer: Uuid, objects: &BTreeSet<String>) -> Finding {
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        Finding {
            subject: self.vault_of(layer).map_or_else(|| "a vault".to_owned(), |name| format!("vault '{name}'")),
            why: format!("its record is missing, and its objects are there: {}", objects.join(", ")),
            record: format!("{}/{}", Table::Object.name(), layer.simple()),
        }
    }
}

/// `secret 'DB'`.
pub(super) fn object_in_words(object: &ObjectKey<'_>) -> String {
    format!("{} '{}'", object.kind.singular(), object.name)
}
