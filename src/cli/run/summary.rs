//! What `run` tells when its command has ended: which hosts were answered here, carried on, refused; and a warning
//! when the command may have passed by.

use std::io::Write;

use crate::app::Report;

/// The lines, one for each fate that there was. Nothing was seen here when neither a name that is taken over came to
/// the proxy nor a request straight to the vaults; a token alone proves nothing, because clients ask for it without the
/// proxy and may then ask a real vault.
pub(super) fn lines(report: &Report, direct_request_seen: bool) -> String {
    let mut text: String = report.to_string().lines().map(|line| format!("keyhaven: {line}\n")).collect();
    if !report.has_taken_over() && !direct_request_seen {
        text += match report.was_used() {
            false => "keyhaven: the program never used the proxy; it may have talked to real Azure\n",
            true => "keyhaven: no vault was asked for through the proxy; the program may have talked to real Azure\n",
        };
    }
    text
}

/// Prints them, unless the log is set to say less than warnings.
pub(super) fn print(report: &Report, direct_request_seen: bool) {
    if tracing::enabled!(tracing::Level::WARN) {
        // Nobody may be reading.
        let _ = std::io::stderr().write_all(lines(report, direct_request_seen).as_bytes());
    }
}
