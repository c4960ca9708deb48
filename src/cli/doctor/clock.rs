//! How far the vault clock is from the machine's.

use super::{Finding, Surroundings};
use crate::cli::client::AdminClient;
use crate::clock::{Clock, SystemClock, Timestamp};

const AREA: &str = "clock";
/// A difference that counts, in seconds.
const MUCH: i64 = 60;

pub(super) async fn check(surroundings: &Surroundings, client: &AdminClient) -> Option<Finding> {
    surroundings.server.as_ref()?;
    let shown = match client.vault_clock().await {
        Ok(shown) => shown,
        Err(error) => return Some(Finding::wrong(AREA, error.message, "keyhaven clock")),
    };
    Some(finding(shown, SystemClock.now()))
}

fn finding(shown: Timestamp, machine: Timestamp) -> Finding {
    let ahead = shown.unix() - machine.unix();
    if ahead.abs() < MUCH {
        return Finding::ok(AREA, "the vaults have the machine's time");
    }
    let (days, way) = (ahead.abs() / 86_400, if ahead > 0 { "ahead of" } else { "behind" });
    let what = format!("the vaults have {shown}, {days} days {way} the machine's time: what falls due follows that");
    Finding::note(AREA, what, "as wanted with --clock virtual; keyhaven clock shows it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_from_the_machines_is_noted() {
        let (now, later) = (Timestamp::from_unix(0), Timestamp::from_unix(10 * 86_400));
        assert_eq!(finding(now, now).remedy, None);
        assert!(finding(later, now).what.contains("10 days ahead of"));
        assert!(finding(now, later).what.contains("10 days behind"));
    }
}
