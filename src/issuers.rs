//! The keys of other issuers, fetched by OpenID Connect Discovery and remembered for a while. Only issuers that the
//! configuration names are ever asked.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::clock::Clock;
use crate::directory::{ForeignIssuers, ForeignKeys};

/// How long an issuer may take to answer each request.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest document, in bytes.
const LARGEST: u64 = 256 * 1024;
/// The most issuers whose keys are remembered.
const REMEMBERED: usize = 100;
/// How long keys are remembered, in seconds.
const GOOD_FOR: i64 = 3600;
/// How long keys are not fetched again though one is missing, in seconds: whoever makes ids up must not make us ask.
const NOT_AGAIN_FOR: i64 = 60;
/// The most issuers that are asked at once.
const AT_ONCE: usize = 4;

/// Issuers on the network. Cheap to clone.
#[derive(Clone)]
pub struct Issuers(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    agent: OnceLock<Agent>,
    places: Semaphore,
    known: Cache<String, Known>,
}

/// Keys, and when they were fetched, in Unix seconds.
#[derive(Clone)]
struct Known {
    keys: ForeignKeys,
    at: i64,
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// Issuers whose keys are remembered by `clock`, the system's.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (agent, places, known) = (OnceLock::new(), Semaphore::new(AT_ONCE), Cache::new(REMEMBERED));
        Self(Arc::new(Inner { clock, agent, places, known }))
    }

    async fn fetched(self, issuer: String, kid: Option<String>) -> Result<ForeignKeys, String> {
        let _place = self.0.places.acquire().await.map_err(|error| error.to_string())?;
        let now = self.0.clock.now().unix();
        if let Some(known) = self.0.known.get(&issuer).filter(|known| known.serves(kid.as_deref(), now)) {
            return Ok(known.keys);
        }
        let (asking, of) = (self.0.clone(), issuer.clone());
        let fetched =
            tokio::task::spawn_blocking(move || asking.fetch(&of)).await.map_err(|error| error.to_string())?;
        let keys = Arc::new(fetched?);
        self.0.known.insert(issuer, Known { keys: keys.clone(), at: now });
        Ok(keys)
    }
}

impl ForeignIssuers for Issuers {
    fn keys(
        &self,
        issuer: &str,
        kid: Option<&str>,
    ) -> Pin<Box<dyn Future<Output = Result<ForeignKeys, String>> + Send>> {
        Box::pin(self.clone().fetched(issuer.to_owned(), kid.map(str::to_owned)))
    }
}

impl Known {
    fn serves(&self, kid: Option<&str>, now: i64) -> bool {
        let age = now - self.at;
        let has_it = kid.is_none_or(|kid| self.keys.find(kid).is_some());
        (0..GOOD_FOR).contains(&age) && (has_it || age < NOT_AGAIN_FOR)
    }
}

impl Inner {
    fn fetch(&self, issuer: &str) -> Result<JwkSet, String> {
        let base = issuer.trim_end_matches('/');
        let configuration: Configuration = self.get(&format!("{base}/.well-known/openid-configuration"))?;
        if configuration.issuer.trim_end_matches('/') != base {
            return Err("its configuration names another issuer".to_owned());
        }
        self.get(&configuration.jwks_uri)
    }

    fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let wrong = |error: ureq::Error| format!("{url}: {error}");
        let mut answer = self.agent.get_or_init(agent).get(url).call().map_err(wrong)?;
        answer.body_mut().with_config().limit(LARGEST).read_json().map_err(wrong)
    }
}

/// A client that trusts what the system trusts (and `SSL_CERT_FILE` names), made when it is first needed.
fn agent() -> Agent {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    Agent::config_builder().timeout_global(Some(PATIENCE)).https_only(true).tls_config(tls).build().into()
}
