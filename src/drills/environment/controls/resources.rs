//! What it takes to administer a data factory on the server: its place, roles, a token.

use std::sync::{MutexGuard, PoisonError};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Controls;
use crate::drills::admin::AdminError;
use crate::remote::Method;

/// What tokens for Resource Manager are for.
const MANAGEMENT: &str = "https://management.azure.com/";
/// The role of a factory's own administrators.
const FACTORY_ROLE: &str = "Data Factory Contributor";
/// A role that lets an identity be given to a factory.
const IDENTITY_ROLE: &str = "Contributor";
/// What the id of a vault has after its resource group's.
const VAULTS: &str = "/providers/Microsoft.KeyVault/";

/// Where a factory is made.
pub(crate) struct FactoryPlace {
    /// The id of the resource group: that of the vault.
    pub(crate) group: String,
    /// The vault's location.
    pub(crate) location: String,
}

impl Controls {
    /// Where a factory of the vault's group is made.
    pub(crate) fn factory_place(&self) -> Result<FactoryPlace, AdminError> {
        let vault = self.admin.send(Method::GET, &format!("/admin/vaults/{}", self.vaults.name), None)?;
        let text = |member: &str| vault[member].as_str().unwrap_or_default().to_owned();
        let id = text("id");
        let group = id.split_once(VAULTS).map(|(group, _)| group.to_owned());
        let group = group.ok_or_else(|| AdminError::new("the admin API shows no id of the vault"))?;
        Ok(FactoryPlace { group, location: text("location") })
    }

    /// Lets the operator administer the factory `id`, and give it the factory's identity.
    pub(crate) fn administer(&self, id: &str) -> Result<(), AdminError> {
        *self.administers() = true;
        self.assign_at(&self.operator, FACTORY_ROLE, id)?;
        self.assign_at(&self.operator, IDENTITY_ROLE, &self.factory.resource_id)
    }

    /// Takes that back.
    pub(crate) fn withdraw_administration(&self) -> Result<(), AdminError> {
        let mut administers = self.administers();
        if *administers {
            let roles = [FACTORY_ROLE, IDENTITY_ROLE];
            self.unassign(|one| self.operator.owns(one) && roles.iter().any(|role| one["role"] == *role))?;
            *administers = false;
        }
        Ok(())
    }

    fn administers(&self) -> MutexGuard<'_, bool> {
        self.administers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token of the operator for Resource Manager.
    pub(crate) fn management_token(&self) -> Result<Zeroizing<String>, AdminError> {
        let path = format!("/admin/identities/{}/token", self.operator.name);
        let answer = self.admin.send(Method::POST, &path, Some(&json!({"resource": MANAGEMENT})))?;
        let token = answer["access_token"].as_str().map(|token| Zeroizing::new(token.to_owned()));
        token.ok_or_else(|| AdminError::new("the admin API gives no token"))
    }

    /// The addresses of the approved private endpoints of the factory called `name`.
    pub(crate) fn private_ranges(&self, name: &str) -> Result<Vec<Value>, AdminError> {
        let shown = self.admin.send(Method::GET, &format!("/admin/factories/{name}"), None)?;
        Ok(shown["privateRanges"].as_array().cloned().unwrap_or_default())
    }
}
