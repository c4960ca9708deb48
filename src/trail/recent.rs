//! The trails of the last requests, held in memory: what `keyhaven log` shows. Each takes up to about a kilobyte, and there
//! are 1,000 of them at most.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use super::{Printable, Trail};
use crate::clock::Timestamp;
use crate::http::routes::Params;

/// The number of trails that are held.
const MOST: usize = 1000;

/// The last requests. A trail's number is one more than that of the trail before it.
#[derive(Debug, Default)]
pub(crate) struct RecentTrails(Mutex<Trails>);

/// A ring: the trail of number `n` is at `(n - 1) % MOST`.
#[derive(Debug, Default)]
struct Trails {
    entries: Vec<RecentTrail>,
    /// The number of the newest one; 0 before the first.
    last: u64,
}

/// A trail, and when its request was answered.
#[derive(Clone, Debug)]
pub(crate) struct RecentTrail {
    /// Its number, from 1.
    pub number: u64,
    /// When the request was answered, on the system clock.
    pub at: Timestamp,
    /// The trail.
    pub trail: Trail,
}

impl RecentTrails {
    /// Adds the trail of a request that was answered `at`, in the place of the oldest one when there is no room.
    pub(crate) fn add(&self, at: Timestamp, mut trail: Trail) {
        let mut trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trails.last += 1;
        let (number, index) = (trails.last, Trails::index(trails.last));
        let oldest = trails.entries.get_mut(index);
        trail.forget_path(oldest.and_then(|oldest| oldest.trail.resource.take()).unwrap_or_default());
        let entry = RecentTrail { number, at, trail };
        match trails.entries.get_mut(index) {
            Some(oldest) => *oldest = entry,
            None => trails.entries.push(entry),
        }
    }

    /// The first `limit` trails with numbers above `after`; without it the last `limit` ones. The oldest comes first. Besides
    /// the number of the newest trail there is.
    pub(crate) fn list(&self, after: Option<u64>, limit: usize) -> (Vec<RecentTrail>, u64) {
        let trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before_first = trails.last - trails.entries.len() as u64;
        let after = after.unwrap_or_else(|| trails.last.saturating_sub(limit as u64)).max(before_first);
        let found = (after.saturating_add(1)..=trails.last)
            .take(limit)
            .filter_map(|number| trails.entries.get(Trails::index(number)));
        (found.cloned().collect(), trails.last)
    }
}

impl Trails {
    #[expect(clippy::cast_possible_truncation, reason = "below MOST")]
    const fn index(number: u64) -> usize {
        ((number - 1) % MOST as u64) as usize
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
            trails.add(Timestamp::from_unix(0), Trail::new("vault"));
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
        trails.add(Timestamp::from_unix(0), trail);
        let kept = &trails.list(None, 1).0[0].trail;
        assert!(kept.object().unwrap().len() < 150, "{}", kept.object().unwrap().len());
    }
}
