//! Whether the records of all vaults agree with each other: heads with the versions that they count, versions with their
//! material, schedules with what falls due, objects with the vaults that they belong to. It is shown every record of a
//! store, knows no store, and changes nothing.

mod contents;
mod naming;
mod orphans;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Vault;
use super::due::DueEntry;
use super::store_key::{StoreKey, Table};
use crate::store::{EntryKey, Value};

#[cfg(test)]
pub(crate) use tests::check_report;

use contents::Contents;

/// The records of all vaults, by their keys; those whose values are not looked at have none.
#[derive(Default)]
pub(crate) struct ConsistencyCheck {
    records: BTreeMap<String, Option<Value>>,
}

/// Something that is damaged or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The record, in words: `secret 'db' in vault 'acme'`.
    pub subject: String,
    /// What is wrong with it.
    pub why: String,
    /// The key of the record; empty where none is concerned.
    pub record: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.why)?;
        if self.record.is_empty() { Ok(()) } else { write!(f, " ({})", self.record) }
    }
}

/// The result of a check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckReport {
    /// Vaults.
    pub vaults: usize,
    /// Keys and secrets, those included that were deleted and can be recovered; a copy's count too.
    pub objects: usize,
    /// What is damaged or missing.
    pub findings: Vec<Finding>,
}

impl ConsistencyCheck {
    /// Whether the value of the record at `key` is looked at.
    pub(crate) fn reads(key: &EntryKey) -> bool {
        let table = Table::ALL.iter().find(|table| key.starts_with(&table.prefix()));
        table.is_some_and(|table| is_value_read(*table))
    }

    /// Adds the record at `key`, with its value if [`ConsistencyCheck::reads`] asks for it.
    pub(crate) fn add(&mut self, key: &EntryKey, value: Option<Value>) {
        self.records.insert(key.to_string(), value);
    }

    /// Checks all records against each other.
    pub(crate) fn report(&self) -> CheckReport {
        let mut report = CheckReport::default();
        let vaults = self.vaults(&mut report.findings);
        report.vaults = vaults.len();
        let mut due = BTreeMap::new();
        for vault in &vaults {
            for contents in Contents::of(self, vault) {
                report.objects += contents.check(&mut report.findings, &mut due);
            }
        }
        self.check_due(&vaults, &due, &mut report.findings);
        self.check_aliases(&vaults, &mut report.findings);
        self.check_layers(&vaults, &mut report.findings);
        report
    }

    /// Every vault whose record can be understood.
    fn vaults(&self, findings: &mut Vec<Finding>) -> Vec<Vault> {
        let found = self.table(Table::Vault).filter_map(|(key, _)| match self.read::<Vault>(key) {
            Ok(vault) => vault,
            Err(finding) => {
                findings.push(finding);
                None
            }
        });
        found.collect()
    }

    /// A scheduled action must be in the index, and an entry in a layer that one vault alone writes must be scheduled. In a
    /// frozen layer more may fall due: it concerns the vaults that share it, and each may have changed it since.
    fn check_due(&self, vaults: &[Vault], due: &BTreeMap<String, DueEntry>, findings: &mut Vec<Finding>) {
        for key in due.keys().filter(|key| !self.has(key)) {
            findings.push(self.finding(key, "it is scheduled, and the entry that has it done is missing"));
        }
        let own: Vec<Uuid> = vaults.iter().map(Vault::layer).collect();
        for (key, _) in self.table(Table::Due) {
            // What is due for a vault itself is scheduled by nothing else.
            let Some(StoreKey::Due { layer, object: Some(_), .. }) = StoreKey::parse(key) else { continue };
            let is_shared = self.has(&text_of(StoreKey::FrozenLayer(layer)));
            if !is_shared && own.contains(&layer) && !due.contains_key(key) {
                findings.push(self.finding(key, "it falls due, and what schedules it is missing"));
            }
        }
    }

    /// The host names of a vault point to a vault that is there, and those of a vault's record are there.
    fn check_aliases(&self, vaults: &[Vault], findings: &mut Vec<Finding>) {
        for (key, _) in self.table(Table::Alias) {
            match self.read::<super::VaultName>(key) {
                Ok(Some(name)) if !self.has(&text_of(StoreKey::Vault(name.as_str()))) => {
                    let host = key.split_once('/').map_or(key, |(_, host)| host);
                    let why = format!("its record is missing; the host name {host} points to it");
                    findings.push(self.finding(&text_of(StoreKey::Vault(name.as_str())), &why));
                }
                Ok(_) => {}
                Err(finding) => findings.push(finding),
            }
        }
        for alias in vaults.iter().flat_map(|vault| &vault.aliases) {
            let key = text_of(StoreKey::Alias(alias));
            if !self.has(&key) {
                findings.push(self.finding(&key, "it is missing; the vault's record names it"));
            }
        }
    }

    /// The records of a table.
    fn table(&self, table: Table) -> impl Iterator<Item = (&str, &Option<Value>)> {
        self.below(&table.prefix())
    }

    /// The records whose keys begin with `prefix`.
    fn below(&self, prefix: &EntryKey) -> impl Iterator<Item = (&str, &Option<Value>)> + use<'_> {
        let prefix = prefix.to_string();
        let behind = self.records.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        let behind = behind.map(|(key, value)| (key.as_str(), value));
        behind.take_while(move |(key, _)| key.starts_with(&prefix))
    }

    fn has(&self, key: &str) -> bool {
        self.records.contains_key(key)
    }

    /// The record at `key`, if there is one, or that it cannot be understood.
    fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Finding> {
        let Some(Some(value)) = self.records.get(key) else { return Ok(None) };
        let read = serde_json::from_slice(value);
        read.map(Some).map_err(|error| self.finding(key, &format!("it cannot be understood: {error}")))
    }

    fn finding(&self, key: &str, why: &str) -> Finding {
        Finding { subject: self.describe(key), why: why.to_owned(), record: key.to_owned() }
    }
}

/// Whether the values of a table are read. Of versions and their material it is enough that they exist.
const fn is_value_read(table: Table) -> bool {
    match table {
        Table::Vault | Table::Alias | Table::Object | Table::Deleted | Table::Schedule | Table::Due => true,
        Table::FrozenLayer
        | Table::UnsweptLayers
        | Table::Sweep
        | Table::Event
        | Table::Configured
        | Table::Version
        | Table::Material
        | Table::Policy
        | Table::Whiteout => false,
    }
}

/// A store key in text, as it is looked up here.
fn text_of(key: StoreKey<'_>) -> String {
    key.to_key().to_string()
}
