//! Whether Java programs find proxy and trust store: they read `JAVA_TOOL_OPTIONS` alone, and none of the other variables.

use super::{DoctorContext, ENV, Finding};
use crate::app::{CaCertificate, ReadyFile, TRUST_STORE_PASSWORD, read_trust_store};
use crate::cli::client::AdminClient;
use crate::cli::environment::java_property;

const AREA: &str = "java";
const OPTIONS: &str = "JAVA_TOOL_OPTIONS";
/// What writes the trust store again.
const RESTART: &str = "stop the server and start it again, which writes it; then: eval \"$(keyhaven env)\"";

/// `version` is that of the Java on the PATH.
pub(super) fn check(context: &DoctorContext, client: &AdminClient, version: Option<&str>) -> Finding {
    let java = version.map_or("Java".to_owned(), |version| format!("Java {version}"));
    let wrong = match (context.variable(OPTIONS), &context.server) {
        (None, Some(_)) if context.has_variables() && version.is_some() => Some(unset()),
        (None, Some(_)) if version.is_some() => return Finding { verdict: super::Verdict::Note, ..unset() },
        (None, _) => None,
        (Some(options), server) => proxy(options, server.as_ref()).or_else(|| store(options, context, client)),
    };
    match (wrong, version) {
        (Some(wrong), _) => wrong,
        (None, Some(_)) => Finding::ok(AREA, format!("{java} reads proxy and trust store from {OPTIONS}")),
        (None, None) => Finding::ok(AREA, "not on the PATH"),
    }
}

fn unset() -> Finding {
    Finding::wrong(AREA, format!("{OPTIONS} is not set: Java uses neither the server's proxy nor its trust store"), ENV)
}

/// What is wrong with the proxy that `options` name.
fn proxy(options: &str, server: Option<&ReadyFile>) -> Option<Finding> {
    let ours = server?.proxy.as_deref()?;
    let named = java_property(options, "https.proxyHost");
    let port = java_property(options, "https.proxyPort").unwrap_or_else(|| "443".to_owned());
    match named.map(|host| format!("{host}:{port}")) {
        None => {
            Some(Finding::wrong(AREA, format!("{OPTIONS} names no proxy (-Dhttps.proxyHost): Java goes to Azure"), ENV))
        }
        Some(address) if address != ours => {
            Some(Finding::wrong(AREA, format!("{OPTIONS} names the proxy {address}, the server's is {ours}"), ENV))
        }
        Some(_) => None,
    }
}

/// What is wrong with the trust store that `options` name.
fn store(options: &str, context: &DoctorContext, client: &AdminClient) -> Option<Finding> {
    let server = context.server.as_ref();
    let Some(file) = java_property(options, "javax.net.ssl.trustStore") else {
        let what =
            format!("{OPTIONS} names no trust store (-Djavax.net.ssl.trustStore): Java does not trust the server");
        return server.map(|_| Finding::wrong(AREA, what, ENV));
    };
    let password = java_property(options, "javax.net.ssl.trustStorePassword");
    let wrong = |why: &str, remedy| Some(Finding::wrong(AREA, format!("the trust store {file} {why}"), remedy));
    let Ok(bytes) = std::fs::read(&file) else {
        let remedy = if context.is_of_server(&file) { ENV } else { RESTART };
        return wrong("cannot be read: Java trusts nothing", remedy);
    };
    let Ok(certificates) = read_trust_store(&bytes, password.as_deref().unwrap_or(TRUST_STORE_PASSWORD)) else {
        // A store of the user's own may be of another type.
        return server.and_then(|_| wrong("is no PKCS#12 file that opens with its password", RESTART));
    };
    server?;
    let ca = CaCertificate::read(&client.ca_path().ok()?).ok()?;
    let has_ours = certificates.iter().any(|certificate| certificate == ca.der());
    if has_ours { None } else { wrong("does not hold the server's CA", ENV) }
}
