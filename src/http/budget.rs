//! The memory that all request bodies together may take. A body reserves its part before it is read; the reservation is
//! released when the request is answered. No body waits for more while it holds a reservation, so there is no deadlock.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;

/// Up to this length, in bytes, a body is small. Small bodies have a part of their own, so that large ones do not hold up
/// everyday requests.
pub(super) const SMALL_BODY: usize = 64 * 1024;
/// The share of small bodies, as a divisor of that of large ones.
const SHARE_OF_SMALL: usize = 8;
/// What is counted in, in bytes: semaphores count to 2^32.
const UNIT: usize = 1024;

/// The memory for bodies: a number of bytes for large ones, and another eighth of that for small ones.
#[derive(Debug)]
pub struct MemoryBudget {
    large: Share,
    small: Share,
}

#[derive(Debug)]
struct Share {
    units: u32,
    free: Arc<Semaphore>,
}

/// The memory reserved for a body; dropping it releases it.
pub(super) type Reservation = OwnedSemaphorePermit;

impl MemoryBudget {
    /// A budget of `bytes` for large bodies.
    pub fn new(bytes: usize) -> Self {
        Self { large: Share::new(bytes), small: Share::new((bytes / SHARE_OF_SMALL).max(SMALL_BODY)) }
    }

    /// Reserves `bytes` if they are free.
    pub(super) fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        let share = self.share(bytes);
        share.free.clone().try_acquire_many_owned(share.units(bytes)).ok()
    }

    /// Reserves `bytes`, waiting in order of arrival until they are free.
    pub(super) async fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let share = self.share(bytes);
        share.free.clone().acquire_many_owned(share.units(bytes)).await.ok()
    }

    const fn share(&self, bytes: usize) -> &Share {
        if bytes <= SMALL_BODY { &self.small } else { &self.large }
    }
}

impl Default for MemoryBudget {
    /// That of [`Limits::default`].
    fn default() -> Self {
        Self::new(Limits::default().bodies_in_flight_bytes)
    }
}

impl Share {
    fn new(bytes: usize) -> Self {
        let units = units(bytes);
        Self { units, free: Arc::new(Semaphore::new(units as usize)) }
    }

    /// The units of a body of `bytes`; what is larger than all there is takes all there is.
    fn units(&self, bytes: usize) -> u32 {
        units(bytes).min(self.units)
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn large_bodies_share_what_there_is_and_leave_small_ones_theirs() {
        let budget = MemoryBudget::new(4 * MIB);
        let taken: Vec<_> = (0..5).map_while(|_| budget.try_reserve(MIB)).collect();
        assert_eq!(taken.len(), 4);
        let small: Vec<_> = (0..10).map_while(|_| budget.try_reserve(SMALL_BODY)).collect();
        assert_eq!(small.len(), 8, "half a MiB");
        drop(taken);
        assert!(budget.try_reserve(4 * MIB).is_some(), "it was given back");
    }

    #[test]
    fn what_is_larger_than_all_takes_all() {
        let budget = MemoryBudget::new(MIB);
        let taken = budget.try_reserve(10 * MIB).unwrap();
        assert!(budget.try_reserve(SMALL_BODY + 1).is_none());
        drop(taken);
        assert!(budget.try_reserve(SMALL_BODY + 1).is_some());
    }

    #[tokio::test]
    async fn who_waits_is_served_in_turn() {
        let budget = Arc::new(MemoryBudget::new(MIB));
        let taken = budget.reserve(MIB).await;
        let (first, second) = (budget.clone(), budget.clone());
        let first = tokio::spawn(async move { first.reserve(MIB).await });
        tokio::task::yield_now().await;
        let second = tokio::spawn(async move { second.reserve(SMALL_BODY + 1).await });
        tokio::task::yield_now().await;
        drop(taken);
        let first = first.await.unwrap();
        assert!(!second.is_finished(), "all is taken again");
        drop(first);
        assert!(second.await.unwrap().is_some());
    }
}
