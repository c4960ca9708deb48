//! The trails of the last requests, held in memory: what `keyhaven log` shows. Each takes up to about a kilobyte, and there
//! are 1,000 of them at most.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Printable, Trail};
use crate::clock::Timestamp;
use crate::http::routes::Params;

/// The number of trails that are held.
const MOST: usize = 1000;

/// The last requests. A trail's number is one more than that of the trail before it.
#[derive(Debug, Default)]
pub(crate) struct RecentTrails(Mutex<Trails>);

#[derive(Debug, Default)]
struct Trails {
    /// The oldest first.
    entries: VecDeque<Arc<RecentTrail>>,
    /// The number of the newest one; 0 before the first.
    last: u64,
}

/// A trail, and when its request was answered.
#[derive(Debug)]
pub(crate) struct RecentTrail {
    /// Its number, from 1.
    pub number: u64,
    /// When the request was answered, on the system clock.
    pub at: Timestamp,
    /// The trail.
    pub trail: Trail,
}

impl RecentTrails {
    /// Adds the trail of a request that was answered `at`; the oldest one goes when there is no room.
    pub(crate) fn add(&self, at: Timestamp, trail: Trail) {
        let trail = trail.without_path();
        let mut trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trails.last += 1;
        let number = trails.last;
        let oldest = if trails.entries.len() == MOST { trails.entries.pop_front() } else { None };
        trails.entries.push_back(Arc::new(RecentTrail { number, at, trail }));
        drop(trails);
        // Freed when other requests can go on.
        drop(oldest);
    }

    /// The first `limit` trails with numbers above `after`; without it the last `limit` ones. The oldest comes first. Besides
    /// the number of the newest trail there is.
    pub(crate) fn list(&self, after: Option<u64>, limit: usize) -> (Vec<Arc<RecentTrail>>, u64) {
        let trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let length = trails.entries.len();
        let start = match after {
            None => length.saturating_sub(limit),
            Some(after) => trails.entries.partition_point(|entry| entry.number <= after),
        };
        (trails.entries.range(start..).take(limit).cloned().collect(), trails.last)
    }
}

impl Trail {
    /// This trail without the request's path, which can be long: what a line shows of the object stays.
    fn without_path(mut self) -> Self {
        self.resource = self.object().map(|object| Printable(&object).to_string());
        self.params = Params::default();
        self
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
