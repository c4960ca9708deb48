//! TLS 1.2 and 1.3 with a leaf minted for the name a client asks for, if it is one of ours.

use std::sync::{Arc, OnceLock};

use quick_cache::sync::Cache;
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::ca::{Ca, CaError};
use crate::clock::Clock;

/// The name whose leaf is never minted anew.
const LOCALHOST: &str = "localhost";

/// Says whether a host name (lower case) is one of ours.
pub type Ours = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Mints leaves by server name.
pub struct Leaves {
    ca: Ca,
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    ours: Ours,
    unnamed: Vec<String>,
    minted: Cache<String, Arc<CertifiedKey>>,
    /// The leaf for `localhost`, which stays the same for as long as the server runs: some clients know a server by its
    /// leaf's thumbprint.
    localhost: OnceLock<Arc<CertifiedKey>>,
    clock: Arc<dyn Clock>,
}

impl Leaves {
    /// Leaves under `ca` for the names that are `ours`. A client that sends no name gets one for `unnamed`; at most
    /// `kept` leaves are remembered.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(ca: Ca, ours: Ours, unnamed: Vec<String>, kept: usize, clock: Arc<dyn Clock>) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let der = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let signing = aws_lc_rs::sign::any_ecdsa_type(&der).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Self { ca, key, signing, ours, unnamed, minted: Cache::new(kept), localhost: OnceLock::new(), clock })
    }

    /// The CA above the leaves.
    pub const fn ca(&self) -> &Ca {
        &self.ca
    }

    fn leaf(&self, server_name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = server_name.map(str::to_ascii_lowercase);
        if name.as_deref() == Some(LOCALHOST) && (self.ours)(LOCALHOST) {
            return self.for_localhost();
        }
        let remembered = name.clone().unwrap_or_default();
        if let Some(leaf) = self.minted.get(&remembered) {
            return Some(leaf);
        }
        let names = match name {
            Some(name) if !(self.ours)(&name) => {
                tracing::debug!(name, "a TLS client asked for a name that is not ours");
                return None;
            }
            Some(name) => vec![name],
            None if self.unnamed.is_empty() => return None,
            None => self.unnamed.clone(),
        };
        let leaf = self.mint(&names)?;
        self.minted.insert(remembered, leaf.clone());
        Some(leaf)
    }

    fn for_localhost(&self) -> Option<Arc<CertifiedKey>> {
        if let Some(leaf) = self.localhost.get() {
            return Some(leaf.clone());
        }
        let leaf = self.mint(&[LOCALHOST.to_owned()])?;
        Some(self.localhost.get_or_init(|| leaf).clone())
    }

    fn mint(&self, names: &[String]) -> Option<Arc<CertifiedKey>> {
        match self.ca.leaf(names, &self.key, self.clock.now()) {
            Ok(der) => Some(Arc::new(CertifiedKey::new(vec![der], self.signing.clone()))),
            Err(error) => {
                tracing::warn!(%error, ?names, "a leaf certificate could not be minted");
                None
            }
        }
    }
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaves").field("unnamed", &self.unnamed).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.leaf(hello.server_name())
    }
}

/// The leaf for one name, whatever a client asks for.
#[derive(Debug)]
struct Single {
    leaves: Arc<Leaves>,
    name: String,
}

impl ResolvesServerCert for Single {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.leaves.leaf(Some(&self.name))
    }
}

/// The TLS settings `config` with the leaf for `name`, whatever name a client sends, or none.
pub fn for_name(config: &ServerConfig, leaves: &Arc<Leaves>, name: &str) -> Arc<ServerConfig> {
    let resolver = Single { leaves: leaves.clone(), name: name.to_owned() };
    let mut config = config.clone();
    config.cert_resolver = Arc::new(resolver);
    Arc::new(config)
}

/// The TLS settings of a listener: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, sessions resumed by ticket.
///
/// # Errors
/// When the provider lacks what they need.
pub fn config(leaves: Arc<Leaves>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)?
        .with_no_client_auth()
        .with_cert_resolver(leaves);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}
