//! What happens to an object by itself: its latest version is near its end, has expired, or is followed by another. The
//! schedule of an object says what is still to come; whoever changes what it follows from, changes it in the same
//! commit, and its entries in the index of what falls due with it.

use serde::{Deserialize, Serialize};

use super::super::due::{Due, DueAction};
use super::super::keys::rotation::RotationPolicy;
use super::super::{Kind, ObjectName, Refusal, Vault, Version};
use super::Attributes;
use super::Head;
use super::objects::Objects;
use crate::clock::Timestamp;
use crate::records::{Record, View, encode};
use crate::store::{Batch, Key};

/// Seconds that the notice of a version's end comes before it, where no rotation policy says another time (the
/// document "Azure Key Vault as Event Grid source": 30 days).
const NOTICE: i64 = 30 * 86_400;

/// A version's record, as far as what happens by itself follows from it.
pub(in super::super) trait Versioned: Record + Clone {
    /// Its attributes.
    fn attributes(&self) -> &Attributes;

    /// Whether the server may make the version that follows it.
    fn rotates(&self) -> bool;

    /// This record, for a version that follows `previous`; none is the object's first.
    #[must_use]
    fn with_previous(self, previous: Option<&Version>) -> Self;
}

/// What is to happen to the latest version of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Schedule {
    kind: Kind,
    name: ObjectName,
    version: Version,
    marks: Vec<Mark>,
}

/// One thing that happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    what: DueAction,
    /// When the rule has it.
    date: Timestamp,
    /// When it is done; none once it is.
    at: Option<Timestamp>,
}

/// What happens to a version, and when by the rule.
type Dates = Vec<(DueAction, Timestamp)>;

impl Schedule {
    /// What is to happen to the latest `version` of an object, on these `dates`. What was done already for the same
    /// version on the same date is not done again; what lies in the past is done at once.
    fn next(before: Option<&Self>, whose: (Kind, &ObjectName, &Version), dates: Dates, now: Timestamp) -> Option<Self> {
        let (kind, name, version) = whose;
        let before = before.filter(|before| before.version == *version);
        let known = |what, date| before?.marks.iter().find(|mark| mark.what == what && mark.date == date).copied();
        let has_expired = dates.iter().any(|(what, date)| *what == DueAction::Expired && *date <= now);
        let mark = |(what, date): (DueAction, Timestamp)| {
            // Nobody is warned of what has happened.
            let over = what == DueAction::NearExpiry && has_expired;
            known(what, date).unwrap_or(Mark { what, date, at: (!over).then(|| date.max(now)) })
        };
        let marks: Vec<_> = dates.into_iter().map(mark).collect();
        (!marks.is_empty()).then(|| Self { kind, name: name.clone(), version: version.clone(), marks })
    }

    /// What is still to come, as entries of the index for the layer of `vault`.
    pub(in super::super) fn dues<'a>(&'a self, vault: &'a Vault) -> impl Iterator<Item = Due> + 'a {
        let due = |mark: &Mark| Some(Due::new(vault, self.kind, &self.name, mark.what, mark.at?));
        self.marks.iter().filter_map(due)
    }

    /// Whether `what` is to be done at the moment `at`.
    pub(in super::super) fn has(&self, what: DueAction, at: Timestamp) -> bool {
        self.marks.iter().any(|mark| mark.what == what && mark.at == Some(at))
    }

    /// What is still to be done first of all, if it should have been done by `now`.
    fn overdue(&self, now: Timestamp) -> Option<(DueAction, Timestamp)> {
        let due = self.marks.iter().filter_map(|mark| Some((mark.what, mark.at.filter(|at| *at <= now)?)));
        due.min_by_key(|(what, at)| (*at, what.word()))
    }

    fn with_done(&self, what: DueAction) -> Self {
        let marks = self.marks.iter().map(|mark| Mark { at: mark.at.filter(|_| mark.what != what), ..*mark });
        Self { marks: marks.collect(), ..self.clone() }
    }

    fn not_before(&self, moment: Timestamp) -> Self {
        let marks = self.marks.iter().map(|mark| Mark { at: mark.at.map(|at| at.max(moment)), ..*mark });
        Self { marks: marks.collect(), ..self.clone() }
    }
}

/// The dates of a version, as its record and the key's rotation policy have them.
fn dates<T: Versioned>(record: &T, policy: Option<&RotationPolicy>) -> Dates {
    let Attributes { created, exp, .. } = *record.attributes();
    let notice = |exp: Timestamp| match policy {
        Some(policy) => policy.notify_at(exp),
        None => Some(exp.plus_seconds(-NOTICE)),
    };
    let rotation = policy.filter(|_| record.rotates()).and_then(|policy| policy.rotate_at(created, exp));
    let all = [(DueAction::NearExpiry, exp.and_then(notice)), (DueAction::Expired, exp), (DueAction::Rotate, rotation)];
    all.into_iter().filter_map(|(what, date)| Some((what, date?))).collect()
}

