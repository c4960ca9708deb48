//! Variables that lead to a server that is gone, or to an earlier start of the one that runs.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{DoctorContext, ENV, Finding, START_OR_UNSET};
use crate::app::CA_VARIABLES;

const AREA: &str = "variables";
/// How long connecting to this machine may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Variables that `keyhaven env` sets, besides those of a group.
const OTHERS: [&str; 5] = ["VAULT_URL", "KEY_VAULT_NAME", "JAVA_TOOL_OPTIONS", "SYSTEM_WGETRC", "SYSTEM_WGET2RC"];
/// Variables that name one of a server's plain listeners.
const ENDPOINTS: [&str; 3] = ["KEYHAVEN_ADMIN_URL", "IDENTITY_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"];

pub(super) async fn check(context: &DoctorContext) -> Vec<Finding> {
    if !context.has_variables() {
        let none = "this shell has none of a server's";
        return vec![match &context.server {
            Some(_) => Finding::note(AREA, none, ENV),
            None => Finding::ok(AREA, none),
        }];
    }
    let mut stale = vec![];
    if context.server.is_none() {
        stale.push("KEYHAVEN_READY_FILE");
    }
    for name in ENDPOINTS {
        if let Some(address) = context.variable(name).and_then(loopback_address)
            && !answers(address).await
        {
            stale.push(name);
        }
    }
    if !stale.is_empty() {
        let stale = stale.join(", ");
        return vec![match &context.server {
            Some(ready) => {
                let what = format!("{stale} lead nowhere: the server has other ports now ({})", ready.listen);
                Finding::wrong(AREA, what, format!("take them anew: {ENV}"))
            }
            None => Finding::wrong(AREA, format!("{stale} lead to a server that is gone"), START_OR_UNSET),
        }];
    }
    vec![of_this_start(context)]
}

/// Names the variables whose quotes came from a .env file: `docker run --env-file`, for one, takes them for part of the value.
pub(super) fn quoted(context: &DoctorContext) -> Option<Finding> {
    let all = context.own.iter().filter(|(name, value)| is_ours(name) && is_quoted(value));
    let names: Vec<_> = all.map(|(name, _)| name.as_str()).collect();
    let what = format!("{}: the quotes of a .env file are part of the value here", names.join(", "));
    let remedy = "give the file to a reader that takes them off (set -a; . ./.env), or remove them from it";
    (!names.is_empty()).then(|| Finding::wrong(AREA, what, remedy))
}

/// Whether `keyhaven env` sets a variable of this name.
fn is_ours(name: &str) -> bool {
    let begins = ["KEYHAVEN_", "AZURE_", "IDENTITY_"].iter().any(|prefix| name.starts_with(prefix));
    begins || CA_VARIABLES.contains(&name) || OTHERS.contains(&name) || name.to_ascii_uppercase().ends_with("_PROXY")
}

fn is_quoted(value: &str) -> bool {
    value.len() > 1 && ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote))
}

fn of_this_start(context: &DoctorContext) -> Finding {
    let secret = "IDENTITY_HEADER";
    let theirs = context.server.as_ref().and_then(|ready| ready.env.get(secret)).map(String::as_str);
    match context.variable(secret) {
        Some(own) if theirs.is_some_and(|theirs| theirs != own) => {
            Finding::wrong(AREA, format!("{secret} is of an earlier start: no token is given for it"), ENV)
        }
        _ => Finding::ok(AREA, "this shell has those of the server that runs"),
    }
}

/// The loopback address in a URL over plain HTTP. Nothing else is asked.
fn loopback_address(url: &str) -> Option<SocketAddr> {
    let authority = url.strip_prefix("http://")?.split('/').next()?;
    authority.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback())
}

async fn answers(address: SocketAddr) -> bool {
    matches!(timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_alone_is_asked() {
        assert!(loopback_address("http://127.0.0.1:8080/msi/token").is_some());
        assert!(loopback_address("http://[::1]:8080").is_some());
        for url in
            ["http://169.254.169.254:80/metadata", "http://10.0.0.1:80", "https://127.0.0.1:1", "http://localhost:1"]
        {
            assert_eq!(loopback_address(url), None, "{url}");
        }
    }
}
