//! Vaults that are created on demand: like the default one, and only a bounded number.

use uuid::Uuid;

use super::store_key::Table;
use super::{Applied, Guarded, InitialVault, Refusal, Vault, VaultName, Vaults};
use crate::clock::Timestamp;

/// With so many vaults, no other is created on demand.
const MAX_VAULTS: usize = 10_000;

/// The template of vaults that are created on demand.
#[derive(Clone, Debug)]
pub(crate) struct OnDemand(InitialVault);

impl OnDemand {
    /// Like `vault`, without its aliases and content.
    pub(crate) fn like(vault: &InitialVault) -> Self {
        Self(InitialVault { aliases: vec![], configured: false, keys: vec![], secrets: vec![], ..vault.clone() })
    }

    /// The vault called `name` as it would be created, so that access can be decided before there is one. Its id and time
    /// of creation are not set.
    pub(crate) fn preview(&self, name: &VaultName) -> Vault {
        self.named(name).vault(Uuid::nil(), Timestamp::from_unix(0))
    }

    fn named(&self, name: &VaultName) -> InitialVault {
        InitialVault { name: name.clone(), ..self.0.clone() }
    }
}

impl Vaults {
    /// The vault called `name`, created if it does not exist.
    ///
    /// # Errors
    /// [`Refusal::TooManyVaults`]; what the store reports.
    pub(crate) async fn find_or_create(
        &self,
        name: &VaultName,
        on_demand: &OnDemand,
        now: Timestamp,
    ) -> Result<Guarded<Vault>, Refusal> {
        // One at a time, so that they are counted.
        let _lock = self.lock(Table::Vault.prefix()).await;
        if let Some(vault) = self.find(name).await? {
            return Ok(vault);
        }
        let view = self.records().view().await?;
        if view.keys(&Table::Vault.prefix(), None, MAX_VAULTS).await?.len() == MAX_VAULTS {
            return Err(Refusal::TooManyVaults { most: MAX_VAULTS });
        }
        drop(view);
        self.create_vault_if_absent(&on_demand.named(name), now, &mut Applied::default()).await?;
        let vault = self.find(name).await?.ok_or(Refusal::Busy)?;
        tracing::info!(vault = %name, "made, because it was asked for");
        Ok(vault)
    }
}

#[cfg(test)]
mod tests {
    use super::super::store_key::StoreKey;
    use super::super::tests::{memory, open};
    use super::*;
    use crate::crypto::pool::Pool;
    use crate::records::encode;
    use crate::store::Batch;
    use crate::vault::Sku;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    #[tokio::test]
    async fn there_is_an_end_to_what_is_made_because_it_was_asked_for() {
        let (store, pool) = (memory(), Pool::start(1, 10));
        let vaults = open(&store, &pool, 1);
        let on_demand = OnDemand::like(&InitialVault::named(VaultName::local(), Sku::Premium));
        let name = |number: usize| VaultName::parse(&format!("v{number:05}")).unwrap();
        let vault = |number| on_demand.named(&name(number)).vault(Uuid::nil(), NOW);
        let put = (1..MAX_VAULTS)
            .map(|number| (StoreKey::of_vault(&name(number)), encode(&vault(number)).unwrap()))
            .collect();
        store.commit_pieces(Batch { put, ..Batch::default() }).await.unwrap();
        assert_eq!(vaults.find_or_create(&name(0), &on_demand, NOW).await.unwrap().name, name(0));
        let refused = vaults.find_or_create(&name(MAX_VAULTS), &on_demand, NOW).await;
        assert!(matches!(refused, Err(Refusal::TooManyVaults { most: MAX_VAULTS })), "{refused:?}");
        assert_eq!(
            vaults.find_or_create(&name(1), &on_demand, NOW).await.unwrap().name,
            name(1),
            "what is there is found"
        );
        vaults.delete_vault(&name(1)).await.unwrap();
        assert!(vaults.find_or_create(&name(MAX_VAULTS), &on_demand, NOW).await.is_ok());
    }
}