impl Objects<'_> {
    /// `batch`, with the object's schedule as it follows from its latest version and the policy of its rotation.
    pub(in super::super) async fn scheduling<T: Versioned>(
        &self,
        view: &View,
        batch: Batch,
        latest: (&ObjectName, &Version, &T),
        policy: Option<&RotationPolicy>,
    ) -> Result<Batch, Refusal> {
        let (name, version, record) = latest;
        let before = self.get::<Schedule>(view, &self.schedule_key(name)).await?;
        let dates = dates(record, policy);
        let next = Schedule::next(before.as_deref(), (self.kind, name, version), dates, self.call.now);
        self.replacing_schedule(view, batch, name, before.as_deref(), next).await
    }

    /// As [`Self::scheduling`], by the policy that the key has.
    pub(in super::super) async fn rescheduling<T: Versioned>(
        &self,
        view: &View,
        batch: Batch,
        latest: (&ObjectName, &Version, &T),
    ) -> Result<Batch, Refusal> {
        let policy = match self.kind {
            Kind::Key => self.get::<RotationPolicy>(view, &self.rotation_key(latest.0)).await?,
            Kind::Secret => None,
        };
        self.scheduling(view, batch, latest, policy.as_deref()).await
    }

    /// Does what should have been done with a live object by the moment of this call: the clock may have jumped, and
    /// whoever changes the object finds it as it is by then. Needs that the object's turn is not taken.
    pub(in super::super) async fn run_overdue(&self, name: &ObjectName) -> Result<(), Refusal> {
        let mut before = None;
        while let Some(overdue) = self.overdue(name).await? {
            // What cannot be done is nobody's business here.
            if before.replace(overdue) == Some(overdue) {
                return Ok(());
            }
            let (vault, (what, at)) = (&self.call.vault, overdue);
            self.vaults.run_in_vault(&Due::new(vault, self.kind, name, what, at), vault.clone()).await?;
        }
        Ok(())
    }

    async fn overdue(&self, name: &ObjectName) -> Result<Option<(DueAction, Timestamp)>, Refusal> {
        let view = self.vaults.records().view().await?;
        let Some(schedule) = self.get::<Schedule>(&view, &self.schedule_key(name)).await? else { return Ok(None) };
        let Some(overdue) = schedule.overdue(self.call.now) else { return Ok(None) };
        let head = self.get::<Head>(&view, &self.head_key(name)).await?;
        Ok(head.filter(|head| head.is_visible(self.call.now)).map(|_| overdue))
    }

    /// `batch`, with `next` in the place of the schedule `before`.
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
        let due: Vec<Due> = next.iter().flat_map(|next| next.dues(vault)).collect();
        for former in before.iter().flat_map(|before| before.dues(vault)).filter(|former| !due.contains(former)) {
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

    /// `batch`, taking the object's entries off the index: it is deleted. Its schedule stays, for its recovery.
    pub(super) async fn suspending_schedule(
        &self,
        view: &View,
        mut batch: Batch,
        name: &ObjectName,
    ) -> Result<Batch, Refusal> {
        if let Some(schedule) = self.get::<Schedule>(view, &self.schedule_key(name)).await? {
            for due in schedule.dues(&self.call.vault) {
                batch = batch.delete(due.key());
            }
        }
        Ok(batch)
    }

    /// `batch`, with the object's schedule in force again from `moment` on: what it missed is done then.
    pub(super) async fn resuming_schedule(
        &self,
        view: &View,
        mut batch: Batch,
        name: &ObjectName,
        moment: Timestamp,
    ) -> Result<Batch, Refusal> {
        let key = self.schedule_key(name);
        let Some(schedule) = self.get::<Schedule>(view, &key).await? else { return Ok(batch) };
        let next = schedule.not_before(moment);
        for due in next.dues(&self.call.vault) {
            batch = batch.put(due.key(), encode(&due)?);
        }
        Ok(batch.put(key, encode(&next)?))
    }

    /// `batch`, taking away what an object has besides its versions, when nothing is left of it.
    pub(super) async fn deleting_schedule(
        &self,
        view: &View,
        batch: Batch,
        name: &ObjectName,
    ) -> Result<Batch, Refusal> {
        let mut batch = self.suspending_schedule(view, batch, name).await?;
        for key in [self.schedule_key(name), self.rotation_key(name)] {
            if self.locate(view, &key).await?.is_some() {
                batch = self.layers().deleting(view, batch, &key).await?;
            }
        }
        Ok(batch)
    }

    /// The object's schedule, if it still has `what` to be done at the moment `at`.
    pub(in super::super) async fn still_due(
        &self,
        view: &View,
        name: &ObjectName,
        what: DueAction,
        at: Timestamp,
    ) -> Result<bool, Refusal> {
        let schedule = self.get::<Schedule>(view, &self.schedule_key(name)).await?;
        Ok(schedule.is_some_and(|schedule| schedule.has(what, at)))
    }

    /// `batch`, with `what` done for the object.
    pub(in super::super) async fn marking_done(
        &self,
        view: &View,
        batch: Batch,
        name: &ObjectName,
        what: DueAction,
    ) -> Result<Batch, Refusal> {
        let before = self.get::<Schedule>(view, &self.schedule_key(name)).await?;
        let next = before.as_ref().map(|before| before.with_done(what));
        self.replacing_schedule(view, batch, name, before.as_deref(), next).await
    }

    pub(in super::super) fn schedule_key(&self, name: &ObjectName) -> Key {
        Key::from(self.path("schedule/", &[&name.upper()]))
    }

    pub(in super::super) fn rotation_key(&self, name: &ObjectName) -> Key {
        Key::from(self.path("rotation/", &[&name.upper()]))
    }
}
