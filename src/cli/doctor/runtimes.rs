//! Which Java, Node and Go are on the PATH, and what their clients can do with a proxy and a CA.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{DoctorContext, Finding, java};
use crate::cli::client::AdminClient;

/// How long a program may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);
/// The first version of Node whose built-in `fetch` uses the proxy of its environment.
const NODE_WITH_PROXY: u32 = 24;

pub(super) async fn check(context: &DoctorContext, client: &AdminClient) -> Vec<Finding> {
    let (java, node, go) = tokio::join!(
        output("java", "-version", VERSION_TIMEOUT),
        output("node", "--version", VERSION_TIMEOUT),
        output("go", "version", VERSION_TIMEOUT)
    );
    let java = java::check(context, client, java.as_deref().and_then(java_version));
    [java, of_node(node.as_deref())].into_iter().chain(of_go(go.as_deref(), cfg!(target_os = "macos"))).collect()
}

/// What the program prints; none when it is not there, fails, or takes too long.
async fn output(program: &str, argument: &str, limit: Duration) -> Option<String> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(limit, command.output()).await.ok()?.ok()?;
    let both = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&both).into_owned())
}

/// `openjdk version "17.0.2" 2022-01-18`, which lines about picked-up options may precede.
fn java_version(printed: &str) -> Option<&str> {
    let line = printed.lines().find(|line| line.contains(" version \""))?;
    line.split('"').nth(1)
}

fn of_node(printed: Option<&str>) -> Finding {
    let area = "node";
    let version = printed.map(str::trim).and_then(|text| text.strip_prefix('v'));
    let Some(version) = version else { return Finding::ok(area, "not on the PATH") };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
    if major >= NODE_WITH_PROXY {
        return Finding::ok(area, format!("Node {version}: the Azure SDKs and fetch use the proxy"));
    }
    let what = format!("Node {version}: the Azure SDKs use the proxy, the built-in fetch does not");
    Finding::note(area, what, format!("Node {NODE_WITH_PROXY} or later, where a program uses fetch itself"))
}

/// On Linux Go reads `SSL_CERT_FILE`, which another check looks at; on macOS it asks the system alone (crypto/x509).
fn of_go(printed: Option<&str>, is_macos: bool) -> Option<Finding> {
    printed.filter(|text| is_macos && text.starts_with("go version"))?;
    let what = "Go on macOS trusts the keychain alone, and reads no SSL_CERT_FILE";
    let remedy = "trust the local CA (keyhaven ca install-help), and use the vault's URL below vault.localhost";
    Some(Finding::note("go", what, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let java = "Picked up JAVA_TOOL_OPTIONS: -Dx=\"y\"\nopenjdk version \"17.0.2\" 2022-01-18\nOpenJDK Runtime\n";
        assert_eq!(java_version(java), Some("17.0.2"));
        let go = Some("go version go1.25.1 darwin/arm64\n");
        assert!(of_go(go, true).is_some() && of_go(go, false).is_none() && of_go(None, true).is_none());
        assert_eq!(of_node(Some("v24.1.0\n")).remedy, None);
        assert!(of_node(Some("v20.11.1\n")).what.contains("fetch does not"));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_given_up() {
        assert_eq!(output("sleep", "60", Duration::from_millis(20)).await, None);
    }
}
