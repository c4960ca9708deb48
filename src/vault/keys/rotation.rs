//! Rotation: another version of a key, of the same kind, by hand or when the key's policy has it.

mod policy;

use std::sync::Arc;

use super::{Attributes, AttributesPatch, Call, Found, KeyRecord, KeySpec, PublicPart, Vaults};
use crate::clock::Timestamp;
use crate::crypto::{Key, Material};
use crate::records::{Change, View, encode};
use crate::store::Batch;
use crate::vault::due::DueAction;
use crate::vault::object::{Added, Objects};
use crate::vault::{ObjectName, Refusal};

pub use policy::{IsoPeriod, NewRotationPolicy, RotationPolicy, RotationPolicyError, RotationTrigger};

impl Vaults {
    /// How a key rotates.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; what the store reports.
    pub async fn rotation_policy(&self, call: &Call, name: &ObjectName) -> Result<RotationPolicy, Refusal> {
        let (view, keys) = (self.records().view().await?, self.keys(call));
        let found: Found<KeyRecord> = keys.find(&view, name, None).await?;
        let policy = keys.rotation(&view, &found.name).await?;
        Ok(policy.map_or_else(RotationPolicy::service_default, |policy| policy.as_ref().clone()))
    }

    /// Says how a key rotates from now on. What the policy would have had done already is done at once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Rotation`] when the policy does not do; what the store reports.
    pub async fn set_rotation_policy(
        &self,
        call: &Call,
        name: &ObjectName,
        wanted: &NewRotationPolicy,
    ) -> Result<RotationPolicy, Refusal> {
        let keys = &self.keys(call);
        keys.run_overdue(name).await?;
        let _lock = self.lock_name(&keys.head_key(name)).await;
        let set = |view: View| async move { keys.setting_rotation(&view, name, wanted).await };
        let policy = self.records().update(set).await;
        self.notify_schedule_change();
        policy
    }

    /// Makes another version of a key, of the same kind, that ends as the key's policy says.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Rotation`] when the key was made elsewhere; when too much waits, or the store
    /// fails.
    pub async fn rotate_key(&self, call: &Call, name: &ObjectName) -> Result<Found<KeyRecord>, Refusal> {
        self.keys(call).run_overdue(name).await?;
        self.rotated(call, name, None).await?.ok_or(Refusal::Busy)
    }

    /// Makes the version that is due at the moment `at`, if it still is; answers whether it was.
    pub(in crate::vault) async fn rotate_when_due(
        &self,
        call: &Call,
        name: &ObjectName,
        at: Timestamp,
    ) -> Result<bool, Refusal> {
        let view = self.records().view().await?;
        if !self.keys(call).still_due(&view, name, DueAction::Rotate, at).await? {
            return Ok(false);
        }
        drop(view);
        match self.rotated(call, name, Some(at)).await {
            Ok(rotated) => Ok(rotated.is_some()),
            Err(Refusal::NotFound { .. } | Refusal::Rotation(_)) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    async fn rotated(
        &self,
        call: &Call,
        name: &ObjectName,
        due: Option<Timestamp>,
    ) -> Result<Option<Found<KeyRecord>>, Refusal> {
        let (view, keys) = (self.records().view().await?, &self.keys(call));
        let latest: Found<KeyRecord> = keys.find(&view, name, None).await?;
        drop(view);
        let spec = latest.record.next_spec()?;
        let made = &self.generate(spec).await?;
        let _lock = self.lock_name(&keys.head_key(name)).await;
        let rotate = |view: View| async move { keys.rotating(&view, name, spec, made, due).await };
        let added = self.records().update(rotate).await?;
        self.notify_schedule_change();
        Ok(added.map(|added| {
            self.event_committed(added.event);
            added.found
        }))
    }
}

impl Objects<'_> {
    async fn rotation(&self, view: &View, name: &ObjectName) -> Result<Option<Arc<RotationPolicy>>, Refusal> {
        self.get(view, &self.rotation_key(name)).await
    }

    async fn setting_rotation(
        &self,
        view: &View,
        name: &ObjectName,
        wanted: &NewRotationPolicy,
    ) -> Result<Change<RotationPolicy>, Refusal> {
        let found: Found<KeyRecord> = self.find(view, name, None).await?;
        let (name, now) = (&found.name, self.call.now);
        wanted.check(&found.record, now).map_err(Refusal::Rotation)?;
        let before = self.rotation(view, name).await?;
        let created = before.and_then(|before| before.created).unwrap_or(now);
        let policy = wanted.policy(Some(created), Some(now));
        let key = self.rotation_key(name);
        let seen = [&self.head_key(name), &self.version_key(name, &found.version), &key];
        let batch = self.guarded_batch(view, seen).await?.put(key, encode(&policy)?);
        let latest = (name, &found.version, found.record.as_ref());
        let batch = self.scheduling(view, batch, latest, Some(&policy)).await?;
        Ok(Change { batch, answer: policy })
    }

    /// Adds the version that was `made` after `spec`, if the key is still one like it, and if it is due, when that is
    /// why.
    async fn rotating(
        &self,
        view: &View,
        name: &ObjectName,
        spec: KeySpec,
        made: &(Key, Material),
        due: Option<Timestamp>,
    ) -> Result<Change<Option<Added<KeyRecord>>>, Refusal> {
        if let Some(at) = due
            && !self.still_due(view, name, DueAction::Rotate, at).await?
        {
            return Ok(Change { batch: Batch::default(), answer: None });
        }
        let latest: Found<KeyRecord> = self.find(view, name, None).await?;
        if latest.record.next_spec()? != spec {
            return Err(Refusal::Busy);
        }
        let (key, material) = made;
        let policy = self.rotation(view, &latest.name).await?;
        let record = latest.record.next(key, policy.as_deref(), self.call.now);
        let change = self.adding(view, name, &record, material).await?;
        Ok(Change { batch: change.batch, answer: Some(change.answer) })
    }
}

impl KeyRecord {
    /// What the next version is to be generated as.
    fn next_spec(&self) -> Result<KeySpec, Refusal> {
        if self.imported {
            return Err(Refusal::Rotation(RotationPolicyError::Imported));
        }
        KeySpec::of(&self.public).ok_or(Refusal::Rotation(RotationPolicyError::Imported))
    }

    /// The version after this one, made `now` of `key`: the same kind with the same operations and tags, that may be used
    /// at once until its end.
    fn next(&self, key: &Key, policy: Option<&RotationPolicy>, now: Timestamp) -> Self {
        let exp = policy.and_then(|policy| policy.expires_at(now));
        let given = AttributesPatch { exp, ..AttributesPatch::default() };
        Self { public: PublicPart::of(key.public()), attributes: Attributes::new(given, now), ..self.clone() }
    }
}
