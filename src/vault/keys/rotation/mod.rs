//! Rotation: another version of a key, of the same kind, by hand or when the key's policy has it.

mod policy;

use super::{Attributes, AttributesPatch, FoundVersion, KeyRecord, KeySpec, Keys, Objects, PublicPart};
use crate::clock::Timestamp;
use crate::crypto::{Key, Material};
use crate::records::{View, encode};
use crate::vault::due::DueAction;
use crate::vault::object::LifetimePolicy;
use crate::vault::write::Write;
use crate::vault::{ObjectName, Refusal};

pub(crate) use policy::{IsoPeriod, NewRotationPolicy, RotationPolicy, RotationPolicyError, RotationTrigger};

impl Objects<'_, Keys> {
    /// How a key rotates.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; what the store reports.
    pub(crate) async fn rotation_policy(&self, name: &ObjectName) -> Result<RotationPolicy, Refusal> {
        let view = self.vaults.records().view().await?;
        let found = self.find(&view, name, None).await?;
        let policy = self.policy(&view, &found.name).await?;
        Ok(policy.map_or_else(RotationPolicy::service_default, |policy| policy.as_ref().clone()))
    }

    /// When the key's policy has the version after `latest`, if it has one.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn rotates_at(&self, latest: &FoundVersion<KeyRecord>) -> Result<Option<Timestamp>, Refusal> {
        let view = self.vaults.records().view().await?;
        let policy = self.policy(&view, &latest.name).await?;
        Ok(policy.and_then(|policy| policy.renew_at(&latest.record)))
    }

    /// Sets how a key rotates from now on. Actions that are overdue under the policy run at once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Rotation`] when the policy does not do; what the store reports.
    pub(crate) async fn set_rotation_policy(
        &self,
        name: &ObjectName,
        wanted: &NewRotationPolicy,
    ) -> Result<RotationPolicy, Refusal> {
        let decide = |view: View| async move { self.setting_rotation_policy(&view, name, wanted).await };
        self.vaults.write(self.call, &[self.id(name)], decide).await
    }

    async fn setting_rotation_policy(
        &self,
        view: &View,
        name: &ObjectName,
        wanted: &NewRotationPolicy,
    ) -> Result<Write<RotationPolicy>, Refusal> {
        let found = self.find(view, name, None).await?;
        let (name, now) = (&found.name, self.call.now);
        wanted.check(&found.record, now).map_err(Refusal::Rotation)?;
        let before = self.policy(view, name).await?;
        let created = before.and_then(|before| before.created).unwrap_or(now);
        let policy = wanted.policy(Some(created), Some(now));
        let key = self.policy_key(name);
        let guarded = [&self.head_key(name), &self.version_key(name, &found.version), &key];
        let batch = self.guarded_batch(view, guarded).await?.put(key, encode(&policy)?);
        let latest = (name, &found.version, found.record.as_ref());
        let batch = self.scheduling(view, batch, latest, Some(&policy)).await?;
        Ok(Write::new(batch, policy))
    }

    /// Adds another version of a key, of the same type and size, that ends as the key's policy says.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Rotation`] when the key was imported; when too much waits, or the store fails.
    pub(crate) async fn rotate(&self, name: &ObjectName) -> Result<FoundVersion<KeyRecord>, Refusal> {
        self.run_overdue(name).await?;
        let (spec, made) = &self.generate_next(name).await?;
        let objects = &[self.id(name)];
        let decide = |view: View| async move { self.rotating(&view, name, *spec, made).await };
        self.vaults.write(self.call, objects, decide).await
    }

    /// Adds the version that is due at the moment `at`, if it still is; returns whether it was.
    pub(super) async fn rotate_when_due(&self, name: &ObjectName, at: Timestamp) -> Result<bool, Refusal> {
        match self.rotate_due(name, at).await {
            Err(Refusal::NotFound { .. } | Refusal::Rotation(_)) => Ok(false),
            rotated => rotated,
        }
    }

    async fn rotate_due(&self, name: &ObjectName, at: Timestamp) -> Result<bool, Refusal> {
        let view = self.vaults.records().view().await?;
        if !self.still_due(&view, name, DueAction::Renew, at).await? {
            return Ok(false);
        }
        drop(view);
        let (spec, made) = &self.generate_next(name).await?;
        let decide = |view: View| async move {
            if !self.still_due(&view, name, DueAction::Renew, at).await? {
                return Ok(Write::nothing(false));
            }
            let Write { batch, events, .. } = self.rotating(&view, name, *spec, made).await?;
            Ok(Write { batch, events, answer: true })
        };
        self.vaults.commit(self.call, &[self.id(name)], decide).await
    }

    /// A key like the latest version, and its specification.
    async fn generate_next(&self, name: &ObjectName) -> Result<(KeySpec, (Key, Material)), Refusal> {
        let view = self.vaults.records().view().await?;
        let latest = self.find(&view, name, None).await?;
        drop(view);
        let spec = latest.record.next_spec()?;
        Ok((spec, self.generate(spec).await?))
    }

    /// Adds the generated key as the next version, if the latest version still has the same `spec`.
    async fn rotating(
        &self,
        view: &View,
        name: &ObjectName,
        spec: KeySpec,
        (key, material): &(Key, Material),
    ) -> Result<Write<FoundVersion<KeyRecord>>, Refusal> {
        let latest = self.find(view, name, None).await?;
        if latest.record.next_spec()? != spec {
            return Err(Refusal::Busy);
        }
        let policy = self.policy(view, &latest.name).await?;
        let record = latest.record.next(key, policy.as_deref(), self.call.now);
        let version = &self.vaults.unused_version(view, &self.call.vault, &[self.id(name)]).await?;
        let (batch, added) = self.adding(view, self.call.guarded_batch(), (name, version), &record, material).await?;
        Ok(Write { batch, events: vec![added.event], answer: added.found })
    }
}

impl KeyRecord {
    /// The specification of the next version.
    fn next_spec(&self) -> Result<KeySpec, Refusal> {
        if self.imported {
            return Err(Refusal::Rotation(RotationPolicyError::Imported));
        }
        KeySpec::of(&self.public).ok_or(Refusal::Rotation(RotationPolicyError::Imported))
    }

    /// The record of the next version, with the public part of `key`, created `now`: the same type, operations and tags;
    /// valid at once, until the end that the policy sets.
    fn next(&self, key: &Key, policy: Option<&RotationPolicy>, now: Timestamp) -> Self {
        let exp = policy.and_then(|policy| policy.expires_at(now));
        let given = AttributesPatch { exp, ..AttributesPatch::default() };
        Self { public: PublicPart::of(key.public()), attributes: Attributes::new(given, now), ..self.clone() }
    }
}
