//! The schedule of an object: its latest version is near its end, has expired, or is followed by another. The schedule
//! lists what is still to come; whatever changes what it follows from, changes it in the same commit, and its entries in
//! the index of what falls due with it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::due::{DueAction, DueEntry};
use super::super::{ObjectId, ObjectName, Refusal, Vault, Version};
use super::kind::{LifetimePolicy, ObjectKind, VersionRecord, notify_at};
use super::{Head, Objects, Tombstone};
use crate::clock::Timestamp;
use crate::records::{View, encode};
use crate::store::Batch;

/// What is to be done about the latest version of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    object: ObjectId,
    version: Version,
    items: Vec<Item>,
}

/// One action, which runs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    action: DueAction,
    /// When it is due by the rule.
    date: Timestamp,
    /// When it is to be done; none once it is.
    at: Option<Timestamp>,
}

/// The actions on a version, and when they are due by the rule.
type Dates = Vec<(DueAction, Timestamp)>;

impl Schedule {
    /// The schedule of the latest `version` of an object, on these `dates`. An action that was run for the same version and
    /// date is not run again; one whose date is in the past is due at once.
    fn next(
        before: Option<&Self>,
        (object, version): (ObjectId, &Version),
        dates: Dates,
        now: Timestamp,
    ) -> Option<Self> {
        let before = before.filter(|before| before.version == *version);
        let known =
            |action, date| before?.items.iter().find(|item| item.action == action && item.date == date).copied();
        let has_expired = dates.iter().any(|(action, date)| *action == DueAction::Expired && *date <= now);
        let item = |(action, date): (DueAction, Timestamp)| {
            // A version that has expired is not near its expiry.
            let over = action == DueAction::NearExpiry && has_expired;
            known(action, date).unwrap_or(Item { action, date, at: (!over).then(|| date.max(now)) })
        };
        let items: Vec<_> = dates.into_iter().map(item).collect();
        (!items.is_empty()).then(|| Self { object, version: version.clone(), items })
    }

    /// The entries of the index of what falls due, for the layer of `vault`.
    pub(crate) fn due_entries<'a>(&'a self, vault: &'a Vault) -> impl Iterator<Item = DueEntry> + 'a {
        let due = |item: &Item| Some(DueEntry::new(vault, self.object.clone(), item.action, item.at?));
        self.items.iter().filter_map(due)
    }

    /// Whether `action` is to be done at the moment `at`.
    pub(crate) fn has(&self, action: DueAction, at: Timestamp) -> bool {
        self.items.iter().any(|item| item.action == action && item.at == Some(at))
    }

    /// The first action that is overdue at `now`.
    fn overdue(&self, now: Timestamp) -> Option<(DueAction, Timestamp)> {
        let due = self.items.iter().filter_map(|item| Some((item.action, item.at.filter(|at| *at <= now)?)));
        due.min_by_key(|(action, at)| (*at, action.name()))
    }

    fn with_done(&self, action: DueAction) -> Self {
        let items = self.items.iter().map(|item| Item { at: item.at.filter(|_| item.action != action), ..*item });
        Self { items: items.collect(), ..self.clone() }
    }

    fn not_before(&self, moment: Timestamp) -> Self {
        let items = self.items.iter().map(|item| Item { at: item.at.map(|at| at.max(moment)), ..*item });
        Self { items: items.collect(), ..self.clone() }
    }
}

/// The dates of a version, as its record and the object's policy have them.
fn dates<K: ObjectKind>(record: &K::Record, policy: Option<&K::Policy>) -> Dates {
    let exp = record.attributes().exp;
    let all = [
        (DueAction::NearExpiry, exp.and_then(|exp| notify_at(policy, exp))),
        (DueAction::Expired, exp),
        (DueAction::Renew, policy.and_then(|policy| policy.renew_at(record))),
    ];
    all.into_iter().filter_map(|(action, date)| Some((action, date?))).collect()
}

