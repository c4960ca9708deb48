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

/// Trails that were asked for.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The trails, the oldest first.
    pub entries: Vec<RecentTrail>,
    /// The audit number to go on after.
    pub last: u64,
    /// How many audited trails after the given number are not held any more, whether they were asked for or not.
    pub lost: u64,
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
        let request = request.filled_with(received, trail.address);
        let entry = RecentTrail { number, audited, at, trail, request };
        match trails.entries.get_mut(index) {
            Some(oldest) => *oldest = entry,
            None => trails.entries.push(entry),
        }
        if trails.is_awaited {
            trails.is_awaited = false;
            self.added.notify_all();
        }
    }

    /// The first `limit` trails with numbers above `after`, the oldest first.
    pub(crate) fn list(&self, after: u64, limit: usize) -> Vec<RecentTrail> {
        let trails = self.lock();
        let after = after.max(trails.last - trails.entries.len() as u64);
        let found = (after.saturating_add(1)..=trails.last).take(limit).filter_map(|number| trails.get(number));
        found.cloned().collect()
    }

    /// Of the requests the first `limit` ones with numbers above `after`, without it the last `limit` ones; the oldest comes first.
    /// Besides, the number to go on after.
    pub(crate) fn list_requests(&self, after: Option<u64>, limit: usize) -> (Vec<RecentTrail>, u64) {
        let trails = self.lock();
        let (found, next) = trails.pick((after, limit), |entry| entry.number, |entry| entry.trail.due.is_none());
        (found, next.unwrap_or(trails.last))
    }

    /// Of the audited trails that `fits` has, the first `limit` ones with audit numbers above `after`; without it the last `limit`
    /// ones.
    pub(crate) fn select(&self, after: Option<u64>, limit: usize, fits: impl Fn(&RecentTrail) -> bool) -> Selection {
        let trails = self.lock();
        let fits = |entry: &RecentTrail| entry.trail.is_audited() && fits(entry);
        let (entries, next) = trails.pick((after, limit), |entry| entry.audited, fits);
        let lost = after.map_or(0, |after| trails.lost_above(after));
        Selection { entries, last: next.unwrap_or(trails.audited), lost }
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
    fn get(&self, number: u64) -> Option<&RecentTrail> {
        self.entries.get(self.index(number))
    }

    fn newest_first(&self) -> impl Iterator<Item = &RecentTrail> {
        let before_first = self.last - self.entries.len() as u64;
        (before_first + 1..=self.last).rev().filter_map(|number| self.get(number))
    }

    /// Of the trails that `fits` has, the first `limit` ones whose `number` is above `after`, without it the last `limit` ones; the oldest
    /// comes first. Besides the last one's number, where more follow. No more than those are copied while requests wait.
    fn pick(
        &self,
        (after, limit): (Option<u64>, usize),
        number: impl Fn(&RecentTrail) -> u64,
        fits: impl Fn(&RecentTrail) -> bool,
    ) -> (Vec<RecentTrail>, Option<u64>) {
        let fits = |entry: &&RecentTrail| fits(entry);
        let Some(after) = after else {
            let mut found: Vec<_> = self.newest_first().filter(fits).take(limit).cloned().collect();
            found.reverse();
            return (found, None);
        };
        let above = self.newest_first().take_while(|entry| number(entry) > after).count() as u64;
        let mut all = (self.last - above + 1..=self.last).filter_map(|number| self.get(number)).filter(fits);
        let found: Vec<_> = all.by_ref().take(limit).cloned().collect();
        let next = all.next().and(found.last()).map(number);
        (found, next)
    }

    /// How many audited trails with audit numbers above `after` were held once and are no more.
    fn lost_above(&self, after: u64) -> u64 {
        let oldest = self.get(self.last - self.entries.len() as u64 + 1);
        let gone = oldest.map_or(0, |oldest| oldest.audited - u64::from(oldest.trail.is_audited()));
        gone.saturating_sub(after)
    }

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

    fn numbers(trails: &RecentTrails, after: u64, limit: usize) -> Vec<u64> {
        trails.list(after, limit).iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn the_newest_are_kept_and_numbered() {
        let trails = RecentTrails::default();
        assert_eq!(numbers(&trails, 0, 10), [0; 0]);
        for _ in 0..MOST + 5 {
            trails.add(Timestamp::from_unix(0), Trail::new("vault"), &Received::default());
        }
        assert_eq!(numbers(&trails, 1003, 10), [1004, 1005]);
        assert_eq!(numbers(&trails, 0, 2), [6, 7], "the first five are gone");
        assert_eq!(numbers(&trails, 1005, 10), [0; 0]);
        assert_eq!(numbers(&trails, 0, usize::MAX).len(), MOST);
        assert_eq!(numbers(&trails, u64::MAX, 10), [0; 0], "none is above the largest number");
    }

    #[test]
    fn audited_ones_are_selected_by_their_own_numbers_and_the_gone_are_counted() {
        let trails = RecentTrails::default();
        let of = |door| Trail { request_id: Some(uuid::Uuid::nil()), ..Trail::new(door) };
        let selected = |after, limit, fits: fn(&RecentTrail) -> bool| {
            let Selection { entries, last, lost } = trails.select(after, limit, fits);
            (entries.iter().map(|entry| entry.audited).collect::<Vec<_>>(), last, lost)
        };
        assert_eq!(selected(Some(0), 9, |_| true), (vec![], 0, 0));
        // Every second one is audited.
        for number in 1..=MOST + 100 {
            let door = if number % 2 == 0 { "vault" } else { "arm" };
            trails.add(Timestamp::from_unix(0), of(door), &Received::default());
        }
        assert_eq!(selected(None, 2, |_| true), (vec![549, 550], 550, 0));
        assert_eq!(selected(None, 2, |entry| entry.audited < 60), (vec![58, 59], 550, 0));
        assert_eq!(selected(Some(540), 2, |_| true), (vec![541, 542], 542, 0), "there are more");
        assert_eq!(selected(Some(548), 2, |_| true), (vec![549, 550], 550, 0));
        assert_eq!(selected(Some(540), 9, |entry| entry.audited == 544), (vec![544], 550, 0));
        assert_eq!(selected(Some(10), 1, |_| true), (vec![51], 51, 40));
        assert_eq!(selected(Some(50), 1, |_| true), (vec![51], 51, 0));
        assert_eq!(selected(Some(550), 9, |_| true), (vec![], 550, 0));
        assert_eq!(selected(Some(u64::MAX), 9, |_| true), (vec![], 550, 0));
    }

    #[test]
    fn an_entry_is_small_whatever_was_asked_for() {
        let trails = RecentTrails::default();
        let mut trail = Trail::new("vault");
        trail.resource = Some("x".repeat(100_000));
        trails.add(Timestamp::from_unix(0), trail, &Received::default());
        let kept = &trails.list(0, 1)[0].trail;
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
        let audited: Vec<_> = trails.list(0, 9).iter().map(|entry| entry.audited).collect();
        assert_eq!(audited, [1, 1, 2]);
        trails.close();
        assert!(!trails.wait_for_more(3));
    }

    #[test]
    fn what_vaults_did_by_themselves_is_among_no_requests() {
        let trails = RecentTrails::default();
        assert_eq!((trails.list_requests(None, 9).1, trails.list_requests(Some(0), 9).1), (0, 0));
        for number in 1..=9 {
            let due = (number % 3 == 0).then(|| Timestamp::from_unix(0));
            trails.add(Timestamp::from_unix(0), Trail { due, ..Trail::new("vault") }, &Received::default());
        }
        let listed = |after, limit| {
            let (entries, last) = trails.list_requests(after, limit);
            (entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), last)
        };
        assert_eq!(listed(None, 3), (vec![5, 7, 8], 9));
        assert_eq!(listed(Some(1), 3), (vec![2, 4, 5], 5));
        assert_eq!(listed(Some(5), 3), (vec![7, 8], 9));
        assert_eq!(listed(Some(8), 3), (vec![], 9));
        assert_eq!(listed(Some(u64::MAX), 3), (vec![], 9), "none is above the largest number");
    }
}
