//! Concurrent readers: they check what they read while a step changes it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Reads once; an error says what was wrong.
pub(super) type Read<'r> = &'r (dyn Fn() -> Result<(), String> + Sync);

/// Calls `run` while each of `readers` reads over and over in a thread of its own, at least once. Returns the result of `run`,
/// and the number of reads or the first error.
pub(super) fn while_reading<T>(readers: &[Read<'_>], run: impl FnOnce() -> T) -> (T, Result<usize, String>) {
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
    let result = std::thread::scope(|scope| {
        for reader in readers {
            scope.spawn(|| read(*reader));
        }
        // Stops the readers even if `run` panics.
        let _end = StopOnDrop(&done);
        run()
    });
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    (result, wrong.map_or_else(|| Ok(count.into_inner()), Err))
}

struct StopOnDrop<'d>(&'d AtomicBool);

impl Drop for StopOnDrop<'_> {
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
