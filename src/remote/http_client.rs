//! The HTTP client of vaults and token endpoints: trust, name resolution, timeouts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rustls::RootCertStore;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::uri::Scheme;
use ureq::http::{HeaderMap, Request, Uri};
use ureq::tls::Certificate;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use zeroize::Zeroizing;

use super::error::RequestError;
use crate::outgoing;

/// How long a request may take: generating the largest key takes seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer, in bytes: more than the largest backup.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// The root certificates that a client trusts: the system's, those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, and added ones.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    added: Vec<Certificate<'static>>,
}

impl TrustStore {
    /// Adds the certificates in `pem`.
    ///
    /// # Errors
    /// When it holds no certificate.
    pub fn with_pem(mut self, pem: &str) -> Result<Self, RequestError> {
        let unusable =
            |why: &dyn std::fmt::Display| RequestError::NoAnswer(format!("the given CA is no certificate: {why}"));
        let blocks = pem::parse_many(pem).map_err(|error| unusable(&error))?;
        let before = self.added.len();
        let certificates = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
        self.added.extend(certificates.map(|block| Certificate::from_der(block.contents()).to_owned()));
        if self.added.len() == before { Err(unusable(&"it has no CERTIFICATE block")) } else { Ok(self) }
    }

    /// The certificates, for another client than this one's. Reads the disk.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.added.iter().map(|one| one.der().to_vec().into()));
        roots
    }

    /// Builds a client that trusts these certificates. It uses the proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`), resolves
    /// names below `localhost` to loopback (RFC 6761; many resolvers do not), and follows no redirects: a token is for one host.
    pub fn agent(self) -> Agent {
        self.agent_of(None)
    }

    /// The same for a server on another machine, which calls itself by names below `localhost` too: they lead to `host`. What
    /// answers there must have a certificate for the name.
    pub fn agent_at(self, host: &str) -> Agent {
        self.agent_of(Some(host.to_owned()))
    }

    fn agent_of(self, server: Option<String>) -> Agent {
        let config = Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("keyhaven/", env!("CARGO_PKG_VERSION")))
            .tls_config(outgoing::tls(self.added))
            .build();
        Agent::with_parts(
            config,
            DefaultConnector::default(),
            LocalhostResolver { system: DefaultResolver::default(), server },
        )
    }
}

/// An answer with its complete body.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// Wiped when dropped, because it may hold a secret.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The value of a header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends `request`, whose body the caller wipes. Requests to this machine use no proxy.
pub(super) fn send(agent: &Agent, request: Request<&[u8]>) -> Result<Answer, RequestError> {
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let unreachable = |error: ureq::Error| no_answer(&host, &error);
    let request = match request.uri().host() {
        Some(host) if is_local(host) => agent.configure_request(request).proxy(None).build(),
        _ => request,
    };
    let mut answer = agent.run(request).map_err(unreachable)?;
    let body = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().map_err(unreachable)?;
    Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body: Zeroizing::new(body) })
}

fn no_answer(host: &str, error: &ureq::Error) -> RequestError {
    let text = error.to_string();
    // "BadSignature": another CA of the same name, as each Keyhaven has one.
    match text.contains("UnknownIssuer") || text.contains("BadSignature") {
        true => RequestError::UnknownCa { host: host.to_owned() },
        false => RequestError::NoAnswer(format!("{host}: {text}")),
    }
}

/// Whether `host` is `localhost`, a name below it, or a loopback address.
pub(crate) fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host) || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Resolves names below `localhost` to loopback, or to the server's host, and others with the resolver of the system.
#[derive(Debug)]
struct LocalhostResolver {
    system: DefaultResolver,
    server: Option<String>,
}

impl Resolver for LocalhostResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if !uri.host().is_some_and(is_localhost) {
            return self.system.resolve(uri, config, timeout);
        }
        let usual = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(usual);
        if let Some(server) = &self.server {
            let uri = format!("https://{server}:{port}").parse().map_err(|_| ureq::Error::HostNotFound)?;
            return self.system.resolve(&uri, config, timeout);
        }
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_localhost_are_local() {
        for host in ["localhost", "a.vault.LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["notlocalhost", "localhost.example", "169.254.169.254", "acme.vault.azure.net"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn an_added_ca_must_be_a_certificate() {
        assert!(TrustStore::default().with_pem("").is_err());
        assert!(TrustStore::default().with_pem("-----BEGIN X-----\nAAAA\n-----END X-----\n").is_err());
    }
}
