//! Inspecting a database on the disk without changing it: for `keyhaven check`.

use std::path::Path;

use super::batch::{Entry, Revision};
use super::error::StoreError;
use super::key::Key;
use super::master::MasterKey;
#[cfg(feature = "sled")]
use super::sled;
use super::{Store, redb};

/// What is wrong with a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The record that is damaged; none for what concerns the file.
    pub key: Option<Key>,
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

impl Store {
    /// Checks every page and every record of the redb database at `path`, which no process may have open, and passes each
    /// intact record to `visit`, in the order of their keys. Nothing is written, at `path` or elsewhere.
    ///
    /// # Errors
    /// When it cannot be read: another process uses it, it is not a Keyhaven database, `master` does not open it.
    pub fn inspect_redb(
        path: &Path,
        master: &MasterKey,
        mut visit: impl FnMut(Entry),
    ) -> Result<Inspection, StoreError> {
        redb::inspect(path, master, &mut visit)
    }

    /// As [`Store::inspect_redb`], of the sled database in the directory at `path`. sled writes to what it opens, so a copy
    /// in a private temporary directory is opened.
    #[cfg(feature = "sled")]
    pub fn inspect_sled(
        path: &Path,
        master: &MasterKey,
        mut visit: impl FnMut(Entry),
    ) -> Result<Inspection, StoreError> {
        sled::inspect(path, master, &mut visit)
    }
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
        key: &Key,
        opened: Result<(Revision, super::Value), StoreError>,
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
