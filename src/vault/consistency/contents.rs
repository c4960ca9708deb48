//! The objects of one kind in one vault, as they are visible through its layers, checked against each other.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::due::DueEntry;
use super::super::object::{Head, Schedule, Tombstone};
use super::super::store_key::{Table, whiteout_prefix};
use super::super::{Kind, Vault};
use super::{ConsistencyCheck, Finding};
use crate::store::EntryKey;

/// What is visible in a table: the rest of each key behind the collection, and the layer of the record.
type Visible<'a> = BTreeMap<&'a str, Uuid>;

/// The objects of one kind in one vault.
pub(super) struct Contents<'a> {
    check: &'a ConsistencyCheck,
    vault: &'a Vault,
    kind: Kind,
    heads: Visible<'a>,
    deleted: Visible<'a>,
    versions: Visible<'a>,
    material: Visible<'a>,
    schedules: Visible<'a>,
}

impl<'a> Contents<'a> {
    /// The objects in `vault`, for each kind.
    pub(super) fn of(check: &'a ConsistencyCheck, vault: &'a Vault) -> impl Iterator<Item = Self> {
        Kind::ALL.iter().map(move |kind| {
            let visible = |table| visible(check, vault, table, *kind);
            Self {
                check,
                vault,
                kind: *kind,
                heads: visible(Table::Object),
                deleted: visible(Table::Deleted),
                versions: visible(Table::Version),
                material: visible(Table::Material),
                schedules: visible(Table::Schedule),
            }
        })
    }

    /// Collects what is missing, and what must fall due; returns how many objects there are.
    pub(super) fn check(&self, findings: &mut Vec<Finding>, due: &mut BTreeMap<String, DueEntry>) -> usize {
        for (name, layer) in &self.heads {
            let read = self.check.read::<Head>(&self.key(Table::Object, *layer, name));
            let Some(head) = or_push(read, findings) else { continue };
            self.check_versions(&head, &self.key(Table::Object, *layer, name), findings);
            self.schedule(name, findings, due);
        }
        for (name, layer) in &self.deleted {
            let read = self.check.read::<Tombstone>(&self.key(Table::Deleted, *layer, name));
            let Some(deleted) = or_push(read, findings) else { continue };
            self.check_versions(&deleted.head, &self.key(Table::Deleted, *layer, name), findings);
            let purge = deleted.purge_entry(&self.writing_into(*layer), self.kind);
            due.insert(purge.key().to_string(), purge);
        }
        self.check_parts(findings);
        self.heads.len() + self.deleted.len()
    }

    /// A head counts its versions, and the latest is among them.
    fn check_versions(&self, head: &Head, key: &str, findings: &mut Vec<Finding>) {
        let prefix = format!("{}/", head.name.upper());
        let there = self.versions.range(prefix.as_str()..).take_while(|(rest, _)| rest.starts_with(&prefix)).count();
        if there != head.versions {
            let why = format!("it counts {} versions, {there} are there", head.versions);
            findings.push(self.check.finding(key, &why));
        }
        let latest = format!("{prefix}{}", head.latest.as_str());
        if !self.versions.contains_key(latest.as_str()) {
            let key = self.key(Table::Version, self.vault.layer(), &latest);
            findings.push(self.check.finding(&key, "it is missing, and is the latest"));
        }
    }

    /// Each version has its material, each material its version, each version an object.
    fn check_parts(&self, findings: &mut Vec<Finding>) {
        for (rest, layer) in self.versions.iter().filter(|(rest, _)| !self.material.contains_key(*rest)) {
            findings.push(self.check.finding(&self.key(Table::Material, *layer, rest), "it is missing"));
        }
        for (rest, layer) in self.material.iter().filter(|(rest, _)| !self.versions.contains_key(*rest)) {
            findings.push(self.check.finding(&self.key(Table::Version, *layer, rest), "it is missing"));
        }
        let named = self.versions.iter().filter_map(|(rest, layer)| Some((rest.split_once('/')?.0, *layer)));
        let headless = named.filter(|(name, _)| !self.heads.contains_key(name) && !self.deleted.contains_key(name));
        for (name, layer) in headless.collect::<BTreeSet<_>>() {
            let why = "its head is missing, its versions are there";
            findings.push(self.check.finding(&self.key(Table::Object, layer, name), why));
        }
    }

    /// Notes what must fall due by the schedule of a live object.
    fn schedule(&self, name: &str, findings: &mut Vec<Finding>, due: &mut BTreeMap<String, DueEntry>) {
        let Some(layer) = self.schedules.get(name) else { return };
        let read = self.check.read::<Schedule>(&self.key(Table::Schedule, *layer, name));
        if let Some(schedule) = or_push(read, findings) {
            let all = schedule
                .due_entries(&self.writing_into(*layer))
                .map(|one| (one.key().to_string(), one))
                .collect::<Vec<_>>();
            due.extend(all);
        }
    }

    /// The vault as it was when it wrote into `layer`.
    fn writing_into(&self, layer: Uuid) -> Vault {
        Vault { upper: Some(layer), ..self.vault.clone() }
    }

    fn key(&self, table: Table, layer: Uuid, rest: &str) -> String {
        format!("{}{rest}", table.prefix_of_kind(layer, self.kind))
    }
}

/// What is visible to `vault` in a table: the topmost record counts, and a whiteout hides the records below it.
fn visible<'a>(check: &'a ConsistencyCheck, vault: &Vault, table: Table, kind: Kind) -> Visible<'a> {
    let (mut visible, mut decided) = (Visible::new(), BTreeSet::new());
    for layer in std::iter::once(vault.layer()).chain(vault.below.iter().copied()) {
        for rest in check.rests(&table.prefix_of_kind(layer, kind)) {
            if decided.insert(rest) {
                visible.insert(rest, layer);
            }
        }
        decided.extend(check.rests(&whiteout_prefix(table, layer, kind)));
    }
    visible
}

impl ConsistencyCheck {
    /// What follows `prefix` in the keys that begin with it.
    fn rests(&self, prefix: &EntryKey) -> Vec<&str> {
        self.below(prefix).map(|(key, _)| &key[prefix.as_bytes().len()..]).collect()
    }
}

/// What was read; a failure becomes a finding.
fn or_push<T>(read: Result<Option<T>, Finding>, findings: &mut Vec<Finding>) -> Option<T> {
    read.unwrap_or_else(|finding| {
        findings.push(finding);
        None
    })
}
