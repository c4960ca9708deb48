//! What a webhook is still to be told, in order: the events of one object one after the other, those of others beside
//! them. It holds numbers, no events, and knows no time but what it is given.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;
use uuid::Uuid;

/// An event that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// Its number in the store.
    pub(super) number: u64,
    /// Its id: another event may get the number once everything is replaced.
    pub(super) id: Uuid,
    /// What it happened to. (A hash; two objects that share one wait for each other.)
    pub(super) object: u64,
}

/// An event that is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) id: Uuid,
    /// How often it was sent before.
    pub(super) attempts: u32,
    /// Since when attempts may be made.
    pub(super) since: Instant,
}

/// Events in the order they are to be told in.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    /// For each object, the numbers that wait for it and the one whose turn it is: ready, being retried, or away.
    lines: HashMap<u64, Line>,
    ready: BTreeSet<u64>,
    later: BTreeSet<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct Line {
    numbers: BTreeSet<u64>,
    turn: Option<u64>,
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
    /// Another event of the object comes first.
    Behind,
    Ready,
    Later(Instant),
    /// Being sent.
    Away,
}

impl Queue {
    /// How many events wait, those included that are being sent.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the event of this number waits.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.waiting.contains_key(&number)
    }

    /// Adds an event; one that waits already stays as it is.
    pub(super) fn add(&mut self, pending: Pending, now: Instant) {
        let Pending { number, id, object } = pending;
        if self.waiting.get(&number).is_some_and(|waiting| waiting.id == id) {
            return;
        }
        self.remove(number);
        self.waiting.insert(number, Waiting { id, object, attempts: 0, since: now, state: State::Behind });
        self.lines.entry(object).or_default().numbers.insert(number);
        self.advance(object);
    }

    /// Makes `all` what waits. What waited before goes on as it was, if it is among them.
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
    pub(super) fn next(&mut self, now: Instant) -> Option<Taken> {
        while let Some((_, number)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            self.set(number, State::Ready);
        }
        let number = self.ready.first().copied()?;
        self.set(number, State::Away);
        let Waiting { id, attempts, since, .. } = *self.waiting.get(&number)?;
        Some(Taken { number, id, attempts, since })
    }

    /// When something may be sent, if anything may be without another coming back first.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.ready.is_empty() { self.later.first().map(|(at, _)| *at) } else { Some(now) }
    }

    /// An event that was sent could not be told; it is sent again at `at`. Answers whether it still waits.
    pub(super) fn again(&mut self, taken: &Taken, at: Instant) -> bool {
        if !self.is_away(taken) {
            return false;
        }
        if let Some(waiting) = self.waiting.get_mut(&taken.number) {
            waiting.attempts += 1;
        }
        self.set(taken.number, State::Later(at));
        true
    }

    /// An event needs no more telling. Answers whether it still waited.
    pub(super) fn done(&mut self, taken: &Taken) -> bool {
        let waited = self.is_away(taken);
        if waited {
            self.remove(taken.number);
        }
        waited
    }

    /// Takes out the oldest events, so that `most` are left; no more than `at_once`, and none that are being sent.
    pub(super) fn surplus(&mut self, most: usize, at_once: usize) -> Vec<Taken> {
        let surplus = self.waiting.len().saturating_sub(most).min(at_once);
        let oldest = self.waiting.iter().filter(|(_, waiting)| waiting.state != State::Away).take(surplus);
        let oldest: Vec<_> = oldest
            .map(|(number, waiting)| {
                let Waiting { id, attempts, since, .. } = *waiting;
                Taken { number: *number, id, attempts, since }
            })
            .collect();
        oldest.iter().for_each(|taken| self.remove(taken.number));
        oldest
    }

    /// Attempts may be made from now on: what waited until then does not count.
    pub(super) fn begin(&mut self, now: Instant) {
        self.waiting.values_mut().for_each(|waiting| waiting.since = now);
    }

    fn is_away(&self, taken: &Taken) -> bool {
        let waiting = self.waiting.get(&taken.number);
        waiting.is_some_and(|waiting| waiting.id == taken.id && waiting.state == State::Away)
    }

    fn remove(&mut self, number: u64) {
        self.set(number, State::Behind);
        let Some(Waiting { object, .. }) = self.waiting.remove(&number) else { return };
        if let Some(line) = self.lines.get_mut(&object) {
            line.numbers.remove(&number);
            line.turn = line.turn.filter(|turn| *turn != number);
            if line.numbers.is_empty() {
                self.lines.remove(&object);
            }
        }
        self.advance(object);
    }

    /// Lets the first of an object's line be sent, if it is nobody's turn.
    fn advance(&mut self, object: u64) {
        let Some(line) = self.lines.get_mut(&object).filter(|line| line.turn.is_none()) else { return };
        line.turn = line.numbers.first().copied();
        if let Some(first) = line.turn {
            self.set(first, State::Ready);
        }
    }

    fn set(&mut self, number: u64, state: State) {
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        match std::mem::replace(&mut waiting.state, state) {
            State::Ready => drop(self.ready.remove(&number)),
            State::Later(at) => drop(self.later.remove(&(at, number))),
            State::Behind | State::Away => {}
        }
        match state {
            State::Ready => drop(self.ready.insert(number)),
            State::Later(at) => drop(self.later.insert((at, number))),
            State::Behind | State::Away => {}
        }
    }
}

#[cfg(test)]
mod tests;
