//! Readers that go on reading while something is done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// One read: an error when what it saw is wrong.
pub(super) type Read<'r> = &'r (dyn Fn() -> Result<(), String> + Sync);

/// What `act` gives, and how many reads went well while it ran; or what the first one that went wrong saw. Each of `readers`
/// reads in a thread of its own, over and over, and at least once.
pub(super) fn while_reading<T>(readers: &[Read<'_>], act: impl FnOnce() -> T) -> (T, Result<usize, String>) {
    let (done, count, wrong) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(None));
    let read = |reader: Read<'_>| {
        loop {
            match reader() {
                Ok(()) => count.fetch_add(1, Ordering::Relaxed),
                Err(why) => {
                    wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                    return;
                }
            };
            if done.load(Ordering::Acquire) {
                return;
            }
        }
    };
    let acted = std::thread::scope(|scope| {
        for reader in readers {
            scope.spawn(|| read(*reader));
        }
        // Also when it panics: the readers must not read for ever.
        let _end = Ending(&done);
        act()
    });
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    (acted, wrong.map_or_else(|| Ok(count.into_inner()), Err))
}

struct Ending<'d>(&'d AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_counted_until_one_is_wrong() {
        let good: Read<'_> = &|| Ok(());
        let (acted, read) = while_reading(&[good, good], || 7);
        assert_eq!(acted, 7);
        assert!(read.is_ok_and(|count| count >= 2));
        let bad: Read<'_> = &|| Err("old".to_owned());
        assert_eq!(while_reading(&[good, bad], || ()).1, Err("old".to_owned()));
    }
}
