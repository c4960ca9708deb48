//! What is remembered of webhooks in the store: since when each is subscribed, whether it has accepted, and of what it was
//! told. Commits of different objects become visible in another order than that of their numbers, so what was told is
//! marked event by event; there is no line that everything before has passed.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::webhook::{EventType, Webhook};
use crate::records::{Change, Records, View, encode};
use crate::store::{Batch, Key};
use crate::vault::{Refusal, Vaults};

/// Keys that one commit takes away, and marks that are read at once.
const AT_ONCE: usize = 1000;

/// What is remembered of webhooks. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger {
    records: Records,
}

/// A webhook's subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    /// Of each type that it hears of, the number that its first event is higher than: it gets no history.
    since: BTreeMap<EventType, u64>,
    /// How it has accepted, if it has.
    pub(super) accepted: Option<Accepted>,
}

/// That a webhook wants events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accepted {
    /// The most deliveries a minute, if it has said so.
    pub(super) rate: Option<u32>,
}

impl Subscription {
    /// Whether an event of this type and number came after the subscription.
    pub(super) fn covers(&self, kind: EventType, number: u64) -> bool {
        self.since.get(&kind).is_some_and(|since| number > *since)
    }

    /// The number behind which its events lie.
    pub(super) fn start(&self) -> u64 {
        self.since.values().min().copied().unwrap_or(u64::MAX)
    }
}

impl Ledger {
    pub(super) const fn new(records: Records) -> Self {
        Self { records }
    }

    /// The subscription of `hook`, which begins now where it has none: what happened before is history. One that is made
    /// anew goes on as `accepted`.
    pub(super) async fn subscribe(
        &self,
        vaults: &Vaults,
        hook: &Webhook,
        accepted: Option<Accepted>,
    ) -> Result<Subscription, Refusal> {
        let highest = vaults.event_numbers().await?.last().copied().unwrap_or_default();
        let (place, wanted) = (&subscription(hook.id()), &hook.wanted());
        self.records
            .update(|view: View| async move {
                let there = self.records.entry::<Subscription>(&view, place).await?;
                let former = there.as_ref().map(|(there, _)| there.as_ref().clone()).unwrap_or_default();
                let since = |kind: &EventType| (*kind, former.since.get(kind).copied().unwrap_or(highest));
                let next = Subscription {
                    since: wanted.iter().map(since).collect(),
                    accepted: if there.is_some() { former.accepted } else { accepted },
                };
                let expected = there.as_ref().map_or(0, |(_, revision)| *revision);
                let batch = if there.is_some_and(|(there, _)| *there == next) {
                    Batch::default()
                } else {
                    Batch::default().expect(place.clone(), expected).put(place.clone(), encode(&next)?)
                };
                Ok(Change { batch, answer: next })
            })
            .await
    }

    /// Remembers that a webhook wants events.
    pub(super) async fn accept(&self, hook: Uuid, accepted: Accepted) -> Result<(), Refusal> {
        let place = &subscription(hook);
        self.records
            .update(|view: View| async move {
                let there = self.records.entry::<Subscription>(&view, place).await?;
                let Some((there, revision)) = there else { return Ok(Change { batch: Batch::default(), answer: () }) };
                let next = Subscription { accepted: Some(accepted), ..there.as_ref().clone() };
                let batch = Batch::default().expect(place.clone(), revision).put(place.clone(), encode(&next)?);
                Ok(Change { batch, answer: () })
            })
            .await
    }

    /// Marks that `hook` need not be told of these events any more.
    pub(super) async fn mark(&self, hook: Uuid, told: &BTreeMap<u64, Uuid>) -> Result<(), Refusal> {
        self.records
            .update(|_: View| async move {
                let mut batch = Batch::default();
                for (number, id) in told {
                    batch = batch.put(mark(hook, *number), encode(id)?);
                }
                Ok(Change { batch, answer: () })
            })
            .await
    }

    /// Whether `hook` was told of the event of this number and id.
    pub(super) async fn is_told(&self, view: &View, hook: Uuid, number: u64, id: Uuid) -> Result<bool, Refusal> {
        let told = self.records.get::<Uuid>(view, &mark(hook, number)).await?;
        Ok(told.is_some_and(|told| *told == id))
    }

    /// Every mark of `hook`.
    pub(super) async fn marks(&self, hook: Uuid) -> Result<HashMap<u64, Uuid>, Refusal> {
        let (view, prefix) = (self.view().await?, marks(hook));
        let (mut all, mut after) = (HashMap::new(), None);
        loop {
            let found = view.keys(&prefix, after.as_ref(), AT_ONCE).await.map_err(crate::records::RecordError::from)?;
            for (key, _) in &found {
                let told = self.records.get::<Uuid>(&view, key).await?;
                all.extend(number_of(key, &prefix).zip(told.map(|id| *id)));
            }
            match found.last() {
                Some((last, _)) if found.len() == AT_ONCE => after = Some(last.clone()),
                _ => return Ok(all),
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn view(&self) -> Result<View, Refusal> {
        Ok(self.records.view().await?)
    }

    /// Takes the marks of these events away.
    pub(super) async fn unmark(&self, hooks: &[Uuid], numbers: &[u64]) -> Result<(), Refusal> {
        for hook in hooks {
            for numbers in numbers.chunks(AT_ONCE) {
                self.delete(numbers.iter().map(|number| mark(*hook, *number)).collect()).await?;
            }
        }
        Ok(())
    }

    /// Forgets every webhook but `hooks`: one that is configured again later begins anew.
    pub(super) async fn forget_others(&self, hooks: &[Uuid]) -> Result<(), Refusal> {
        let prefix = Key::from("hook/");
        let known =
            self.view().await?.keys(&prefix, None, usize::MAX).await.map_err(crate::records::RecordError::from)?;
        for (place, _) in known {
            let hook = std::str::from_utf8(&place.as_bytes()[prefix.as_bytes().len()..]).ok();
            match hook.and_then(|hook| Uuid::parse_str(hook).ok()) {
                Some(hook) if hooks.contains(&hook) => {}
                Some(hook) => self.forget(hook).await?,
                None => self.delete(vec![place]).await?,
            }
        }
        Ok(())
    }

    async fn forget(&self, hook: Uuid) -> Result<(), Refusal> {
        loop {
            let found = self.view().await?.keys(&marks(hook), None, AT_ONCE).await;
            let found: Vec<_> =
                found.map_err(crate::records::RecordError::from)?.into_iter().map(|(key, _)| key).collect();
            if found.is_empty() {
                return self.delete(vec![subscription(hook)]).await;
            }
            self.delete(found).await?;
        }
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<(), Refusal> {
        let batch = || Batch { delete: keys.clone(), ..Batch::default() };
        self.records.update(|_: View| async move { Ok(Change { batch: batch(), answer: () }) }).await
    }
}

fn subscription(hook: Uuid) -> Key {
    Key::from(format!("hook/{}", hook.simple()))
}

fn marks(hook: Uuid) -> Key {
    Key::from(format!("told/{}/", hook.simple()))
}

fn mark(hook: Uuid, number: u64) -> Key {
    Key::from(format!("told/{}/{number:020}", hook.simple()))
}

fn number_of(mark: &Key, prefix: &Key) -> Option<u64> {
    std::str::from_utf8(mark.as_bytes().get(prefix.as_bytes().len()..)?).ok()?.parse().ok()
}
