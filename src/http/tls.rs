//! TLS 1.2 and 1.3 with a leaf certificate for the server name (SNI) that a client sends, if this server has that name.

use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use rcgen::KeyPair;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::ca::{Ca, CaError, Leaf};
use crate::clock::{Clock, Timestamp};

/// How many refused names are logged as warnings, later ones at debug.
const MOST_WARNINGS: usize = 10;
/// The name whose leaf is never forgotten.
const LOCALHOST: &str = "localhost";

/// Whether this server has a host name (lower case).
pub(crate) type IsServedName = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl TlsVersion {
    /// The protocols of `version`; without one, of all.
    fn protocols(version: Option<Self>) -> Vec<&'static SupportedProtocolVersion> {
        match version {
            Some(Self::V1_2) => vec![&TLS12],
            Some(Self::V1_3) => vec![&TLS13],
            None => vec![&TLS13, &TLS12],
        }
    }
}

impl FromStr for TlsVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err("use 1.2 or 1.3; leave it out for both"),
        }
    }
}

/// Resolves server names to leaf certificates, minted under the CA and cached.
pub struct CertificateResolver {
    ca: Ca,
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    is_served: IsServedName,
    unnamed: Vec<String>,
    minted: Cache<String, CachedLeaf>,
    /// The leaf for `localhost`, which stays the same to half of its life: some clients know a server by its leaf's thumbprint.
    localhost: Mutex<Option<CachedLeaf>>,
    /// The number of handshakes for names that are not served.
    refused: AtomicUsize,
    clock: Arc<dyn Clock>,
}

/// A leaf with its key, and when it may be shown to clients. Cheap to clone.
#[derive(Clone)]
struct CachedLeaf {
    leaf: Arc<CertifiedKey>,
    fresh: Range<Timestamp>,
}

impl CertificateResolver {
    /// A resolver that mints leaves under `ca` for the names that `is_served` accepts. A client that sends no name gets one
    /// for `unnamed`; at most `kept` leaves are remembered, each to half of its life by `clock`, the system's.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(
        ca: Ca,
        is_served: IsServedName,
        unnamed: Vec<String>,
        kept: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let der = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let signing = aws_lc_rs::sign::any_ecdsa_type(&der).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let (minted, localhost, refused) = (Cache::new(kept), Mutex::default(), AtomicUsize::default());
        Ok(Self { ca, key, signing, is_served, unnamed, minted, localhost, refused, clock })
    }

    /// The CA above the leaves.
    pub const fn ca(&self) -> &Ca {
        &self.ca
    }

    fn leaf(&self, server_name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let now = self.clock.now();
        let name = server_name.map(str::to_ascii_lowercase);
        if name.as_deref() == Some(LOCALHOST) && (self.is_served)(LOCALHOST) {
            return self.for_localhost(now);
        }
        let remembered = name.clone().unwrap_or_default();
        if let Some(cached) = self.minted.get(&remembered).filter(|cached| cached.fresh.contains(&now)) {
            return Some(cached.leaf);
        }
        let names = match name {
            Some(name) if !(self.is_served)(&name) => {
                self.log_refusal(&name);
                return None;
            }
            Some(name) => vec![name],
            None if self.unnamed.is_empty() => return None,
            None => self.unnamed.clone(),
        };
        let minted = self.mint(&names, now)?;
        self.minted.insert(remembered, minted.clone());
        Some(minted.leaf)
    }

    /// The first refused names are warnings; a scanner does not fill the log.
    fn log_refusal(&self, name: &str) {
        let what = "a TLS client asked for a name that is not served here";
        match self.refused.fetch_add(1, Ordering::Relaxed) {
            before if before < MOST_WARNINGS => {
                tracing::warn!(name, "{what}; add it to the aliases of a vault, if it is one's")
            }
            _ => tracing::debug!(name, "{what}"),
        }
    }

    /// The lock is held while a leaf is minted, so that all clients get the same one.
    fn for_localhost(&self, now: Timestamp) -> Option<Arc<CertifiedKey>> {
        let mut localhost = self.localhost.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = localhost.as_ref().filter(|cached| cached.fresh.contains(&now)) {
            return Some(cached.leaf.clone());
        }
        let minted = self.mint(&[LOCALHOST.to_owned()], now)?;
        Some(localhost.insert(minted).leaf.clone())
    }

    fn mint(&self, names: &[String], now: Timestamp) -> Option<CachedLeaf> {
        if let Some(concern) = self.ca.validity_warning(now) {
            tracing::warn!(concern, "a leaf certificate is minted under a CA that clients refuse, or soon will");
        }
        match self.ca.leaf(names, &self.key, now) {
            Ok(Leaf { der, fresh }) => {
                let leaf = Arc::new(CertifiedKey::new(vec![der], self.signing.clone()));
                Some(CachedLeaf { leaf, fresh })
            }
            Err(error) => {
                tracing::warn!(%error, ?names, "a leaf certificate could not be minted");
                None
            }
        }
    }
}

