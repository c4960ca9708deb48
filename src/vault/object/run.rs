//! Running what is due for an object.

use super::super::due::DueAction;
use super::super::event::{Event, EventSubject, Occurrence};
use super::super::observer::{Report, Reported};
use super::super::write::Write;
use super::super::{ObjectName, Refusal};
use super::Objects;
use super::kind::{ObjectKind, VersionRecord};
use crate::clock::Timestamp;
use crate::records::View;

impl<K: ObjectKind> Objects<'_, K> {
    /// Runs `action`, due at the moment `at`, if it still is; returns whether it was. The name must not be locked.
    pub(crate) async fn run_action(
        &self,
        name: &ObjectName,
        action: DueAction,
        at: Timestamp,
    ) -> Result<bool, Refusal> {
        let ran = match action {
            DueAction::Expired => self.announce(name, action, Occurrence::Expired, at).await,
            DueAction::NearExpiry => self.announce(name, action, Occurrence::NearExpiry, at).await,
            DueAction::Purge => self.reclaim(name).await,
            DueAction::Renew => K::renew_when_due(self, name, at).await,
        }?;
        if let Some(what) = Reported::of(action).filter(|_| ran) {
            let (vault, object) = (&*self.call.vault, Some((K::KIND, name)));
            self.vaults.report(&Report { what, vault, object, at });
        }
        Ok(ran)
    }

    /// Appends the event of an `occurrence` to the latest version, once; returns whether it was still to be appended.
    async fn announce(
        &self,
        name: &ObjectName,
        action: DueAction,
        occurrence: Occurrence,
        at: Timestamp,
    ) -> Result<bool, Refusal> {
        let decide = |view: View| async move { self.announcing(&view, name, action, occurrence, at).await };
        self.vaults.commit(self.call, &[self.id(name)], decide).await
    }

    async fn announcing(
        &self,
        view: &View,
        name: &ObjectName,
        action: DueAction,
        occurrence: Occurrence,
        at: Timestamp,
    ) -> Result<Write<bool>, Refusal> {
        if !self.still_due(view, name, action, at).await? {
            return Ok(Write::nothing(false));
        }
        let found = match self.find(view, name, None).await {
            Err(Refusal::NotFound { .. }) => return Ok(Write::nothing(false)),
            found => found?,
        };
        let batch = self.guarded_batch(view, [&self.head_key(name)]).await?;
        let batch = self.marking_done(view, batch, &found.name, action).await?;
        let subject = EventSubject::new(K::KIND, &found.name, &found.version, found.record.attributes());
        let event = Event::of_version(&self.call.vault, occurrence, subject, at);
        let (batch, number) = self.vaults.append_event(view, batch, &event).await?;
        Ok(Write { batch, events: vec![number], answer: true })
    }
}
