//! The trails of the last requests, held in memory: what `keyhaven log` and `keyhaven audit` show, and what is written into the
//! audit file. Each takes up to about a kilobyte, and there are 1,000 of them at most; 8,192 where something follows them.

use std::fmt::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{KeptRequest, Printable, Received, Trail};
use crate::clock::Timestamp;
use crate::http::routes::Params;

/// The number of trails that are held.
const MOST: usize = 1000;
/// The number where something follows them: the room that it has to fall behind.
const MOST_FOLLOWED: usize = 8192;

/// The last requests. A trail's number is one more than that of the trail before it.
#[derive(Debug)]
pub(crate) struct RecentTrails {
    trails: Mutex<Trails>,
    added: Condvar,
}

/// A ring: the trail of number `n` is at `(n - 1) % most`.
#[derive(Debug)]
struct Trails {
    entries: Vec<RecentTrail>,
    most: usize,
    /// The number of the newest one; 0 before the first.
    last: u64,
    /// The number of those before now that are audited.
    audited: u64,
    /// Whether something waits for the next one.
    is_awaited: bool,
    /// Whether no more will come.
    is_closed: bool,
}

/// A trail, and when its request was answered.
#[derive(Clone, Debug)]
pub(crate) struct RecentTrail {
    /// Its number, from 1.
    pub number: u64,
    /// Its number among those that are audited, from 1; that of the one before it where it is not audited itself.
    pub audited: u64,
    /// When the request was answered, on the system clock.
    pub at: Timestamp,
    /// The trail.
    pub trail: Trail,
    /// What else is kept of the request.
    pub request: KeptRequest,
}

impl Default for RecentTrails {
    fn default() -> Self {
        Self::holding(MOST)
    }
}

impl RecentTrails {
    /// Room for more trails, for followers to fall behind.
    pub(crate) fn followed() -> Self {
        Self::holding(MOST_FOLLOWED)
    }

    fn holding(most: usize) -> Self {
        let trails = Trails { entries: vec![], most, last: 0, audited: 0, is_awaited: false, is_closed: false };
        Self { trails: Mutex::new(trails), added: Condvar::new() }
    }

    /// Adds the trail of a request that was answered `at`, in the place of the oldest one when there is no room.
    pub(crate) fn add(&self, at: Timestamp, mut trail: Trail, received: &Received) {
        let mut trails = self.lock();
        trails.last += 1;
        trails.audited += u64::from(trail.is_audited());
        let (number, audited, index) = (trails.last, trails.audited, trails.index(trails.last));
        // The texts of the oldest one are written over: a request allocates none.
        let (object, request) = match trails.entries.get_mut(index) {
            Some(oldest) => (oldest.trail.resource.take(), std::mem::take(&mut oldest.request)),
            None => (None, KeptRequest::default()),
        };
        trail.forget_path(object.unwrap_or_default());
        let entry = RecentTrail { number, audited, at, trail, request: request.filled_with(received) };
        match trails.entries.get_mut(index) {
            Some(oldest) => *oldest = entry,
            None => trails.entries.push(entry),
        }
        if trails.is_awaited {
            trails.is_awaited = false;
            self.added.notify_all();
        }
    }

    /// The first `limit` trails with numbers above `after`; without it the last `limit` ones. The oldest comes first. Besides
    /// the number of the newest trail there is.
    pub(crate) fn list(&self, after: Option<u64>, limit: usize) -> (Vec<RecentTrail>, u64) {
        let trails = self.lock();
        let before_first = trails.last - trails.entries.len() as u64;
        let after = after.unwrap_or_else(|| trails.last.saturating_sub(limit as u64)).max(before_first);
        let found = (after.saturating_add(1)..=trails.last)
            .take(limit)
            .filter_map(|number| trails.entries.get(trails.index(number)));
        (found.cloned().collect(), trails.last)
    }

    /// Waits until there is a trail with a number above `after`; answers whether one may still come.
    pub(crate) fn wait_for_more(&self, after: u64) -> bool {
        let mut trails = self.lock();
        while trails.last <= after && !trails.is_closed {
            trails.is_awaited = true;
            trails = self.added.wait(trails).unwrap_or_else(PoisonError::into_inner);
        }
        !trails.is_closed
    }

    /// Says that no more trails will come.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.added.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Trails> {
        self.trails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trails {
    #[expect(clippy::cast_possible_truncation, reason = "below `most`")]
    const fn index(&self, number: u64) -> usize {
        ((number - 1) % self.most as u64) as usize
    }
}

impl Trail {
    /// Leaves out the request's path, which can be long: what a line shows of the object stays, in `buffer`.
    fn forget_path(&mut self, mut buffer: String) {
        buffer.clear();
        let object = self.object().map(|object| write!(buffer, "{}", Printable(&object)));
        self.resource = object.map(|_| buffer);
        self.params = Params::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(trails: &RecentTrails, after: Option<u64>, limit: usize) -> Vec<u64> {
        trails.list(after, limit).0.iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn the_newest_are_kept_and_numbered() {
        let trails = RecentTrails::default();
        assert_eq!((numbers(&trails, None, 10), trails.list(None, 10).1), (vec![], 0));
        for _ in 0..MOST + 5 {
            trails.add(Timestamp::from_unix(0), Trail::new("vault"), &Received::default());
        }
        assert_eq!(numbers(&trails, None, 2), [1004, 1005]);
        assert_eq!(numbers(&trails, Some(1003), 10), [1004, 1005]);
        assert_eq!(numbers(&trails, Some(0), 2), [6, 7], "the first five are gone");
        assert_eq!((numbers(&trails, Some(1005), 10), trails.list(None, 1).1), (vec![], 1005));
        assert_eq!(numbers(&trails, None, usize::MAX).len(), MOST);
        assert_eq!(numbers(&trails, Some(u64::MAX), 10), [0; 0], "none is above the largest number");
    }

    #[test]
    fn an_entry_is_small_whatever_was_asked_for() {
        let trails = RecentTrails::default();
        let mut trail = Trail::new("vault");
        trail.resource = Some("x".repeat(100_000));
        trails.add(Timestamp::from_unix(0), trail, &Received::default());
        let kept = &trails.list(None, 1).0[0].trail;
        assert!(kept.object().unwrap().len() < 150, "{}", kept.object().unwrap().len());
    }

    #[test]
    fn who_waits_is_woken_and_those_that_are_audited_are_counted() {
        let trails = RecentTrails::followed();
        let add = |door| trails.add(Timestamp::from_unix(0), Trail::new(door), &Received::default());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| trails.wait_for_more(0));
            ["vault", "arm", "vault"].into_iter().for_each(add);
            assert!(waiting.join().unwrap());
        });
        let audited: Vec<_> = trails.list(None, 9).0.iter().map(|entry| entry.audited).collect();
        assert_eq!(audited, [1, 1, 2]);
        trails.close();
        assert!(!trails.wait_for_more(3));
    }
}
