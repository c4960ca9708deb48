//! The ledger: the records of webhooks in the store. A subscription holds since when a webhook gets events and whether it has
//! accepted; a mark says that it has handled an event. There is a mark for each event and no cursor, because commits of
//! different objects become visible in another order than that of their numbers.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::webhook::{EventType, Webhook};
use crate::records::{Change, Records, View, encode};
use crate::store::{Batch, EntryKey};
use crate::vault::{Refusal, Vaults};

/// Keys that one commit deletes, and marks that are read at once.
const BATCH: usize = 1000;

/// The records of webhooks. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger {
    records: Records,
}

/// A webhook's subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    /// For each type of event, the number of the last event before the subscription: a webhook gets no history.
    since: BTreeMap<EventType, u64>,
    /// The webhook's acceptance, if it has accepted.
    pub(super) accepted: Option<Accepted>,
}

/// A webhook's acceptance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accepted {
    /// The most deliveries a minute, if the webhook has set a limit.
    pub(super) rate: Option<u32>,
}

impl Subscription {
    /// Whether an event of this type and number came after the subscription.
    pub(super) fn covers(&self, kind: EventType, number: u64) -> bool {
        self.since.get(&kind).is_some_and(|since| number > *since)
    }

    /// The number above which its events lie.
    pub(super) fn start(&self) -> u64 {
        self.since.values().min().copied().unwrap_or(u64::MAX)
    }
}

impl Ledger {
    pub(super) const fn new(records: Records) -> Self {
        Self { records }
    }

    /// Loads the subscription of `hook`, or creates one that begins now and has `accepted` as its acceptance.
    pub(super) async fn subscribe(
        &self,
        vaults: &Vaults,
        hook: &Webhook,
        accepted: Option<Accepted>,
    ) -> Result<Subscription, Refusal> {
        let highest = vaults.event_numbers().await?.last().copied().unwrap_or_default();
        let (key, wanted) = (&subscription(hook.id()), &hook.event_types());
        self.records
            .update(|view: View| async move {
                let there = self.records.entry::<Subscription>(&view, key).await?;
                let previous = there.as_ref().map(|(there, _)| there.as_ref().clone()).unwrap_or_default();
                let since = |kind: &EventType| (*kind, previous.since.get(kind).copied().unwrap_or(highest));
                let next = Subscription {
                    since: wanted.iter().map(since).collect(),
                    accepted: if there.is_some() { previous.accepted } else { accepted },
                };
                let expected = there.as_ref().map_or(0, |(_, revision)| *revision);
                let batch = if there.is_some_and(|(there, _)| *there == next) {
                    Batch::default()
                } else {
                    Batch::default().expect(key.clone(), expected).put(key.clone(), encode(&next)?)
                };
                Ok(Change { batch, answer: next })
            })
            .await
    }

    /// Stores a webhook's acceptance.
    pub(super) async fn accept(&self, hook: Uuid, accepted: Accepted) -> Result<(), Refusal> {
        let key = &subscription(hook);
        self.records
            .update(|view: View| async move {
                let there = self.records.entry::<Subscription>(&view, key).await?;
                let Some((there, revision)) = there else { return Ok(Change { batch: Batch::default(), answer: () }) };
                let next = Subscription { accepted: Some(accepted), ..there.as_ref().clone() };
                let batch = Batch::default().expect(key.clone(), revision).put(key.clone(), encode(&next)?);
                Ok(Change { batch, answer: () })
            })
            .await
    }

    /// Marks that `hook` has handled these events: it got them, or they were given up.
    pub(super) async fn mark_handled(&self, hook: Uuid, handled: &BTreeMap<u64, Uuid>) -> Result<(), Refusal> {
        let mut batch = Batch::default();
        for (number, id) in handled {
            batch = batch.put(mark(hook, *number), encode(id)?);
        }
        Ok(self.records.commit_pieces(batch).await?)
    }

    /// Whether `hook` has handled the event of this number and id.
    pub(super) async fn is_handled(&self, view: &View, hook: Uuid, number: u64, id: Uuid) -> Result<bool, Refusal> {
        let handled = self.records.get::<Uuid>(view, &mark(hook, number)).await?;
        Ok(handled.is_some_and(|handled| *handled == id))
    }

    /// Every mark of `hook`: number and id of the event.
    pub(super) async fn handled(&self, hook: Uuid) -> Result<HashMap<u64, Uuid>, Refusal> {
        let (view, prefix) = (self.view().await?, marks(hook));
        let (mut all, mut after) = (HashMap::new(), None);
        loop {
            let found = view.keys(&prefix, after.as_ref(), BATCH).await.map_err(crate::records::RecordError::from)?;
            for (key, _) in &found {
                let handled = self.records.get::<Uuid>(&view, key).await?;
                all.extend(number_of(key, &prefix).zip(handled.map(|id| *id)));
            }
            match found.last() {
                Some((last, _)) if found.len() == BATCH => after = Some(last.clone()),
                _ => return Ok(all),
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn view(&self) -> Result<View, Refusal> {
        Ok(self.records.view().await?)
    }

    /// Deletes the marks of these events.
    pub(super) async fn unmark(&self, hooks: &[Uuid], numbers: &[u64]) -> Result<(), Refusal> {
        for hook in hooks {
            for numbers in numbers.chunks(BATCH) {
                self.delete(numbers.iter().map(|number| mark(*hook, *number)).collect()).await?;
            }
        }
        Ok(())
    }

    /// Deletes the records of every webhook but `hooks`: one that is configured again later begins a new subscription.
    pub(super) async fn remove_other_webhooks(&self, hooks: &[Uuid]) -> Result<(), Refusal> {
        let prefix = EntryKey::from("hook/");
        let known =
            self.view().await?.keys(&prefix, None, usize::MAX).await.map_err(crate::records::RecordError::from)?;
        for (key, _) in known {
            let hook = std::str::from_utf8(&key.as_bytes()[prefix.as_bytes().len()..]).ok();
            match hook.and_then(|hook| Uuid::parse_str(hook).ok()) {
                Some(hook) if hooks.contains(&hook) => {}
                Some(hook) => self.forget(hook).await?,
                None => self.delete(vec![key]).await?,
            }
        }
        Ok(())
    }

    async fn forget(&self, hook: Uuid) -> Result<(), Refusal> {
        loop {
            let found = self.view().await?.keys(&marks(hook), None, BATCH).await;
            let found: Vec<_> =
                found.map_err(crate::records::RecordError::from)?.into_iter().map(|(key, _)| key).collect();
            if found.is_empty() {
                return self.delete(vec![subscription(hook)]).await;
            }
            self.delete(found).await?;
        }
    }

    async fn delete(&self, keys: Vec<EntryKey>) -> Result<(), Refusal> {
        Ok(self.records.commit_pieces(Batch { delete: keys, ..Batch::default() }).await?)
    }
}

fn subscription(hook: Uuid) -> EntryKey {
    EntryKey::from(format!("hook/{}", hook.simple()))
}

fn marks(hook: Uuid) -> EntryKey {
    EntryKey::from(format!("handled/{}/", hook.simple()))
}

fn mark(hook: Uuid, number: u64) -> EntryKey {
    EntryKey::from(format!("handled/{}/{number:020}", hook.simple()))
}

fn number_of(mark: &EntryKey, prefix: &EntryKey) -> Option<u64> {
    std::str::from_utf8(mark.as_bytes().get(prefix.as_bytes().len()..)?).ok()?.parse().ok()
}
