//! What is known of one webhook while the server runs: what waits for it, how it takes it. Whoever hands events out,
//! who sends them, who prunes and who looks share it; none holds it for longer than a moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::ledger::Accepted;
use super::queue::Queue;
use super::webhook::{EventType, Webhook};
use crate::clock::Timestamp;
use crate::vault::Fresh;

/// The most numbers of new events that wait to be looked at; beyond, all that are kept are.
const MOST_FRESH: usize = 10_000;

/// A webhook and its desk.
pub(super) struct Hook {
    pub(super) webhook: Webhook,
    pub(super) id: Uuid,
    state: Mutex<State>,
    news: Notify,
}

/// What is known of a webhook.
pub(super) struct State {
    /// New events that nobody has looked at.
    inbox: Fresh,
    /// Those that are being looked at.
    reading: Fresh,
    pub(super) queue: Queue,
    /// Events that need no more telling and are not marked yet.
    pub(super) done: BTreeMap<u64, Uuid>,
    pub(super) accepted: Option<Accepted>,
    pub(super) offer: Option<Offer>,
    pub(super) told: u64,
    pub(super) dead: u64,
    pub(super) last_failure: Option<Failure>,
}

/// What a webhook, or its owner, may accept with.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) code: Uuid,
    pub(super) until: Instant,
}

/// Why a webhook was last not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When, on the system clock.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
}

/// How a webhook stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its URL without the query.
    pub url: String,
    /// `eventgrid` or `cloudevents`.
    pub schema: &'static str,
    /// What it hears of.
    pub types: Vec<EventType>,
    /// Whether it has accepted.
    pub validated: bool,
    /// Events that it is still to be told.
    pub waiting: usize,
    /// Events that it was told since the server started.
    pub told: u64,
    /// Events that were given up since the server started.
    pub dead_letters: u64,
    /// The last failure since the server started, if there was one.
    pub last_failure: Option<Failure>,
}

impl Hook {
    pub(super) fn new(webhook: Webhook) -> Self {
        let state = State {
            inbox: Fresh::All,
            reading: nothing(),
            queue: Queue::default(),
            done: BTreeMap::new(),
            accepted: None,
            offer: None,
            told: 0,
            dead: 0,
            last_failure: None,
        };
        Self { id: webhook.id(), webhook, state: Mutex::new(state), news: Notify::new() }
    }

    /// Looks at its desk, or works on it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves when there is something new on the desk.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Says that there is something new on the desk.
    pub(super) fn tell(&self) {
        self.news.notify_one();
    }

    /// Puts new events on the desk.
    pub(super) fn post(&self, fresh: &Fresh) {
        self.with(|state| state.post(fresh));
        self.tell();
    }

    pub(super) fn standing(&self) -> Standing {
        let Webhook { url, schema, .. } = &self.webhook;
        self.with(|state| Standing {
            url: url.shown().to_owned(),
            schema: schema.as_str(),
            types: self.webhook.wanted(),
            validated: state.accepted.is_some(),
            waiting: state.queue.len(),
            told: state.told,
            dead_letters: state.dead,
            last_failure: state.last_failure.clone(),
        })
    }
}

impl State {
    fn post(&mut self, fresh: &Fresh) {
        match (&mut self.inbox, fresh) {
            (Fresh::Some(there), Fresh::Some(new)) if there.len() + new.len() <= MOST_FRESH => there.extend(new),
            (inbox, _) => *inbox = Fresh::All,
        }
    }

    /// Whether there are new events that nobody has looked at.
    pub(super) fn has_news(&self) -> bool {
        self.inbox != nothing()
    }

    /// The new events, to be looked at. They count as waiting until [`State::read`].
    pub(super) fn take(&mut self) -> Option<Fresh> {
        if !self.has_news() {
            return None;
        }
        self.reading = std::mem::replace(&mut self.inbox, nothing());
        Some(self.reading.clone())
    }

    /// The new events were looked at; or could not be, and all must be looked at again.
    pub(super) fn read(&mut self, looked_at: bool) {
        self.reading = nothing();
        if !looked_at {
            self.inbox = Fresh::All;
        }
    }

    /// Whether the event of this number may still have to be told, or be marked as told.
    pub(super) fn waits_for(&self, number: u64) -> bool {
        let among = |fresh: &Fresh| match fresh {
            Fresh::Some(numbers) => numbers.contains(&number),
            Fresh::All => true,
        };
        self.queue.contains(number) || self.done.contains_key(&number) || among(&self.inbox) || among(&self.reading)
    }
}

const fn nothing() -> Fresh {
    Fresh::Some(vec![])
}
