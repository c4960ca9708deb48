//! What vaults and objects are called in a program of Bicep or Terraform.

use std::collections::BTreeMap;

use super::grants::VaultGrants;
use super::vault_name;

/// A vault in a program.
pub(super) struct Labelled<'g> {
    /// What it is called there; no other vault is.
    pub(super) label: String,
    /// Its id.
    pub(super) id: &'g str,
    /// What is granted in it.
    pub(super) grants: &'g VaultGrants,
}

/// Every vault with a label of its own: those of one name in several resource groups are numbered.
pub(super) fn labelled(vaults: &BTreeMap<String, VaultGrants>) -> impl Iterator<Item = Labelled<'_>> {
    let mut names = BTreeMap::new();
    vaults.iter().map(move |(id, grants)| {
        let times = names.entry(vault_name(id)).and_modify(|times| *times += 1).or_insert(1);
        let number = if *times > 1 { format!("__{times}") } else { String::new() };
        Labelled { label: identifier(vault_name(id)) + &number, id, grants }
    })
}

impl Labelled<'_> {
    /// The vault's name.
    pub(super) fn name(&self) -> &str {
        vault_name(self.id)
    }

    /// The resource group in its id.
    pub(super) fn resource_group(&self) -> &str {
        self.id.split('/').nth(4).unwrap_or_default()
    }
}

/// The name of a vault or an object for a program. Different ones stay so: they have no underscores. A vault's has no two in a row and
/// none at its end, so two of them are where it ends.
pub(super) fn identifier(name: &str) -> String {
    name.replace('-', "_")
}
