//! Orphaned layers: what is left of a vault whose record is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Vault, layers};
use super::{ConsistencyCheck, Finding};

impl ConsistencyCheck {
    /// Every record of an object lies in a layer of a vault, or in one that is being removed.
    pub(super) fn check_layers(&self, vaults: &[Vault], findings: &mut Vec<Finding>) {
        let stood_on = |vault: &Vault| std::iter::once(vault.layer()).chain(vault.below.clone()).collect::<Vec<_>>();
        let known: BTreeSet<String> =
            vaults.iter().flat_map(stood_on).map(|layer| layer.simple().to_string()).collect();
        for (layer, records) in self.layers().into_iter().filter(|(layer, _)| !known.contains(*layer)) {
            let swept = self.has(&format!("sweep/{layer}"));
            let retired = self.has("layers-unswept") && self.has(&format!("layer/{layer}"));
            if !swept && !retired {
                findings.push(self.lost(layer, &records));
            }
        }
    }

    /// The keys of each layer, without the place that they lie in and the layer.
    fn layers(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for place in layers::places() {
            let prefix = format!("{place}/");
            for rest in self.below(&prefix).map(|(key, _)| &key[prefix.len()..]).collect::<Vec<_>>() {
                let (layer, rest) = rest.split_once('/').unwrap_or((rest, ""));
                all.entry(layer).or_default().push(rest);
            }
        }
        all
    }

    fn lost(&self, layer: &str, records: &[&str]) -> Finding {
        let objects: BTreeSet<String> = records.iter().filter_map(|rest| self.object_of(rest)).collect();
        let objects: Vec<String> = objects.into_iter().collect();
        Finding {
            subject: self.vault_of(layer).map_or_else(|| "a vault".to_owned(), |name| format!("vault '{name}'")),
            why: format!("its record is missing, and its objects are there: {}", objects.join(", ")),
            record: format!("object/{layer}"),
        }
    }
}
