//! How far the vault clock is from the machine's.

use hyper::Method;

use super::{DoctorContext, Finding};
use crate::cli::client::AdminClient;
use crate::cli::status::duration;
use crate::clock::{Clock, SystemClock, Timestamp};

const AREA: &str = "clock";
/// A difference that counts, in seconds.
const MUCH: i64 = 60;
/// The same of a virtual clock.
const LITTLE: i64 = 2;

pub(super) async fn check(context: &DoctorContext, client: &AdminClient) -> Option<Finding> {
    context.server.as_ref()?;
    let answer = match client.json_request(Method::GET, "/admin/clock", None).await {
        Ok(answer) => answer,
        Err(error) => return Some(Finding::wrong(AREA, error.message, "keyhaven clock")),
    };
    let shown = answer["now"].as_str().and_then(Timestamp::parse)?;
    Some(finding(shown, SystemClock.now(), answer["clock"] == "virtual"))
}

/// A virtual clock goes on from where it was when the server stopped, so it can be a little behind.
fn finding(shown: Timestamp, machine: Timestamp, is_virtual: bool) -> Finding {
    let ahead = shown.unix() - machine.unix();
    let (kind, least) = if is_virtual { (" on a virtual clock", LITTLE) } else { ("", MUCH) };
    if ahead.abs() < least {
        return Finding::ok(AREA, format!("the vaults have the machine's time{kind}"));
    }
    let (far, way) = (duration(ahead.abs()), if ahead > 0 { "ahead of" } else { "behind" });
    let what = format!("the vaults have {shown}{kind}, {far} {way} the machine's time: what falls due follows that");
    match is_virtual && ahead < 0 {
        true => Finding::note(AREA, what, format!("where that matters: keyhaven clock advance {}s", -ahead)),
        false => Finding::note(AREA, what, "as wanted with --clock virtual; keyhaven clock shows it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_differs_is_noted_with_how_far_and_that_it_is_virtual() {
        let at = Timestamp::from_unix;
        let (now, later) = (at(0), at(10 * 86_400));
        assert_eq!(finding(now, now, false).remedy, None);
        assert!(finding(later, now, true).what.contains("10 d 0 h ahead of"));
        assert!(finding(now, later, false).what.contains("10 d 0 h behind"));
        assert_eq!(finding(now, at(14), false).remedy, None, "the machine's own is read a moment later");
        let behind = finding(now, at(14), true);
        assert!(behind.what.contains(" on a virtual clock, 14 s behind the machine's time"), "{}", behind.what);
        assert!(behind.remedy.unwrap().ends_with("keyhaven clock advance 14s"));
        assert!(finding(now, at(1), true).what.ends_with("the machine's time on a virtual clock"));
    }
}
