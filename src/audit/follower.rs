//! What follows the trails: a thread of its own that gives each one to a sink. The ring of trails is the queue, so requests never
//! wait for it. A sink that fails is asked again; what the ring has dropped meanwhile is counted.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::trail::{RecentTrail, RecentTrails};

/// The most trails that a sink is given at once.
const MOST_AT_ONCE: usize = 256;
/// How long more trails are waited for: one wake-up serves those of this time.
const GATHERING: Duration = Duration::from_millis(5);
/// How long until a sink that failed is asked again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Takes trails.
pub(crate) trait Sink: Send + 'static {
    /// Takes audited trails in their order; before them `lost` ones were dropped.
    ///
    /// # Errors
    /// When they could not be taken: then the same come again, or later ones and a number of lost ones.
    fn take(&mut self, lost: u64, trails: &[RecentTrail]) -> std::io::Result<()>;
}

/// A thread that follows the trails. Dropping it lets the thread end by itself.
#[derive(Debug)]
pub(crate) struct Follower {
    recent: Arc<RecentTrails>,
    /// Whether the sink took everything, when the thread has ended.
    ended: oneshot::Receiver<bool>,
}

impl Follower {
    /// Gives every trail from now on to `sink`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(recent: Arc<RecentTrails>, sink: impl Sink) -> std::io::Result<Self> {
        let (ending, ended) = oneshot::channel();
        let followed = recent.clone();
        thread::Builder::new().name("audit".to_owned()).spawn(move || {
            // None waits for the thread of a server that was dropped.
            let _ = ending.send(follow(&followed, sink));
        })?;
        Ok(Self { recent, ended })
    }

    /// Lets the sink take what there still is, for so long at the most; answers whether it took everything.
    pub(crate) async fn finish(mut self, most: Duration) -> bool {
        self.recent.close();
        matches!(tokio::time::timeout(most, &mut self.ended).await, Ok(Ok(true)))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.recent.close();
    }
}

/// Follows until no more trails come; answers whether the sink took the last ones.
fn follow(recent: &RecentTrails, mut sink: impl Sink) -> bool {
    let (mut number, mut audited, mut is_behind) = (0, 0, false);
    loop {
        let goes_on = recent.wait_for_more(number);
        if goes_on && !is_behind {
            thread::sleep(GATHERING);
        }
        let entries = recent.list(number, MOST_AT_ONCE);
        is_behind = entries.len() == MOST_AT_ONCE;
        let Some(last) = entries.last().map(|last| (last.number, last.audited)) else {
            if goes_on { continue } else { return true }
        };
        let lost = lost_before(&entries, audited);
        let entries: Vec<_> = entries.into_iter().filter(|entry| entry.trail.is_audited()).collect();
        let taken = if entries.is_empty() && lost == 0 { Ok(()) } else { sink.take(lost, &entries) };
        match taken {
            Ok(()) => (number, audited) = last,
            Err(_) if !goes_on => return false,
            Err(_) => thread::sleep(RETRY_AFTER),
        }
    }
}

/// The number of audited trails between the one of the number `audited` and the first of `entries`.
fn lost_before(entries: &[RecentTrail], audited: u64) -> u64 {
    let first = entries.first().map(|first| first.audited - u64::from(first.trail.is_audited()));
    first.map_or(0, |before| before.saturating_sub(audited))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Instant;

    use super::*;
    use crate::clock::Timestamp;
    use crate::trail::{Received, Trail};

    /// Fails so many times; then reports what was lost and how many trails came.
    struct Failing {
        times: u32,
        taken: Sender<(u64, usize)>,
    }

    impl Sink for Failing {
        fn take(&mut self, lost: u64, trails: &[RecentTrail]) -> std::io::Result<()> {
            if self.times > 0 {
                self.times -= 1;
                return Err(std::io::Error::other("full"));
            }
            self.taken.send((lost, trails.len())).unwrap();
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_sink_that_fails_is_asked_again_and_what_was_dropped_is_counted() {
        let recent = Arc::new(RecentTrails::default());
        let (taken, reports) = channel();
        let add = |door| recent.add(Timestamp::from_unix(0), Trail::new(door), &Received::default());
        // The ring holds 1,000: of 1,100, every tenth not audited, the first 90 audited ones are gone.
        (0..1100).for_each(|number| add(if number % 10 == 0 { "arm" } else { "vault" }));
        let follower = Follower::start(recent.clone(), Failing { times: 1, taken }).unwrap();
        let mut all = vec![reports.recv_timeout(Duration::from_secs(10)).unwrap()];
        assert!(follower.finish(Duration::from_secs(10)).await);
        all.extend(reports.try_iter());
        assert_eq!(all[0].0, 90);
        assert_eq!(all.iter().map(|(lost, count)| lost + *count as u64).sum::<u64>(), 990);
    }

    /// Others would be dropped as soon as more than a full batch came in the time of a pause.
    #[test]
    fn nothing_is_gathered_while_more_is_there_than_is_taken_at_once() {
        let batches = 8192 / MOST_AT_ONCE;
        let took = || {
            let (taken, reports) = channel();
            let recent = Arc::new(RecentTrails::followed());
            let add = || recent.add(Timestamp::from_unix(0), Trail::new("vault"), &Received::default());
            (0..batches * MOST_AT_ONCE).for_each(|_| add());
            let _follower = Follower::start(recent.clone(), Failing { times: 0, taken }).unwrap();
            let next = || reports.recv_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(next(), (0, MOST_AT_ONCE));
            let first = Instant::now();
            (1..batches).for_each(|_| assert_eq!(next(), (0, MOST_AT_ONCE)));
            first.elapsed()
        };
        assert!((0..5).any(|_| took() < GATHERING * 20), "a machine that is busy may be slow once");
    }

    #[tokio::test]
    async fn a_sink_that_fails_to_the_end_is_known_to_have_not_taken_everything() {
        let recent = Arc::new(RecentTrails::default());
        recent.add(Timestamp::from_unix(0), Trail::new("vault"), &Received::default());
        let failing = Failing { times: u32::MAX, taken: channel().0 };
        let follower = Follower::start(recent, failing).unwrap();
        assert!(!follower.finish(Duration::from_secs(10)).await);
    }
}
