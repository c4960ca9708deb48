//! Creating, changing and deleting vaults while the server runs.

use std::sync::Arc;

use uuid::Uuid;

use super::configured::recording_vault;
use super::event::Event;
use super::observer::{Report, Reported};
use super::store_key::StoreKey;
use super::{Applied, InitialVault, Refusal, Setting, Vault, VaultName, Vaults, layers};
use crate::clock::Timestamp;
use crate::records::{Change, View, encode};
use crate::store::{Batch, Revision};

impl Vaults {
    /// Creates the vault that `wanted` describes, or changes the one of its name, and creates the keys and secrets that it
    /// lists and that do not exist. Nothing is changed when one setting may not change, or when the vault is no longer as
    /// it was `seen`.
    ///
    /// # Errors
    /// [`Refusal::FixedSetting`]; [`Refusal::AliasTaken`]; what
    /// making keys and secrets refuses; what the store reports.
    pub(crate) async fn put_vault(
        &self,
        wanted: InitialVault,
        seen: Option<&Vault>,
        now: Timestamp,
    ) -> Result<(Arc<Vault>, Applied), Refusal> {
        let name = wanted.name.clone();
        let (want, configured) = (&wanted.vault(layers::new_id(), now), wanted.configured);
        let put = |view: View| async move { self.putting(&view, want, configured, seen, now).await };
        if let Some(event) = self.records().update(put).await? {
            self.event_committed(event);
            let vault = self.find(&name).await?.ok_or(Refusal::Busy)?;
            let what = Reported::AccessPolicyChanged;
            self.report(&Report { what, vault: &vault, object: None, at: now });
        }
        let applied = self.apply(wanted, now).await?;
        let vault = self.find(&name).await?.ok_or(Refusal::Busy)?;
        Ok((vault.record, applied))
    }

    /// The change, and the number of its event, if it has one.
    async fn putting(
        &self,
        view: &View,
        wanted: &Vault,
        configured: bool,
        seen: Option<&Vault>,
        now: Timestamp,
    ) -> Result<Change<Option<u64>>, Refusal> {
        let there = self.records().entry::<Vault>(view, &StoreKey::of_vault(&wanted.name)).await?;
        if there.as_ref().map(|(vault, _)| vault.as_ref()) != seen {
            return Err(Refusal::Busy);
        }
        let next = match &there {
            None => {
                self.refuse_orphaned_layers(view).await?;
                wanted.clone()
            }
            Some((vault, _)) => {
                vault.check_change(wanted)?;
                vault.with_settings(wanted)
            }
        };
        let former = there.as_ref().map_or(&[][..], |(vault, _)| &vault.aliases);
        let batch = record_batch(there.as_ref(), &next)?;
        let batch = if configured && there.is_none() { recording_vault(batch, &next)? } else { batch };
        let batch = self.with_aliases(view, &next, former, batch).await?;
        match there {
            Some((vault, _)) if vault.decides_otherwise(&next) => self.with_policy_event(view, batch, &next, now).await,
            _ => Ok(Change { batch, answer: None }),
        }
    }

    /// `batch`, appending the event of the access policies of `vault`, and the event's number.
    async fn with_policy_event(
        &self,
        view: &View,
        batch: Batch,
        vault: &Vault,
        now: Timestamp,
    ) -> Result<Change<Option<u64>>, Refusal> {
        let event = Event::of_policies(vault, layers::new_id(), now);
        let (batch, number) = self.append_event(view, batch, &event).await?;
        Ok(Change { batch, answer: Some(number) })
    }