impl std::fmt::Debug for CertificateResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateResolver").field("unnamed", &self.unnamed).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.leaf(hello.server_name())
    }
}

/// The leaf for one name, whatever a client asks for.
#[derive(Debug)]
struct FixedName {
    leaves: Arc<CertificateResolver>,
    name: String,
}

impl ResolvesServerCert for FixedName {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.leaves.leaf(Some(&self.name))
    }
}

/// The TLS settings `config` with the leaf for `name`, whatever name a client sends, or none.
pub(crate) fn for_name(config: &ServerConfig, leaves: &Arc<CertificateResolver>, name: &str) -> Arc<ServerConfig> {
    let resolver = FixedName { leaves: leaves.clone(), name: name.to_owned() };
    let mut config = config.clone();
    config.cert_resolver = Arc::new(resolver);
    Arc::new(config)
}

/// The TLS settings of a listener: TLS 1.2 and 1.3, or one `version` alone; HTTP/2 and HTTP/1.1, sessions resumed by ticket.
///
/// # Errors
/// When the provider lacks what they need.
pub fn config(
    leaves: Arc<CertificateResolver>,
    version: Option<TlsVersion>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&TlsVersion::protocols(version))?
        .with_no_client_auth()
        .with_cert_resolver(leaves);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::clock::VirtualClock;

    const NOW: i64 = 1_790_000_000;
    const DAY: i64 = 86_400;

    fn leaves() -> (Arc<VirtualClock>, CertificateResolver) {
        let clock = Arc::new(VirtualClock::frozen_at(Timestamp::from_unix(NOW)));
        let domains = ["a.example".to_owned(), LOCALHOST.to_owned()];
        let ca = Ca::ephemeral("A CA", &domains, true, clock.now()).unwrap();
        let unnamed = vec!["127.0.0.1".to_owned()];
        (clock.clone(), CertificateResolver::new(ca, Arc::new(|_| true), unnamed, 10, clock).unwrap())
    }

    /// The leaf for `name`, which must be good by the clock.
    fn cached(leaves: &CertificateResolver, name: Option<&str>) -> Vec<u8> {
        let leaf = leaves.leaf(name).unwrap();
        let (_, certificate) = X509Certificate::from_der(&leaf.cert[0]).unwrap();
        let now = x509_parser::time::ASN1Time::from_timestamp(leaves.clock.now().unix()).unwrap();
        assert!(certificate.validity().is_valid_at(now), "{name:?} at {}", leaves.clock.now());
        leaf.cert[0].to_vec()
    }

    #[test]
    fn a_leaf_is_minted_anew_at_half_of_its_life() {
        for name in [Some("a.example"), Some(LOCALHOST), None] {
            let (clock, leaves) = leaves();
            let first = cached(&leaves, name);
            clock.advance(198 * DAY);
            assert_eq!(cached(&leaves, name), first, "{name:?}");
            clock.advance(DAY);
            let second = cached(&leaves, name);
            assert_ne!(second, first, "{name:?}");
            clock.advance(500 * DAY);
            assert_ne!(cached(&leaves, name), second, "{name:?}: a server that is up for years");
        }
    }

    #[test]
    fn a_leaf_is_minted_anew_when_the_clock_has_gone_back() {
        for name in [Some("a.example"), Some(LOCALHOST), None] {
            let (clock, leaves) = leaves();
            let first = cached(&leaves, name);
            clock.set(Timestamp::from_unix(NOW - DAY / 2));
            assert_eq!(cached(&leaves, name), first, "{name:?}: it is valid from a day before");
            clock.set(Timestamp::from_unix(NOW - 300 * DAY));
            let earlier = cached(&leaves, name);
            assert_ne!(earlier, first, "{name:?}");
            clock.set(Timestamp::from_unix(NOW - 300 * DAY + 5));
            assert_eq!(cached(&leaves, name), earlier, "{name:?}: it stays as long as it is fresh");
        }
    }
}
