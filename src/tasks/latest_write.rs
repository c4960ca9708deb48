//! The latest moment that this data was written at, kept in it, so that a start whose machine's clock was set back does not
//! fall behind it: what was deleted since would be in no list.
//!
//! It goes with commits that happen anyway, once a second at the most, and costs none of its own. The dates in a commit were
//! read from the clock before the moment that goes with it, so no date lies behind that.

use std::sync::Arc;

use crate::clock::{Clock, SteadyClock, Timestamp};
use crate::records::{HighWaterMark, RecordError, Records, encode};
use crate::store::EntryKey;

/// The store key of the moment.
fn latest_key() -> EntryKey {
    EntryKey::from("clock/latest")
}

/// The latest moment that `records` were written at by the machine's clock, if one is kept.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn latest_write(records: &Records) -> Result<Option<Timestamp>, RecordError> {
    let view = records.view().await?;
    Ok(records.get::<Timestamp>(&view, &latest_key()).await?.map(|latest| *latest))
}

/// Keeps the moment that `clock` shows with the commits of `records` from now on.
pub(super) fn save_latest_write(records: &Records, clock: &SteadyClock) {
    let clock = clock.clone();
    records.track_high_water_mark(HighWaterMark {
        key: latest_key(),
        // A second more: two commits at the turn of a second may come in either order.
        now: Arc::new(move || clock.now().unix().saturating_add(1)),
        value: |moment| encode(&Timestamp::from_unix(moment)),
    });
}
