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

use crate::clock::Clock;
use crate::directory::{ExternalIssuers, ExternalKeys};
use crate::outgoing;

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
/// How long an issuer that could not be asked is not asked again, in seconds.
const FAILED_FOR: i64 = 10;
/// The most issuers that are asked at once.
const AT_ONCE: usize = 4;

/// Issuers on the network. Cheap to clone.
#[derive(Clone)]
pub struct Issuers(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    agent: OnceLock<Agent>,
    places: Arc<Semaphore>,
    known: Cache<String, Known>,
}

/// Keys, or why there are none, and since when, in Unix seconds.
#[derive(Clone)]
struct Known {
    keys: Result<ExternalKeys, String>,
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
        let (places, known) = (Arc::new(Semaphore::new(AT_ONCE)), Cache::new(REMEMBERED));
        Self(Arc::new(Inner { clock, agent: OnceLock::new(), places, known }))
    }

    async fn known(self, issuer: String, kid: Option<String>) -> Result<ExternalKeys, String> {
        let now = self.0.clock.now().unix();
        if self.0.known.get(&issuer).is_some_and(|known| !known.serves(kid.as_deref(), now)) {
            self.0.known.remove(&issuer);
        }
        // To its end, whatever becomes of who asked: all that wait for this issuer wait for one answer.
        let asking = tokio::spawn(async move {
            let fetching = self.fetched(issuer.clone(), now);
            self.0.known.get_or_insert_async(&issuer, fetching).await
        });
        asking.await.map_err(|error| error.to_string())??.keys
    }

    async fn fetched(&self, issuer: String, at: i64) -> Result<Known, String> {
        let place = self.0.places.clone().try_acquire_owned();
        let place = place.map_err(|_| "too many issuers are being asked; try again".to_owned())?;
        let inner = self.0.clone();
        let fetched = tokio::task::spawn_blocking(move || {
            let _place = place;
            inner.fetch(&issuer)
        });
        let keys = fetched.await.unwrap_or_else(|error| Err(error.to_string()));
        Ok(Known { keys: keys.map(Arc::new), at })
    }
}

impl ExternalIssuers for Issuers {
    fn keys(
        &self,
        issuer: &str,
        kid: Option<&str>,
    ) -> Pin<Box<dyn Future<Output = Result<ExternalKeys, String>> + Send>> {
        Box::pin(self.clone().known(issuer.to_owned(), kid.map(str::to_owned)))
    }
}

impl Known {
    fn serves(&self, kid: Option<&str>, now: i64) -> bool {
        let age = now - self.at;
        let good_for = match &self.keys {
            Ok(keys) if kid.is_none_or(|kid| keys.find(kid).is_some()) => GOOD_FOR,
            Ok(_) => NOT_AGAIN_FOR,
            Err(_) => FAILED_FOR,
        };
        (0..good_for).contains(&age)
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

/// A client of issuers, made when it is first needed.
fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .https_only(true)
        .tls_config(outgoing::tls(vec![]))
        .build()
        .into()
}
