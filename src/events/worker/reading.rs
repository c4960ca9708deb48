//! What is new, looked at: which of it the webhook is to be told.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::Instant;
use uuid::Uuid;

use super::Worker;
use crate::events::queue::Pending;
use crate::events::webhook::EventType;
use crate::vault::{Event, Fresh, Refusal};

/// Events that are looked at before others have a turn.
const PAGE: usize = 500;

/// What looking at everything that is kept comes to.
#[derive(Default)]
struct Found {
    pending: Vec<Pending>,
    /// The id of each event that was looked at, by number.
    ids: HashMap<u64, Uuid>,
}

impl Worker {
    /// Puts what is new into the queue. Answers whether that was possible; if not, nothing is lost.
    pub(super) async fn read(&mut self) -> bool {
        let looked_at = match self.hook.with(|state| state.take()) {
            None => return true,
            Some(Fresh::Some(numbers)) => self.look_at(&numbers).await,
            Some(Fresh::All) => self.look_at_all().await,
        };
        if let Err(error) = &looked_at {
            tracing::error!(%error, "new events could not be read");
        }
        self.hook.with(|state| state.read(looked_at.is_ok()));
        looked_at.is_ok()
    }

    async fn look_at(&self, numbers: &[u64]) -> Result<(), Refusal> {
        for page in numbers.chunks(PAGE) {
            let view = self.tools.ledger.view().await?;
            for number in page {
                let Some(event) = self.tools.vaults.event(*number).await? else { continue };
                let is_told = self.tools.ledger.is_told(&view, self.hook.id, *number, event.id).await?;
                if self.subscription.covers(EventType::of(&event), *number) && !is_told {
                    self.add(&[pending(*number, &event)]);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn add(&self, all: &[Pending]) {
        let now = Instant::now();
        self.hook.with(|state| {
            for pending in all.iter().filter(|pending| state.done.get(&pending.number) != Some(&pending.id)) {
                state.queue.add(*pending, now);
            }
        });
    }

    /// All that are kept: at the start, when everything was replaced, and when too much was new at once.
    async fn look_at_all(&mut self) -> Result<(), Refusal> {
        let (hook, tools) = (self.hook.clone(), self.tools.clone());
        let accepted = hook.with(|state| state.accepted);
        self.subscription = tools.ledger.subscribe(&tools.vaults, &hook.webhook, accepted).await?;
        let marks = tools.ledger.marks(hook.id).await?;
        let found = self.found(&marks).await?;
        let stale = marks.iter().filter(|(number, id)| found.ids.get(number) != Some(id)).map(|(number, _)| *number);
        tools.ledger.unmark(&[hook.id], &stale.collect::<Vec<_>>()).await?;
        let now = Instant::now();
        hook.with(|state| {
            state.accepted = self.subscription.accepted;
            state.done.retain(|number, id| found.ids.get(number) == Some(id));
            let done = &state.done;
            let pending: Vec<_> =
                found.pending.into_iter().filter(|one| done.get(&one.number) != Some(&one.id)).collect();
            state.queue.replace(&pending, now);
            self.last.retain(|number, _| state.queue.contains(*number));
        });
        Ok(())
    }

    async fn found(&self, marks: &HashMap<u64, Uuid>) -> Result<Found, Refusal> {
        let (mut found, mut after) = (Found::default(), self.subscription.start());
        loop {
            let events = self.tools.vaults.events(after, PAGE).await?;
            for (number, event) in &events {
                found.ids.insert(*number, event.id);
                let is_told = marks.get(number) == Some(&event.id);
                if self.subscription.covers(EventType::of(event), *number) && !is_told {
                    found.pending.push(pending(*number, event));
                }
            }
            match events.last() {
                Some((last, _)) if events.len() == PAGE => after = *last,
                _ => return Ok(found),
            }
            tokio::task::yield_now().await;
        }
    }
}

/// An event's object is the vault itself when it happened to that.
fn pending(number: u64, event: &Event) -> Pending {
    let about = event.about.as_ref().map(|about| (about.kind, &about.name));
    let mut hasher = DefaultHasher::new();
    (&event.vault, about).hash(&mut hasher);
    Pending { number, id: event.id, object: hasher.finish() }
}