impl<K: ObjectKind> Objects<'_, K> {
    /// `batch`, with the object's schedule as it follows from its latest version and its policy.
    pub(crate) async fn scheduling(
        &self,
        view: &View,
        batch: Batch,
        latest: (&ObjectName, &Version, &K::Record),
        policy: Option<&K::Policy>,
    ) -> Result<Batch, Refusal> {
        let (name, version, record) = latest;
        let before = self.record::<Schedule>(view, &self.schedule_key(name)).await?;
        let dates = dates::<K>(record, policy);
        let next = Schedule::next(before.as_deref(), (self.id(name), version), dates, self.call.now);
        self.replacing_schedule(view, batch, name, before.as_deref(), next).await
    }

    /// As [`Self::scheduling`], under the policy that the object has.
    pub(crate) async fn rescheduling(
        &self,
        view: &View,
        batch: Batch,
        latest: (&ObjectName, &Version, &K::Record),
    ) -> Result<Batch, Refusal> {
        let policy = self.policy(view, latest.0).await?;
        self.scheduling(view, batch, latest, policy.as_deref()).await
    }

    /// The object's lifetime policy, if it was ever given one.
    pub(crate) async fn policy(&self, view: &View, name: &ObjectName) -> Result<Option<Arc<K::Policy>>, Refusal> {
        if K::Policy::EXISTS { self.record(view, &self.policy_key(name)).await } else { Ok(None) }
    }

    /// Runs what is overdue for the object at the moment of this call: the clock may have jumped, and a write must find
    /// the object as it is by then. The name must not be locked.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn run_overdue(&self, name: &ObjectName) -> Result<(), Refusal> {
        let mut before = None;
        while let Some(overdue) = self.overdue(name).await? {
            // On failure leave the entry to the background task and let this request go on.
            if before.replace(overdue) == Some(overdue) {
                return Ok(());
            }
            let (action, at) = overdue;
            let call = self.call.by_server_at(at);
            Objects::<K>::new(self.vaults, &call).run_action(name, action, at).await?;
        }
        Ok(())
    }

    async fn overdue(&self, name: &ObjectName) -> Result<Option<(DueAction, Timestamp)>, Refusal> {
        let (view, now) = (self.vaults.records().view().await?, self.call.now);
        let schedule = self.record::<Schedule>(&view, &self.schedule_key(name)).await?;
        if let Some(overdue) = schedule.and_then(|schedule| schedule.overdue(now))
            && let Some(head) = self.record::<Head>(&view, &self.head_key(name)).await?
        {
            return Ok(head.is_visible(now).then_some(overdue));
        }
        let deleted = self.record::<Tombstone>(&view, &self.deleted_key(name)).await?;
        Ok(deleted
            .map(|deleted| deleted.purged_at())
            .filter(|purged_at| *purged_at <= now)
            .map(|at| (DueAction::Purge, at)))
    }

    /// `batch`, replacing the schedule `before` by `next`.
    async fn replacing_schedule(
        &self,
        view: &View,
        batch: Batch,
        name: &ObjectName,
        before: Option<&Schedule>,
        next: Option<Schedule>,
    ) -> Result<Batch, Refusal> {
        if before == next.as_ref() {
            return Ok(batch);
        }
        let (vault, key) = (&self.call.vault, self.schedule_key(name));
        let mut batch = self.layers().guarding(view, batch, &key).await?;
        let due: Vec<DueEntry> = next.iter().flat_map(|next| next.due_entries(vault)).collect();
        for former in before.iter().flat_map(|before| before.due_entries(vault)).filter(|former| !due.contains(former))
        {
            batch = batch.delete(former.key());
        }
        for due in &due {
            batch = batch.put(due.key(), encode(due)?);
        }
        match next {
            Some(next) => Ok(batch.put(key, encode(&next)?)),
            None => Ok(self.layers().deleting(view, batch, &key).await?),
        }
    }

    /// `batch`, deleting the object's entries from the index: it is deleted. Its schedule stays, for its recovery.
    pub(super) async fn suspending_schedule(
        &self,
        view: &View,
        mut batch: Batch,
        name: &ObjectName,
    ) -> Result<Batch, Refusal> {
        if let Some(schedule) = self.record::<Schedule>(view, &self.schedule_key(name)).await? {
            for due in schedule.due_entries(&self.call.vault) {
                batch = batch.delete(due.key());
            }
        }
        Ok(batch)
    }

    /// `batch`, with the object's schedule in force again from `moment` on: missed actions are due then.
    pub(super) async fn resuming_schedule(
        &self,
        view: &View,
        mut batch: Batch,
        name: &ObjectName,
        moment: Timestamp,
    ) -> Result<Batch, Refusal> {
        let key = self.schedule_key(name);
        let Some(schedule) = self.record::<Schedule>(view, &key).await? else { return Ok(batch) };
        let next = schedule.not_before(moment);
        for due in next.due_entries(&self.call.vault) {
            batch = batch.put(due.key(), encode(&due)?);
        }
        Ok(batch.put(key, encode(&next)?))
    }

    /// `batch`, deleting the schedule and the policy of an object that is purged.
    pub(super) async fn deleting_schedule(
        &self,
        view: &View,
        batch: Batch,
        name: &ObjectName,
    ) -> Result<Batch, Refusal> {
        let mut batch = self.suspending_schedule(view, batch, name).await?;
        for key in [self.schedule_key(name), self.policy_key(name)] {
            if self.layers().locate(view, &key).await?.is_some() {
                batch = self.layers().deleting(view, batch, &key).await?;
            }
        }
        Ok(batch)
    }

    /// Whether `action` is still to be done for the object at the moment `at`.
    pub(crate) async fn still_due(
        &self,
        view: &View,
        name: &ObjectName,
        action: DueAction,
        at: Timestamp,
    ) -> Result<bool, Refusal> {
        let schedule = self.record::<Schedule>(view, &self.schedule_key(name)).await?;
        Ok(schedule.is_some_and(|schedule| schedule.has(action, at)))
    }

    /// `batch`, with `action` marked as done for the object.
    pub(crate) async fn marking_done(
        &self,
        view: &View,
        batch: Batch,
        name: &ObjectName,
        action: DueAction,
    ) -> Result<Batch, Refusal> {
        let before = self.record::<Schedule>(view, &self.schedule_key(name)).await?;
        let next = before.as_ref().map(|before| before.with_done(action));
        self.replacing_schedule(view, batch, name, before.as_deref(), next).await
    }
}
