//! Reads new events from the store and queues those that the webhook is subscribed to and has not handled.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::Instant;
use uuid::Uuid;

use super::Worker;
use crate::events::queue::Pending;
use crate::events::webhook::EventType;
use crate::vault::{Event, NewEvents, Refusal};

/// Events that are read before the task yields.
const PAGE: usize = 500;

/// The kept events that one webhook has still to handle, and the ids of all.
#[derive(Default)]
struct UnhandledEvents {
    /// Those that the webhook is subscribed to and has not handled.
    pending: Vec<Pending>,
    /// The id of each event, by number.
    ids: HashMap<u64, Uuid>,
}

impl Worker {
    /// Queues the new events. Returns whether the store could be read; if not, they count as new again.
    pub(super) async fn read(&mut self) -> bool {
        let queued = match self.hook.with(|state| state.take_new()) {
            None => return true,
            Some(NewEvents::Numbers(numbers)) => self.enqueue_new(&numbers).await,
            Some(NewEvents::All) => self.enqueue_all().await,
        };
        if let Err(error) = &queued {
            tracing::error!(%error, "new events could not be read");
        }
        self.hook.with(|state| state.finish_reading(queued.is_ok()));
        queued.is_ok()
    }

    async fn enqueue_new(&self, numbers: &[u64]) -> Result<(), Refusal> {
        for page in numbers.chunks(PAGE) {
            let view = self.deps.ledger.view().await?;
            for number in page {
                let Some(event) = self.deps.vaults.event(*number).await? else { continue };
                let is_handled = self.deps.ledger.is_handled(&view, self.hook.id, *number, event.id).await?;
                if self.subscription.covers(EventType::of(&event), *number) && !is_handled {
                    self.enqueue(&[pending(*number, &event)]);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn enqueue(&self, all: &[Pending]) {
        let now = Instant::now();
        self.hook.with(|state| {
            for pending in all.iter().filter(|pending| state.handled.get(&pending.number) != Some(&pending.id)) {
                state.queue.add(*pending, now);
            }
        });
    }

    /// Compares all kept events with the marks: at the start, after the data was replaced, and when more events were new
    /// than [`State`](crate::events::webhook_state::State) lists.
    async fn enqueue_all(&mut self) -> Result<(), Refusal> {
        let (hook, deps) = (self.hook.clone(), self.deps.clone());
        let accepted = hook.with(|state| state.accepted);
        self.subscription = deps.ledger.subscribe(&deps.vaults, &hook.webhook, accepted).await?;
        let marks = deps.ledger.handled(hook.id).await?;
        let found = self.find_unhandled(&marks).await?;
        let stale = marks.iter().filter(|(number, id)| found.ids.get(number) != Some(id)).map(|(number, _)| *number);
        deps.ledger.unmark(&[hook.id], &stale.collect::<Vec<_>>()).await?;
        let now = Instant::now();
        hook.with(|state| {
            state.accepted = self.subscription.accepted;
            state.handled.retain(|number, id| found.ids.get(number) == Some(id));
            let handled = &state.handled;
            let pending: Vec<_> =
                found.pending.into_iter().filter(|one| handled.get(&one.number) != Some(&one.id)).collect();
            state.queue.replace(&pending, now);
            self.last_attempts.retain(|number, _| state.queue.contains(*number));
        });
        Ok(())
    }

    async fn find_unhandled(&self, marks: &HashMap<u64, Uuid>) -> Result<UnhandledEvents, Refusal> {
        let (mut found, mut after) = (UnhandledEvents::default(), self.subscription.start());
        loop {
            let events = self.deps.vaults.events(after, PAGE).await?;
            for (number, event) in &events {
                found.ids.insert(*number, event.id);
                let is_handled = marks.get(number) == Some(&event.id);
                if self.subscription.covers(EventType::of(event), *number) && !is_handled {
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

/// Events of the same object get the same hash; an event of a vault has the vault as its object.
fn pending(number: u64, event: &Event) -> Pending {
    let about = event.subject.as_ref().map(|about| (about.kind, &about.name));
    let mut hasher = DefaultHasher::new();
    (&event.vault, about).hash(&mut hasher);
    Pending { number, id: event.id, object: hasher.finish() }
}
