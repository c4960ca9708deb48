//! The summary that `run` prints at the end: which hosts were taken over, tunnelled and refused, and a line when the command
//! asked for no vault and may have bypassed the server.

use std::io::Write;

use crate::app::TrafficReport;

/// The lines of the summary. The last says so when neither a taken-over host was asked for through the proxy nor a vault directly.
/// A token request proves nothing: clients fetch tokens without the proxy, and can then ask a real vault.
pub(super) fn lines(report: &TrafficReport, direct_request_seen: bool) -> String {
    let mut text: String = report.to_string().lines().map(|line| format!("keyhaven: {line}\n")).collect();
    if !report.has_taken_over() && !direct_request_seen {
        text += "keyhaven: no vault was asked for; if the program asked one, it went past the proxy to real Azure\n";
    }
    text
}

/// Prints the summary, unless warnings are not logged.
pub(super) fn print(report: &TrafficReport, direct_request_seen: bool) {
    if tracing::enabled!(tracing::Level::WARN) {
        // A closed stderr is no failure.
        let _ = std::io::stderr().write_all(lines(report, direct_request_seen).as_bytes());
    }
}
