//! Whether the proxy of this shell is the server's, can be reached, and is not bypassed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::Uri;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::{DoctorContext, ENV, Finding, UNSET, is_link_local};
use crate::cli::environment;

const AREA: &str = "proxy";
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Both spellings of the variables: some programs read one, some the other.
const PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

pub(super) async fn check(context: &DoctorContext) -> Vec<Finding> {
    let ours = context.server.as_ref().and_then(|ready| ready.proxy.as_deref());
    let named: Vec<_> = PROXY.iter().filter_map(|name| Some((*name, context.variable(name)?))).collect();
    let mut findings = vec![];
    match named[..] {
        [] => findings.push(none(ours)),
        [(_, upper), (_, lower)] if upper == lower => findings.push(proxy(PROXY[0], upper, ours).await),
        _ => {
            for (name, url) in named {
                findings.push(proxy(name, url, ours).await);
            }
        }
    }
    if ours.is_some() {
        findings.extend(NO_PROXY.iter().filter_map(|name| bypass(name, context.variable(name)?)));
    }
    findings
}

fn none(ours: Option<&str>) -> Finding {
    match ours {
        Some(address) => {
            let what = format!("this shell does not use the server's ({address}): Azure's names lead to Azure");
            Finding::note(AREA, what, ENV)
        }
        None => Finding::ok(AREA, "none is set, and the server has none"),
    }
}

/// The user part of a proxy's URL can hold a password, so host and port alone are shown.
async fn proxy(name: &str, url: &str, ours: Option<&str>) -> Finding {
    let Some((host, port)) = host_and_port(url) else {
        return Finding::wrong(AREA, format!("{name} is no URL of a proxy"), format!("{ENV}, or unset it"));
    };
    let address = format!("{host}:{port}");
    if ours == Some(address.as_str()) {
        return Finding::ok(AREA, format!("{name} is the server's, {address}"));
    }
    match reach(&host, port).await {
        Reached::Yes => Finding::note(AREA, format!("{name} is {address}, which is not a running server's"), ENV),
        Reached::NotAsked => Finding::note(AREA, format!("{name} is {address}, which is link-local: not asked"), ENV),
        Reached::No => {
            let what = format!("{name} is {address}, where nothing answers; programs that use it fail");
            let remedy =
                if ours.is_some() { format!("take it anew: {ENV}") } else { format!("{UNSET}, or start it again") };
            Finding::wrong(AREA, what, remedy)
        }
    }
}

/// Whether a proxy answers.
enum Reached {
    Yes,
    No,
    NotAsked,
}

async fn reach(host: &str, port: u16) -> Reached {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let looked_up = match bare.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::from((address, port))],
        Err(_) => match timeout(CONNECT_TIMEOUT, lookup_host((bare.as_str(), port))).await {
            Ok(Ok(found)) => found.collect(),
            _ => vec![],
        },
    };
    if looked_up.iter().any(|address| is_link_local(address.ip())) {
        return Reached::NotAsked;
    }
    for address in looked_up {
        if let Ok(Ok(_)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            return Reached::Yes;
        }
    }
    Reached::No
}

fn host_and_port(url: &str) -> Option<(String, u16)> {
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = whole.parse().ok()?;
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(usual)))
}

fn bypass(name: &str, list: &str) -> Option<Finding> {
    let hiding = environment::entries_that_hide(list);
    let what = format!("{name} names {}: programs go past the server to what it takes over", hiding.join(", "));
    (!hiding.is_empty()).then(|| Finding::wrong(AREA, what, ENV))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read_without_the_user() {
        let read = |url: &str| host_and_port(url).map(|(host, port)| format!("{host}:{port}"));
        assert_eq!(read("http://user:hush@127.0.0.1:3128/").unwrap(), "127.0.0.1:3128");
        assert_eq!(read("proxy.corp:8080").unwrap(), "proxy.corp:8080");
        assert_eq!(read("http://[::1]").unwrap(), "[::1]:80");
        assert_eq!(read("http://"), None);
    }
}
