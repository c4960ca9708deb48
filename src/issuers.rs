//! The signing keys of external issuers, fetched by OpenID Connect Discovery and cached. Only issuers that the configuration
//! names are ever requested.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use ureq::Agent;

use crate::clock::Clock;
use crate::directory::{ExternalIssuers, ExternalKeys};
use crate::outgoing;

/// How long each request to an issuer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest document, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 256 * 1024;
/// The most issuers whose keys are cached.
const MAX_CACHED: usize = 100;
/// How long keys are cached, in seconds.
const KEYS_TTL: i64 = 3600;
/// How long an unknown key id triggers no new fetch, in seconds, so that tokens with invented ids cause no load.
const UNKNOWN_KEY_TTL: i64 = 60;
/// How long a failed fetch is cached, in seconds.
const FAILURE_TTL: i64 = 10;
/// The most issuers that are requested at once.
const MAX_CONCURRENT: usize = 4;

/// Fetches and caches the keys of issuers on the network. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Issuers(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    agent: OnceLock<Agent>,
    permits: Arc<Semaphore>,
    cache: Cache<String, CachedKeys>,
}

/// The result of a fetch.
#[derive(Clone)]
struct CachedKeys {
    keys: Result<ExternalKeys, String>,
    /// When it was fetched, in Unix seconds.
    fetched_at: i64,
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// `clock` is the system clock.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (permits, cache) = (Arc::new(Semaphore::new(MAX_CONCURRENT)), Cache::new(MAX_CACHED));
        Self(Arc::new(Inner { clock, agent: OnceLock::new(), permits, cache }))
    }

    async fn cached_keys(self, issuer: String, kid: Option<String>) -> Result<ExternalKeys, String> {
        let now = self.0.clock.now().unix();
        if self.0.cache.get(&issuer).is_some_and(|cached| !cached.is_fresh_for(kid.as_deref(), now)) {
            self.0.cache.remove(&issuer);
        }
        // Spawned, so that a cancelled caller does not cancel it: all callers for this issuer share one fetch.
        let fetch = tokio::spawn(async move {
            let fetching = self.fetch(issuer.clone(), now);
            self.0.cache.get_or_insert_async(&issuer, fetching).await
        });
        fetch.await.map_err(|error| error.to_string())??.keys
    }

    async fn fetch(&self, issuer: String, fetched_at: i64) -> Result<CachedKeys, String> {
        let permit = self.0.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| "too many issuers are being asked; try again".to_owned())?;
        let inner = self.0.clone();
        let fetched = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.fetch(&issuer)
        });
        let keys = fetched.await.unwrap_or_else(|error| Err(error.to_string()));
        Ok(CachedKeys { keys: keys.map(Arc::new), fetched_at })
    }
}

impl ExternalIssuers for Issuers {
    fn keys(
        &self,
        issuer: &str,
        kid: Option<&str>,
    ) -> Pin<Box<dyn Future<Output = Result<ExternalKeys, String>> + Send>> {
        Box::pin(self.clone().cached_keys(issuer.to_owned(), kid.map(str::to_owned)))
    }
}

impl CachedKeys {
    fn is_fresh_for(&self, kid: Option<&str>, now: i64) -> bool {
        let age = now - self.fetched_at;
        let ttl = match &self.keys {
            Ok(keys) if kid.is_none_or(|kid| keys.find(kid).is_some()) => KEYS_TTL,
            Ok(_) => UNKNOWN_KEY_TTL,
            Err(_) => FAILURE_TTL,
        };
        (0..ttl).contains(&age)
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
        answer.body_mut().with_config().limit(MAX_DOCUMENT_BYTES).read_json().map_err(wrong)
    }
}

/// The HTTP client for issuers.
fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(REQUEST_TIMEOUT))
        .https_only(true)
        .tls_config(outgoing::tls(vec![]))
        .build()
        .into()
}