    /// Takes from the vault called `name` those of its aliases that are among `aliases`.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn release_aliases(&self, name: &VaultName, aliases: &[String]) -> Result<(), Refusal> {
        let releasing = |view: View| async move {
            let key = StoreKey::of_vault(name);
            let vault = self.records().entry::<Vault>(&view, &key).await?;
            let is_kept = |alias: &String| !aliases.contains(alias);
            let Some((vault, revision)) = vault.filter(|(vault, _)| !vault.aliases.iter().all(is_kept)) else {
                return Ok(Change { batch: Batch::default(), answer: () });
            };
            let kept = vault.aliases.iter().filter(|alias| is_kept(alias)).cloned().collect();
            let next = Vault { aliases: kept, ..vault.as_ref().clone() };
            let batch = Batch::default().expect(key.clone(), revision).put(key, encode(&next)?);
            Ok::<_, Refusal>(Change {
                batch: self.with_aliases(&view, &next, &vault.aliases, batch).await?,
                answer: (),
            })
        };
        self.records().update(releasing).await
    }

    /// `batch`, pointing the vault's aliases to it and deleting those that it had before.
    pub(super) async fn with_aliases(
        &self,
        view: &View,
        vault: &Vault,
        former: &[String],
        mut batch: Batch,
    ) -> Result<Batch, Refusal> {
        for alias in &vault.aliases {
            let key = StoreKey::Alias(alias).to_key();
            match self.records().entry::<VaultName>(view, &key).await? {
                Some((owner, _)) if *owner == vault.name => {}
                Some((owner, _)) => {
                    return Err(Refusal::AliasTaken { alias: alias.clone(), owner: owner.as_ref().clone() });
                }
                None => batch = batch.expect(key.clone(), 0).put(key, encode(&vault.name)?),
            }
        }
        for alias in former.iter().filter(|alias| !vault.aliases.contains(alias)) {
            let key = StoreKey::Alias(alias).to_key();
            if let Some((owner, revision)) = self.records().entry::<VaultName>(view, &key).await?
                && *owner == vault.name
            {
                batch = batch.expect(key.clone(), revision).delete(key);
            }
        }
        Ok(batch)
    }

    /// Deletes a vault with its content; returns whether there was one. A sweep deletes the content later.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn delete_vault(&self, name: &VaultName) -> Result<bool, Refusal> {
        self.records().update(|view: View| async move { self.deleting_vault(&view, name, |_| true).await }).await
    }

    /// Deletes the vault of this name if it has this `id`; returns whether it had.
    pub(super) async fn purge_vault(&self, name: &VaultName, id: Uuid) -> Result<bool, Refusal> {
        let is_it = move |vault: &Vault| vault.id == id;
        self.records().update(|view: View| async move { self.deleting_vault(&view, name, is_it).await }).await
    }

    async fn deleting_vault(
        &self,
        view: &View,
        name: &VaultName,
        is_it: impl Fn(&Vault) -> bool + Send,
    ) -> Result<Change<bool>, Refusal> {
        let key = StoreKey::of_vault(name);
        let vault = self.records().entry::<Vault>(view, &key).await?;
        let Some((vault, revision)) = vault.filter(|(vault, _)| is_it(vault)) else {
            return Ok(Change { batch: Batch::default(), answer: false });
        };
        let batch = Batch::default().expect(key.clone(), revision).delete(key);
        let unnamed = Vault { aliases: vec![], ..vault.as_ref().clone() };
        let batch = self.with_aliases(view, &unnamed, &vault.aliases, batch).await?;
        let batch = batch.put(StoreKey::Sweep(vault.layer()).to_key(), encode(&vault.layer())?);
        let batch = if vault.below.is_empty() { batch } else { batch.put(StoreKey::UnsweptLayers.to_key(), vec![]) };
        Ok(Change { batch, answer: true })
    }
}

/// Puts `next` in the place of the record that is `there`. The same settings again leave the record as it is, and calls under
/// way valid.
fn record_batch(there: Option<&(Arc<Vault>, Revision)>, next: &Vault) -> Result<Batch, Refusal> {
    let revision = match there {
        Some((vault, _)) if **vault == *next => return Ok(Batch::default()),
        Some((_, revision)) => *revision,
        None => 0,
    };
    let key = StoreKey::of_vault(&next.name);
    Ok(Batch::default().expect(key.clone(), revision).put(key, encode(next)?))
}

impl Vault {
    /// This vault with its content and the settings of `wanted`.
    fn with_settings(&self, wanted: &Self) -> Self {
        let resource = self.resource.clone();
        Self { id: self.id, resource, upper: self.upper, below: self.below.clone(), ..wanted.clone() }
    }

    /// Whether its access policies are others than those of `next`, or one alone has roles instead: both are changes of access
    /// policies ("Azure Key Vault as Event Grid source").
    fn decides_otherwise(&self, next: &Self) -> bool {
        self.access_policies != next.access_policies || self.role_based != next.role_based
    }

    /// Checks that fixed settings stay.
    fn check_change(&self, next: &Self) -> Result<(), Refusal> {
        match self.fixed_settings(next).first() {
            Some(setting) => Err(Refusal::FixedSetting(*setting)),
            None => Ok(()),
        }
    }

    /// The settings of `next` that this vault cannot get: its place and the retention are set when a vault is created, and
    /// protection only ever grows.
    pub(super) fn fixed_settings(&self, next: &Self) -> Vec<Setting> {
        let fixed = [
            (Setting::RetentionDays, self.retention_days != next.retention_days),
            (Setting::PurgeProtection, self.purge_protection && !next.purge_protection),
            (Setting::SoftDelete, self.soft_delete && !next.soft_delete),
        ];
        fixed
            .into_iter()
            .chain(self.differences_of_place(next))
            .filter(|(_, is_changed)| *is_changed)
            .map(|(setting, _)| setting)
            .collect()
    }
}
