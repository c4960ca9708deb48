//! The result of inspecting a database: what is damaged, and how much is intact.

use std::path::Path;

use super::batch::{Entry, Revision, Value};
use super::error::StoreError;
use super::key::EntryKey;

/// What is wrong with a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The record that is damaged; none for what concerns the file.
    pub key: Option<EntryKey>,
    /// What is wrong with it, for a person.
    pub why: String,
}

/// The result of inspecting a database.
#[derive(Debug, Default)]
pub struct Inspection {
    /// How many records are intact.
    pub records: u64,
    /// What is wrong, in the order in which it was found.
    pub damage: Vec<Damage>,
}

impl Inspection {
    /// Adds damage of the database as a whole.
    pub(super) fn add_file_damage(&mut self, why: impl Into<String>) {
        self.damage.push(Damage { key: None, why: why.into() });
    }

    /// Adds the reason why the database at `path` is refused. A finding names the file already, so the path is not repeated, and who
    /// reads it has run the check that the error recommends.
    pub(super) fn add_refusal(&mut self, path: &Path, error: &StoreError) {
        let why = match error {
            StoreError::Damaged { record, why } => format!("{record}: {why}"),
            error => error.to_string(),
        };
        let rest = why.strip_prefix(&format!("{} ", path.display())).map(|rest| format!("it {rest}"));
        self.add_file_damage(rest.unwrap_or(why));
    }

    /// Passes a record to `visit` if its value opens, and adds the damage if not.
    pub(super) fn add_record(
        &mut self,
        key: &EntryKey,
        opened: Result<(Revision, Value), StoreError>,
        visit: &mut dyn FnMut(Entry),
    ) {
        match opened {
            Ok((revision, value)) => {
                self.records += 1;
                visit(Entry { key: key.clone(), value, revision });
            }
            Err(StoreError::Damaged { why, .. }) => self.damage.push(Damage { key: Some(key.clone()), why }),
            Err(error) => self.damage.push(Damage { key: Some(key.clone()), why: error.to_string() }),
        }
    }
}
