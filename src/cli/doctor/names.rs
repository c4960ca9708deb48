//! Whether this machine resolves names below `localhost`: some resolvers do (systemd, macOS), glibc alone does not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{DoctorContext, Finding, is_link_local};

const AREA: &str = "names";
/// How long a name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn check(context: &DoctorContext) -> Vec<Finding> {
    if let Some(resolver) = link_local_resolver() {
        let what = format!("not looked up: the name server {resolver} is link-local, and is not asked");
        return vec![Finding::note(AREA, what, "see what `getent hosts local.vault.localhost` says")];
    }
    let vault = context.server.as_ref().and_then(|ready| ready.env.get("KEY_VAULT_NAME"));
    let names = [format!("{}.vault.localhost", vault.map_or("local", String::as_str)), "login.localhost".to_owned()];
    let (mut resolved, mut lost, mut findings) = (vec![], vec![], vec![]);
    for name in names {
        match addresses_of(&name).await {
            addresses if addresses.is_empty() => lost.push(name),
            addresses => match addresses.iter().find(|address| !address.is_loopback()) {
                Some(address) => findings.push(Finding::wrong(
                    AREA,
                    format!("{name} is {address} here, which is not this machine"),
                    format!("a line in /etc/hosts: 127.0.0.1 {name}"),
                )),
                None => resolved.push(name),
            },
        }
    }
    if !resolved.is_empty() {
        findings.push(Finding::ok(AREA, format!("{} lead to this machine", resolved.join(", "))));
    }
    if !lost.is_empty() {
        findings.push(not_resolved(context, &lost.join(" ")));
    }
    findings
}

/// Programs behind the proxy resolve no name.
fn not_resolved(context: &DoctorContext, names: &str) -> Finding {
    let what = format!("{names}: not resolved here");
    let remedy = format!("a line in /etc/hosts: 127.0.0.1 {names}");
    match &context.server {
        Some(ready) if ready.proxy.is_none() && context.status["proxyOff"].is_string() => {
            Finding::note(AREA, what, "a server with its proxy needs none of them: see ports")
        }
        Some(ready) if ready.proxy.is_none() => Finding::wrong(AREA, what, remedy),
        _ => Finding::note(
            AREA,
            what + "; programs that use the proxy do not need it",
            "for others: ".to_owned() + &remedy,
        ),
    }
}

async fn addresses_of(name: &str) -> Vec<IpAddr> {
    match timeout(LOOKUP_TIMEOUT, lookup_host((name, 443))).await {
        Ok(Ok(found)) => found.map(|address: SocketAddr| address.ip()).collect(),
        _ => vec![],
    }
}

/// The name server that a look-up would ask, if it is link-local.
fn link_local_resolver() -> Option<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let mut addresses = servers.filter_map(|server| server.split('%').next()?.trim().parse().ok());
    addresses.find(|address| is_link_local(*address))
}
