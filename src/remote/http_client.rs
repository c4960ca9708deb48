//! The HTTP client: whom it trusts, where it looks names up, and how long it waits.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::uri::Scheme;
use ureq::http::{HeaderMap, Request, Uri};
use ureq::tls::Certificate;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use zeroize::Zeroizing;

use super::error::Failure;
use crate::outgoing;

/// How long an exchange may take: generating the largest key takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a connection may take.
const TO_CONNECT: Duration = Duration::from_secs(10);
/// The largest answer, in bytes: the largest backup, and room.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Whom a client trusts: what the system trusts, where `SSL_CERT_FILE` and `SSL_CERT_DIR` say, and what is added.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    added: Vec<Certificate<'static>>,
}

impl Trust {
    /// Trusts the certificates in `pem` too.
    ///
    /// # Errors
    /// When it holds none.
    pub fn and(mut self, pem: &str) -> Result<Self, Failure> {
        let unusable =
            |why: &dyn std::fmt::Display| Failure::Unreachable(format!("the given CA is no certificate: {why}"));
        let blocks = pem::parse_many(pem).map_err(|error| unusable(&error))?;
        let before = self.added.len();
        let certificates = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
        self.added.extend(certificates.map(|block| Certificate::from_der(block.contents()).to_owned()));
        if self.added.len() == before { Err(unusable(&"it has no CERTIFICATE block")) } else { Ok(self) }
    }

    /// A client with this trust. It uses the proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`), looks names below
    /// `localhost` up itself (RFC 6761; many resolvers do not), and follows no redirection: a token is for one host.
    pub fn agent(self) -> Agent {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .timeout_connect(Some(TO_CONNECT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("keyhaven/", env!("CARGO_PKG_VERSION")))
            .tls_config(outgoing::tls(self.added))
            .build();
        Agent::with_parts(config, DefaultConnector::default(), Names(DefaultResolver::default()))
    }
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Wiped, because it may hold a secret.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends `request`, whose body is the caller's to wipe. What is on this machine is asked directly, whatever proxy is set.
pub(super) fn send(agent: &Agent, request: Request<&[u8]>) -> Result<Answer, Failure> {
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let unreachable = |error: ureq::Error| Failure::Unreachable(format!("{host}: {}", told(&error)));
    let request = match request.uri().host() {
        Some(host) if is_local(host) => agent.configure_request(request).proxy(None).build(),
        _ => request,
    };
    let mut answer = agent.run(request).map_err(unreachable)?;
    let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(unreachable)?;
    Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body: Zeroizing::new(body) })
}

/// What went wrong; of a certificate that nobody vouches for, what to do.
fn told(error: &ureq::Error) -> String {
    let text = error.to_string();
    if text.contains("UnknownIssuer") {
        format!("{text}; trust its CA by SSL_CERT_FILE (of a Keyhaven: eval \"$(keyhaven env)\")")
    } else {
        text
    }
}

/// Whether `host` means this machine, whoever is asked.
pub(super) fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host) || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Names below `localhost` are this machine; the system is asked for the others.
#[derive(Debug)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if !uri.host().is_some_and(is_localhost) {
            return self.0.resolve(uri, config, timeout);
        }
        let usual = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, uri.port_u16().unwrap_or(usual))));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_localhost_are_this_machine() {
        for host in ["localhost", "a.vault.LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["notlocalhost", "localhost.example", "169.254.169.254", "acme.vault.azure.net"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_ca_must_be_one() {
        assert!(Trust::default().and("").is_err());
        assert!(Trust::default().and("-----BEGIN X-----\nAAAA\n-----END X-----\n").is_err());
    }
}
