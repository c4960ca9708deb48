//! The saved position of a virtual clock.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::records::{RecordError, Records};
use crate::store::EntryKey;

/// The saved position of a virtual clock.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ClockPosition {
    pub(super) at: Timestamp,
    pub(super) frozen: bool,
    /// The machine's time then.
    pub(super) real: Timestamp,
    /// Whether the server was stopped then, so that the clock has not run since.
    pub(super) stopped: bool,
}

impl ClockPosition {
    pub(super) fn warn_that_it_is_not_used(&self) {
        tracing::warn!(
            stood = %self.at,
            "this data has a virtual clock, but the machine's is used; start with --clock virtual to go on with it"
        );
    }

    /// The clock's time when the machine's shows `real`.
    pub(super) fn now(&self, real: Timestamp) -> Timestamp {
        let run = if self.frozen || self.stopped { 0 } else { real.unix().saturating_sub(self.real.unix()).max(0) };
        self.at.plus_seconds(run)
    }
}

/// The saved position of a virtual clock, if there is one.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn saved_position(records: &Records) -> Result<Option<ClockPosition>, RecordError> {
    let view = records.view().await?;
    Ok(records.get::<ClockPosition>(&view, &position_key()).await?.map(|kept| *kept))
}

/// The store key of the clock's position.
pub(crate) fn position_key() -> EntryKey {
    EntryKey::from("clock/position")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_clock_has_run_on_only_if_it_was_not_stopped() {
        let stood = Timestamp::from_unix(5_000);
        let position =
            |frozen, stopped| ClockPosition { at: stood, frozen, real: Timestamp::from_unix(1_000), stopped };
        let later = Timestamp::from_unix(1_060);
        assert_eq!(position(false, false).now(later), Timestamp::from_unix(5_060), "the server was killed");
        assert_eq!(position(false, true).now(later), stood);
        assert_eq!(position(true, false).now(later), stood);
        assert_eq!(position(false, false).now(Timestamp::from_unix(900)), stood, "it never goes back");
    }
}
