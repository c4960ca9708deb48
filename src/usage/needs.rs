//! What each identity needs in each vault.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Usage, operation_of};
use crate::operation::{Operation, Permission};

/// Where a data action is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the whole vault: for lists, or for several objects.
    Vault,
    /// On one object: `keys/cmk`.
    Object(String),
}

/// What one identity needs in one vault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// The identity's name, else its object id.
    pub name: String,
    /// Names of permissions, by collection.
    pub permissions: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Data actions below `Microsoft.KeyVault/vaults/`, each with the objects that it was used on.
    actions: BTreeMap<&'static str, BTreeSet<Place>>,
}

impl Needs {
    /// The data actions by the narrowest place: the object where one was used with an action, the vault where there were several.
    pub(crate) fn by_place(&self) -> BTreeMap<Place, BTreeSet<&'static str>> {
        let mut by_place = BTreeMap::<Place, BTreeSet<&'static str>>::new();
        for (action, places) in &self.actions {
            let place = match places.first() {
                Some(only @ Place::Object(_)) if places.len() == 1 => only.clone(),
                _ => Place::Vault,
            };
            by_place.entry(place).or_default().insert(action);
        }
        by_place
    }

    /// Every data action.
    pub(crate) fn all_actions(&self) -> BTreeSet<&'static str> {
        self.actions.keys().copied().collect()
    }
}

/// What was used, by vault and identity.
pub(super) fn needs(usage: &Usage, operations: &[&'static Operation]) -> BTreeMap<String, BTreeMap<Uuid, Needs>> {
    let mut all = BTreeMap::<String, BTreeMap<Uuid, Needs>>::new();
    for used in usage.permitted() {
        let operation = operation_of(operations, used.operation);
        let Some(Permission::Vault { collection, policy, data_action }) = operation.map(|found| found.permission)
        else {
            continue;
        };
        let needs = all.entry(used.vault.clone()).or_default().entry(used.principal).or_default();
        needs.name = usage.name(used.principal);
        needs.permissions.entry(collection).or_default().insert(policy);
        let object = used.object.as_ref().map(|name| Place::Object(format!("{collection}/{name}")));
        needs.actions.entry(data_action).or_default().insert(object.unwrap_or(Place::Vault));
    }
    all
}
