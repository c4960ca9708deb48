//! The queue of one webhook: events of the same object are sent one after another, those of different objects concurrently.
//! It holds event numbers instead of events, and the time is an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;
use uuid::Uuid;

/// An event to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// Its number in the store.
    pub(super) number: u64,
    /// Its id: another event may get the number after all data was replaced.
    pub(super) id: Uuid,
    /// A hash of its object. (Two objects with the same hash wait for each other.)
    pub(super) object: u64,
}

/// An event that was taken from the queue to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) number: u64,
    pub(super) id: Uuid,
    /// The number of earlier attempts.
    pub(super) attempts: u32,
    /// When its time to live began.
    pub(super) since: Instant,
}

/// The events that wait for a webhook, in the order of delivery.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    /// For each object, the waiting events; the current one is ready, waits for a retry, or is in flight.
    by_object: HashMap<u64, ObjectQueue>,
    ready: BTreeSet<u64>,
    retries: BTreeSet<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct ObjectQueue {
    numbers: BTreeSet<u64>,
    current: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: Uuid,
    object: u64,
    attempts: u32,
    since: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An earlier event of the object is not handled yet.
    Blocked,
    Ready,
    RetryAt(Instant),
    /// It is being sent.
    InFlight,
}

impl Queue {
    /// How many events wait, those in flight included.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the event of this number waits.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.waiting.contains_key(&number)
    }

    /// Adds an event; one that waits already keeps its state.
    pub(super) fn add(&mut self, pending: Pending, now: Instant) {
        let Pending { number, id, object } = pending;
        if self.waiting.get(&number).is_some_and(|waiting| waiting.id == id) {
            return;
        }
        self.remove(number);
        self.waiting.insert(number, Waiting { id, object, attempts: 0, since: now, state: State::Blocked });
        self.by_object.entry(object).or_default().numbers.insert(number);
        self.advance(object);
    }

    /// Replaces the waiting events by `all`; those that waited already keep their state.
    pub(super) fn replace(&mut self, all: &[Pending], now: Instant) {
        let ids: HashMap<u64, Uuid> = all.iter().map(|pending| (pending.number, pending.id)).collect();
        let stale = |(number, waiting): (&u64, &Waiting)| (ids.get(number) != Some(&waiting.id)).then_some(*number);
        for number in self.waiting.iter().filter_map(stale).collect::<Vec<_>>() {
            self.remove(number);
        }
        for pending in all {
            self.add(*pending, now);
        }
    }

    /// Takes the first event that may be sent now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Delivery> {
        while let Some((_, number)) = self.retries.first().copied().filter(|(at, _)| *at <= now) {
            self.set(number, State::Ready);
        }
        let number = self.ready.first().copied()?;
        self.set(number, State::InFlight);
        let Waiting { id, attempts, since, .. } = *self.waiting.get(&number)?;
        Some(Delivery { number, id, attempts, since })
    }

    /// When the next event may be sent; none while all wait for one in flight.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.ready.is_empty() { self.retries.first().map(|(at, _)| *at) } else { Some(now) }
    }

    /// Sends an event again at `at`. Returns whether it was still in flight.
    pub(super) fn retry_at(&mut self, delivery: &Delivery, at: Instant) -> bool {
        if !self.is_in_flight(delivery) {
            return false;
        }
        if let Some(waiting) = self.waiting.get_mut(&delivery.number) {
            waiting.attempts += 1;
        }
        self.set(delivery.number, State::RetryAt(at));
        true
    }

    /// Removes an event that was handled. Returns whether it was still in flight.
    pub(super) fn complete(&mut self, delivery: &Delivery) -> bool {
        let waited = self.is_in_flight(delivery);
        if waited {
            self.remove(delivery.number);
        }
        waited
    }

    /// Removes the oldest events so that `most` are left: at most `at_once`, and none in flight.
    pub(super) fn take_excess(&mut self, most: usize, at_once: usize) -> Vec<Delivery> {
        let surplus = self.waiting.len().saturating_sub(most).min(at_once);
        let oldest = self.waiting.iter().filter(|(_, waiting)| waiting.state != State::InFlight).take(surplus);
        let oldest: Vec<_> = oldest
            .map(|(number, waiting)| {
                let Waiting { id, attempts, since, .. } = *waiting;
                Delivery { number: *number, id, attempts, since }
            })
            .collect();
        oldest.iter().for_each(|delivery| self.remove(delivery.number));
        oldest
    }

    /// Starts every event's time to live now.
    pub(super) fn restart_lifetimes(&mut self, now: Instant) {
        self.waiting.values_mut().for_each(|waiting| waiting.since = now);
    }

    fn is_in_flight(&self, delivery: &Delivery) -> bool {
        let waiting = self.waiting.get(&delivery.number);
        waiting.is_some_and(|waiting| waiting.id == delivery.id && waiting.state == State::InFlight)
    }

    fn remove(&mut self, number: u64) {
        self.set(number, State::Blocked);
        let Some(Waiting { object, .. }) = self.waiting.remove(&number) else { return };
        if let Some(queue) = self.by_object.get_mut(&object) {
            queue.numbers.remove(&number);
            queue.current = queue.current.filter(|current| *current != number);
            if queue.numbers.is_empty() {
                self.by_object.remove(&object);
            }
        }
        self.advance(object);
    }

    /// Makes the first event of an object current, if none is.
    fn advance(&mut self, object: u64) {
        let Some(queue) = self.by_object.get_mut(&object).filter(|queue| queue.current.is_none()) else { return };
        queue.current = queue.numbers.first().copied();
        if let Some(first) = queue.current {
            self.set(first, State::Ready);
        }
    }

    fn set(&mut self, number: u64, state: State) {
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        match std::mem::replace(&mut waiting.state, state) {
            State::Ready => drop(self.ready.remove(&number)),
            State::RetryAt(at) => drop(self.retries.remove(&(at, number))),
            State::Blocked | State::InFlight => {}
        }
        match state {
            State::Ready => drop(self.ready.insert(number)),
            State::RetryAt(at) => drop(self.retries.insert((at, number))),
            State::Blocked | State::InFlight => {}
        }
    }
}

#[cfg(test)]
mod tests;
