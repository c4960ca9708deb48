//! The summary that `run` prints at the end: which hosts were taken over, tunnelled and refused, what `(no request)` means, and a
//! line when the command asked for no vault and may have bypassed the server.

use std::io::Write;

use crate::app::TrafficReport;

/// How the command ended.
pub(super) struct CommandOutcome {
    /// The command's name.
    pub(super) command: String,
    /// Its exit status.
    pub(super) status: u8,
    /// Whether the proxy let nothing out.
    pub(super) was_offline: bool,
    /// Whether a request reached the data plane without the proxy.
    pub(super) direct_request_seen: bool,
}

const DISTRUST: &str = "keyhaven: (no request): connected and asked nothing; mostly the program does not trust this server's \
                        certificates: keyhaven run -- keyhaven doctor (Java: did it set -Djavax.net.ssl.trustStore?)\n";

/// The lines of the summary. The last says so when neither a taken-over host was asked for through the proxy nor a vault directly.
/// A token request proves nothing: clients fetch tokens without the proxy, and can then ask a real vault.
pub(super) fn lines(report: &TrafficReport, ending: &CommandOutcome) -> String {
    let mut text: String = report.to_string().lines().map(|line| format!("keyhaven: {line}\n")).collect();
    if report.has_silent_connections() {
        text += DISTRUST;
    }
    if !report.has_taken_over() && !ending.direct_request_seen {
        text += &format!("keyhaven: {}\n", no_vault(ending));
    }
    text
}

/// A command that failed mostly did not come as far; one that succeeded may have used the real Azure.
fn no_vault(CommandOutcome { command, status, was_offline, .. }: &CommandOutcome) -> String {
    match (status, was_offline) {
        (1.., _) => format!("{command} failed ({status}) before it asked a vault here"),
        (0, true) => "no vault was asked for; with --offline the proxy let nothing out to Azure".to_owned(),
        (0, false) => {
            "no vault was asked for; if the program asked one, it went past the proxy to real Azure".to_owned()
        }
    }
}

/// Prints the summary, unless warnings are not logged.
pub(super) fn print(report: &TrafficReport, ending: &CommandOutcome) {
    if tracing::enabled!(tracing::Level::WARN) {
        // A closed stderr is no failure.
        let _ = std::io::stderr().write_all(lines(report, ending).as_bytes());
    }
}
