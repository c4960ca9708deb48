//! Resources of every type, as lists show them.

use uuid::Uuid;

use super::Management;
use super::factory::{FACTORY_TYPE, Factory};
use super::refusal::Refusal;
use super::tags::Tags;
use crate::access::roles::Scope;

/// A resource in a list of all types.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Its id.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Its type, with the namespace.
    pub kind: &'static str,
    /// The name of its resource group.
    pub group: String,
    /// Where it is.
    pub location: String,
    /// Its tags.
    pub tags: Option<Tags>,
}

impl Listed {
    fn of_factory(factory: Factory, subscription: Uuid) -> Option<Self> {
        let scope = factory.id(subscription)?.scope();
        let Factory { group, name, location, tags, .. } = factory;
        Some(Self { scope, name, kind: FACTORY_TYPE, group, location, tags })
    }
}

impl Management {
    /// The resources of `subscription`, in the order of their ids; vaults are among them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn resources(&self, subscription: Uuid) -> Result<Vec<Listed>, Refusal> {
        let mut all = self.vaults_of(subscription).await?;
        let factories = self.factories(subscription, None).await?;
        all.extend(factories.into_iter().filter_map(|factory| Listed::of_factory(factory, subscription)));
        all.sort_by(|one, other| one.scope.lower_case().cmp(other.scope.lower_case()));
        Ok(all)
    }

    async fn vaults_of(&self, subscription: Uuid) -> Result<Vec<Listed>, Refusal> {
        let tenant = self.directory.tenant().subscription;
        let vaults = self.vaults.all().await?;
        let inside = vaults.iter().filter(|vault| vault.subscription(tenant).0 == subscription);
        let listed = inside.map(|vault| Listed {
            scope: vault.scope(tenant),
            name: vault.name.to_string(),
            kind: "Microsoft.KeyVault/vaults",
            group: vault.resource.resource_group.clone(),
            location: vault.resource.location.clone(),
            tags: Some(vault.resource.tags.clone()),
        });
        Ok(listed.collect())
    }
}
