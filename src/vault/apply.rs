//! Applying a configuration to what is there: what is missing is made, what is there stays as it is, and a difference
//! is reported.

use std::sync::Arc;

use uuid::Uuid;

use super::keys::{KeyRecord, KeySpec, NewKey};
use super::secrets::NewSecret;
use super::store_key::StoreKey;
use super::{Call, ObjectName, Refusal, Sku, Vault, VaultName, Vaults, layers};
use crate::access::AccessPolicy;
use crate::clock::Timestamp;
use crate::records::{Change, View, encode};
use crate::store::Batch;

/// A vault as a configuration wants it.
#[derive(Clone, Debug)]
pub struct InitialVault {
    /// The name.
    pub name: VaultName,
    /// Further host names, in lower case.
    pub aliases: Vec<String>,
    /// The tier.
    pub sku: Sku,
    /// Days deleted objects can be recovered, 7 to 90.
    pub retention_days: u32,
    /// Whether deleted objects can be recovered at all.
    pub soft_delete: bool,
    /// Whether deleted objects stay until their retention ends.
    pub purge_protection: bool,
    /// Seconds that the service's states in between last.
    pub deletion_delay: u32,
    /// Who may do what.
    pub access_policies: Vec<AccessPolicy>,
    /// Keys to make.
    pub keys: Vec<InitialKey>,
    /// Secrets to set.
    pub secrets: Vec<InitialSecret>,
}

/// A key to make when its name is free.
#[derive(Clone, Debug)]
pub struct InitialKey {
    /// The name.
    pub name: ObjectName,
    /// What it shall be.
    pub new: NewKey,
    /// What is to be generated.
    pub spec: KeySpec,
}

/// A secret to set when its name is free.
#[derive(Clone, Debug)]
pub struct InitialSecret {
    /// The name.
    pub name: ObjectName,
    /// What it shall be.
    pub new: NewSecret,
}

/// What applying a vault came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What was made, for example `vault local` or `key cmk`.
    pub created: Vec<String>,
    /// What is there and differs; it was left alone.
    pub differs: Vec<String>,
}

impl Vaults {
    /// Makes what `initial` wants and is not there yet.
    ///
    /// # Errors
    /// When a key cannot be made or the store fails.
    pub async fn apply(&self, initial: InitialVault, now: Timestamp) -> Result<Applied, Refusal> {
        let mut applied = Applied::default();
        self.create_vault_if_absent(&initial, &mut applied).await?;
        let vault = self.find(&initial.name).await?.ok_or(Refusal::Busy)?;
        let call = Call::by_server(vault, now);
        for key in initial.keys {
            self.create_key_if_absent(&call, key, &mut applied).await?;
        }
        for secret in initial.secrets {
            self.create_secret_if_absent(&call, secret, &mut applied).await?;
        }
        Ok(applied)
    }

    pub(super) async fn create_vault_if_absent(
        &self,
        initial: &InitialVault,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        let wanted = initial.vault(layers::new_id());
        let want = &wanted;
        let settle = |view: View| async move { self.creating_vault_if_absent(&view, want).await };
        let (vault, made) = self.records().update(settle).await?;
        if made {
            applied.created.push(format!("vault {}", vault.name));
        } else if let Some(members) = differing(&vault, &wanted) {
            applied.differs.push(format!("vault {} ({members})", vault.name));
        }
        Ok(())
    }

    async fn creating_vault_if_absent(
        &self,
        view: &View,
        wanted: &Vault,
    ) -> Result<Change<(Arc<Vault>, bool)>, Refusal> {
        let key = StoreKey::of_vault(&wanted.name);
        if let Some(vault) = self.records().get::<Vault>(view, &key).await? {
            return Ok(Change { batch: Batch::default(), answer: (vault, false) });
        }
        self.refuse_orphaned_layers(view).await?;
        let mut batch = Batch { expect: vec![(key.clone(), 0)], put: vec![(key, encode(wanted)?)], delete: vec![] };
        for alias in &wanted.aliases {
            let key = StoreKey::Alias(alias).to_key();
            // One that is another vault's stays that vault's.
            if view.revision_of(&key).await?.is_none() {
                batch = batch.expect(key.clone(), 0).put(key, encode(&wanted.name)?);
            }
        }
        Ok(Change { batch, answer: (Arc::new(wanted.clone()), true) })
    }

    async fn create_key_if_absent(
        &self,
        call: &Call,
        wanted: InitialKey,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        match self.keys(call).get(&wanted.name, None).await {
            Ok(found) if !wanted.matches(&found.record) => applied.differs.push(format!("key {}", wanted.name)),
            Ok(_) => {}
            Err(Refusal::NotFound { .. }) => {
                let made = self.keys(call).create(&wanted.name, wanted.new, wanted.spec).await;
                applied.record(format!("key {}", wanted.name), made.map(drop))?;
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    async fn create_secret_if_absent(
        &self,
        call: &Call,
        wanted: InitialSecret,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        match self.secrets(call).get_value(&wanted.name, None).await {
            Ok((_, value)) if value != wanted.new.value => applied.differs.push(format!("secret {}", wanted.name)),
            Ok(_) | Err(Refusal::Disabled { .. }) => {}
            Err(Refusal::NotFound { .. }) => {
                let made = self.secrets(call).set(&wanted.name, &wanted.new).await;
                applied.record(format!("secret {}", wanted.name), made.map(drop))?;
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }
}

impl Applied {
    /// Takes note of what making `what` came to. A deleted object is a difference like any other.
    fn record(&mut self, what: String, made: Result<(), Refusal>) -> Result<(), Refusal> {
        match made {
            Ok(()) => self.created.push(what),
            Err(
                Refusal::DeletedButRecoverable { .. } | Refusal::BeingDeleted { .. } | Refusal::BeingRecovered { .. },
            ) => self.differs.push(format!("{what} (it is deleted, and can be recovered)")),
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }
}

/// The members of the configuration in which two vaults differ, if they do.
fn differing(there: &Vault, wanted: &Vault) -> Option<String> {
    let members = [
        ("aliases", there.aliases != wanted.aliases),
        ("sku", there.sku != wanted.sku),
        ("softDeleteRetentionInDays", there.retention_days != wanted.retention_days),
        ("enableSoftDelete", there.soft_delete != wanted.soft_delete),
        ("deletionDelay", there.deletion_delay != wanted.deletion_delay),
        ("enablePurgeProtection", there.purge_protection != wanted.purge_protection),
        ("accessPolicies", there.access_policies != wanted.access_policies),
    ];
    let names: Vec<_> = members.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

impl InitialKey {
    /// Whether `key` has the type and the size that are wanted here.
    fn matches(&self, key: &KeyRecord) -> bool {
        key.kty == self.new.kty && self.spec.matches(&key.public)
    }
}

impl InitialVault {
    /// A vault of this name and tier; everything else as the service has it when nothing is said.
    pub fn named(name: VaultName, sku: Sku) -> Self {
        Self {
            name,
            aliases: vec![],
            sku,
            retention_days: 90,
            soft_delete: true,
            purge_protection: false,
            deletion_delay: 0,
            access_policies: vec![],
            keys: vec![],
            secrets: vec![],
        }
    }

    pub(super) fn vault(&self, id: Uuid) -> Vault {
        Vault {
            id,
            name: self.name.clone(),
            aliases: self.aliases.clone(),
            sku: self.sku,
            retention_days: self.retention_days,
            soft_delete: self.soft_delete,
            purge_protection: self.purge_protection,
            deletion_delay: self.deletion_delay,
            access_policies: self.access_policies.clone(),
            upper: None,
            below: vec![],
        }
    }
}
