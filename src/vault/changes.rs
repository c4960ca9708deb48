//! A vault as a configuration wants it, with the keys and secrets that it names: what would change, and the change. Nothing
//! is deleted.

use super::keys::Keys;
use super::object::{NameState, Objects};
use super::secrets::{SecretUpdate, Secrets};
use super::store_key::StoreKey;
use super::{
    Call, InitialKey, InitialSecret, InitialVault, ObjectId, Refusal, Setting, Vault, VaultName, Vaults, Version,
    layers,
};
use crate::clock::Timestamp;

/// What must happen for a vault to be as it is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum VaultChange {
    /// It does not exist.
    Create,
    /// These settings differ.
    Settings(Vec<Setting>),
    /// This setting differs, and cannot change so.
    FixedSetting(Setting),
    /// Another vault answers on a host name of it.
    AliasTaken {
        /// The host name.
        alias: String,
        /// The other vault.
        owner: VaultName,
    },
    /// An object is not as it is wanted.
    Object(ObjectId, ObjectChange),
}

/// What must happen for a key or secret to be as it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectChange {
    /// It does not exist.
    Create,
    /// It is deleted.
    Recover,
    /// The secret has another value: it gets a new version.
    Value,
    /// The secret's content type differs.
    ContentType,
    /// The key has another type or size, which cannot change.
    FixedKeyType,
    /// It is being deleted, purged or recovered.
    InTransition,
}

impl Vaults {
    /// What must happen for `wanted` to be so.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn changes(&self, wanted: &InitialVault, now: Timestamp) -> Result<Vec<VaultChange>, Refusal> {
        let mut changes = self.taken_aliases(wanted).await?;
        let Some(vault) = self.find(&wanted.name).await? else {
            changes.push(VaultChange::Create);
            let names = wanted.keys.iter().map(InitialKey::id).chain(wanted.secrets.iter().map(InitialSecret::id));
            changes.extend(names.map(|id| VaultChange::Object(id, ObjectChange::Create)));
            return Ok(changes);
        };
        changes.extend(setting_changes(&vault, &wanted.vault(layers::new_id(), now)));
        let call = &Call::by_server(vault, now);
        for key in &wanted.keys {
            let change = self.keys(call).change(key).await?;
            changes.extend(change.map(|change| VaultChange::Object(key.id(), change)));
        }
        for secret in &wanted.secrets {
            let change = self.secrets(call).change(secret).await?;
            changes.extend(change.map(|change| VaultChange::Object(secret.id(), change)));
        }
        Ok(changes)
    }

    async fn taken_aliases(&self, wanted: &InitialVault) -> Result<Vec<VaultChange>, Refusal> {
        let (view, mut taken) = (self.records().view().await?, Vec::new());
        for alias in &wanted.aliases {
            let owner = self.records().get::<VaultName>(&view, &StoreKey::Alias(alias).to_key()).await?;
            if let Some(owner) = owner.filter(|owner| **owner != wanted.name) {
                taken.push(VaultChange::AliasTaken { alias: alias.clone(), owner: owner.as_ref().clone() });
            }
        }
        Ok(taken)
    }

    /// Brings the vault's settings, keys and secrets up to `wanted`; leaves alone what cannot be changed.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when the vault is changed at the same moment; what creating refuses; what the store reports. What
    /// was done before stays.
    pub(crate) async fn bring_up_to(&self, wanted: &InitialVault, now: Timestamp) -> Result<(), Refusal> {
        let existing = self.find(&wanted.name).await?;
        let settings = InitialVault { keys: vec![], secrets: vec![], ..wanted.clone() };
        self.put_vault(settings, existing.as_deref(), now).await?;
        let call = &Call::by_server(self.find(&wanted.name).await?.ok_or(Refusal::Busy)?, now);
        let mut made = Vec::new();
        for key in &wanted.keys {
            made.extend(self.keys(call).bring_up_to(key).await?.map(|version| (key.id(), version)));
        }
        for secret in &wanted.secrets {
            made.extend(self.secrets(call).bring_up_to(secret).await?.map(|version| (secret.id(), version)));
        }
        self.record_configured(&call.vault, &made).await
    }
}

/// The changes of settings; those that cannot be made alone, if there are any.
fn setting_changes(existing: &Vault, wanted: &Vault) -> Vec<VaultChange> {
    let (fixed, differing) = (existing.fixed_settings(wanted), existing.differences(wanted));
    match (fixed.is_empty(), differing.is_empty()) {
        (false, _) => fixed.into_iter().map(VaultChange::FixedSetting).collect(),
        (true, false) => vec![VaultChange::Settings(differing)],
        (true, true) => vec![],
    }
}

impl Objects<'_, Keys> {
    async fn change(&self, wanted: &InitialKey) -> Result<Option<ObjectChange>, Refusal> {
        let (record, change) = match self.name_state(&wanted.name).await? {
            NameState::Free => return Ok(Some(ObjectChange::Create)),
            NameState::InTransition => return Ok(Some(ObjectChange::InTransition)),
            NameState::Live => (self.get(&wanted.name, None).await?.record, None),
            NameState::Deleted => (self.get_deleted(&wanted.name).await?.found.record, Some(ObjectChange::Recover)),
        };
        Ok(if wanted.matches(&record) { change } else { Some(ObjectChange::FixedKeyType) })
    }

    /// Makes the change; answers the version of a key that it created.
    async fn bring_up_to(&self, wanted: &InitialKey) -> Result<Option<Version>, Refusal> {
        match self.change(wanted).await? {
            Some(ObjectChange::Create) => {
                let made = self.create(&wanted.name, wanted.new.clone(), wanted.spec).await?;
                return Ok(Some(made.version));
            }
            Some(ObjectChange::Recover) => self.recover(&wanted.name).await.map(drop)?,
            _ => {}
        }
        Ok(None)
    }
}

impl Objects<'_, Secrets> {
    async fn change(&self, wanted: &InitialSecret) -> Result<Option<ObjectChange>, Refusal> {
        match self.name_state(&wanted.name).await? {
            NameState::Free => return Ok(Some(ObjectChange::Create)),
            NameState::InTransition => return Ok(Some(ObjectChange::InTransition)),
            NameState::Deleted => return Ok(Some(ObjectChange::Recover)),
            NameState::Live => {}
        }
        let (found, value) = self.latest(&wanted.name).await?;
        let content_type = &wanted.new.content_type;
        Ok(if value != wanted.new.value {
            Some(ObjectChange::Value)
        } else if content_type.is_some() && *content_type != found.record.content_type {
            Some(ObjectChange::ContentType)
        } else {
            None
        })
    }

    /// Makes the change; answers the version of a secret that it created. A recovered secret gets the value that is wanted,
    /// unless its recovery takes a while.
    async fn bring_up_to(&self, wanted: &InitialSecret) -> Result<Option<Version>, Refusal> {
        let mut change = self.change(wanted).await?;
        if change == Some(ObjectChange::Recover) {
            self.recover(&wanted.name).await?;
            change = self.change(wanted).await?;
        }
        match change {
            Some(ObjectChange::Create) => return Ok(Some(self.set(&wanted.name, &wanted.new).await?.version)),
            Some(ObjectChange::Value) => self.set(&wanted.name, &wanted.new).await.map(drop)?,
            Some(ObjectChange::ContentType) => {
                let update = SecretUpdate { content_type: wanted.new.content_type.clone(), ..SecretUpdate::default() };
                self.update(&wanted.name, None, &update).await?;
            }
            _ => {}
        }
        Ok(None)
    }
}
