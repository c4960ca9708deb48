//! The in-memory state of one webhook, behind a mutex. The distributor of new events, the webhook's worker,
//! pruning and the admin API share it; each holds the lock only for a moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::ledger::Accepted;
use super::queue::Queue;
use super::webhook::{EventType, Webhook};
use crate::clock::Timestamp;
use crate::vault::NewEvents;

/// The most new events that are listed by number; beyond, all kept events are compared with the marks.
const MAX_NEW: usize = 10_000;

/// A webhook and its state.
pub(super) struct WebhookState {
    pub(super) webhook: Webhook,
    pub(super) id: Uuid,
    state: Mutex<State>,
    changed: Notify,
}

/// The state of a webhook.
pub(super) struct State {
    /// New events that the worker has not read.
    inbox: NewEvents,
    /// New events that the worker reads now.
    reading: NewEvents,
    pub(super) queue: Queue,
    /// Events that were delivered or given up and are not marked in the store yet: number and id.
    pub(super) handled: BTreeMap<u64, Uuid>,
    pub(super) accepted: Option<Accepted>,
    pub(super) validation_code: Option<ValidationCode>,
    pub(super) delivered: u64,
    pub(super) dead_lettered: u64,
    pub(super) last_failure: Option<DeliveryFailure>,
}

/// The code with which a webhook or its owner may accept.
#[derive(Clone, Copy)]
pub(super) struct ValidationCode {
    pub(super) code: Uuid,
    pub(super) until: Instant,
}

/// The last failed delivery or handshake of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeliveryFailure {
    /// When, on the system clock.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
}

/// The status of a webhook.
#[derive(Clone, Debug)]
pub(crate) struct WebhookStatus {
    /// Its URL without the query.
    pub url: String,
    /// `eventgrid` or `cloudevents`.
    pub schema: &'static str,
    /// The types of events that it gets.
    pub types: Vec<EventType>,
    /// Whether it has accepted.
    pub validated: bool,
    /// Events that wait to be delivered, those in flight included.
    pub waiting: usize,
    /// Events delivered since the server started.
    pub delivered: u64,
    /// Events given up since the server started.
    pub dead_letters: u64,
    /// The last failure since the server started, if there was one.
    pub last_failure: Option<DeliveryFailure>,
}

impl WebhookState {
    pub(super) fn new(webhook: Webhook) -> Self {
        let state = State {
            inbox: NewEvents::All,
            reading: no_events(),
            queue: Queue::default(),
            handled: BTreeMap::new(),
            accepted: None,
            validation_code: None,
            delivered: 0,
            dead_lettered: 0,
            last_failure: None,
        };
        Self { id: webhook.id(), webhook, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Runs `work` on the state, under its lock.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves after [`WebhookState::notify`].
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Wakes the worker.
    pub(super) fn notify(&self) {
        self.changed.notify_one();
    }

    /// Adds new events and wakes the worker.
    pub(super) fn add_new(&self, fresh: &NewEvents) {
        self.with(|state| state.add_new(fresh));
        self.notify();
    }

    pub(super) fn status(&self) -> WebhookStatus {
        let Webhook { url, schema, .. } = &self.webhook;
        self.with(|state| WebhookStatus {
            url: url.without_query().to_owned(),
            schema: schema.as_str(),
            types: self.webhook.event_types(),
            validated: state.accepted.is_some(),
            waiting: state.queue.len(),
            delivered: state.delivered,
            dead_letters: state.dead_lettered,
            last_failure: state.last_failure.clone(),
        })
    }
}

impl State {
    fn add_new(&mut self, fresh: &NewEvents) {
        match (&mut self.inbox, fresh) {
            (NewEvents::Numbers(there), NewEvents::Numbers(new)) if there.len() + new.len() <= MAX_NEW => {
                there.extend(new)
            }
            (inbox, _) => *inbox = NewEvents::All,
        }
    }

    /// Whether there are new events that the worker has not read.
    pub(super) fn has_new_events(&self) -> bool {
        self.inbox != no_events()
    }

    /// Takes the new events. They count as waiting until [`State::finish_reading`].
    pub(super) fn take_new(&mut self) -> Option<NewEvents> {
        if !self.has_new_events() {
            return None;
        }
        self.reading = std::mem::replace(&mut self.inbox, no_events());
        Some(self.reading.clone())
    }

    /// Ends reading the new events; when that was not complete, all kept events have to be compared again.
    pub(super) fn finish_reading(&mut self, complete: bool) {
        self.reading = no_events();
        if !complete {
            self.inbox = NewEvents::All;
        }
    }

    /// Whether the event of this number may still have to be delivered or marked.
    pub(super) fn waits_for(&self, number: u64) -> bool {
        let among = |fresh: &NewEvents| match fresh {
            NewEvents::Numbers(numbers) => numbers.contains(&number),
            NewEvents::All => true,
        };
        self.queue.contains(number) || self.handled.contains_key(&number) || among(&self.inbox) || among(&self.reading)
    }
}

const fn no_events() -> NewEvents {
    NewEvents::Numbers(vec![])
}
