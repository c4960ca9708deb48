//! The issuer's signing keys: the first one is generated in the background of the first start, all are stored sealed, and
//! each is rotated after 30 days, as Entra rotates its own. Previous keys still verify what they signed.

use std::sync::Arc;

use aws_lc_rs::digest;
use quick_cache::sync::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::issuer_record::{IssuerRecord, Keys};
use super::signing::{self, IssuerError, PublicKey, SigningKey};
use super::{Claims, Directory};
use crate::crypto::pool::Pool;
use crate::crypto::rsa::{RsaKey, RsaSize};
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey};

/// The pause after a rotation that failed, in seconds.
const RETRY: i64 = 60;
/// The longest token, in bytes, whose claims are cached; usual ones have about 1,200.
const MAX_CACHED_TOKEN: usize = 8 * 1024;

/// The issuer's keys in memory, and the claims of tokens that were verified.
pub(super) struct Issuer {
    keys: watch::Sender<State>,
    verified: Cache<[u8; 32], Arc<Claims>>,
}

/// The state of the issuer's keys.
#[derive(Clone)]
enum State {
    /// They are being loaded or generated.
    Preparing,
    /// They are loaded.
    Ready(Arc<Keys>),
    /// They are not available, for this reason.
    Failed(IssuerError),
}

impl Issuer {
    pub(super) fn new(max_cached_tokens: usize) -> Self {
        Self { keys: watch::Sender::new(State::Preparing), verified: Cache::new(max_cached_tokens) }
    }

    /// Waits until the keys are loaded or have failed.
    async fn ready(&self) -> Result<Arc<Keys>, IssuerError> {
        let mut keys = self.keys.subscribe();
        let known = keys.wait_for(|state| !matches!(state, State::Preparing)).await;
        match known.map_err(|error| IssuerError::Key(error.to_string()))?.clone() {
            State::Ready(keys) => Ok(keys),
            State::Failed(error) => Err(error),
            State::Preparing => Err(IssuerError::Key("it is not there".into())),
        }
    }

    /// Why no token can be issued or verified, if so.
    pub(super) fn failure(&self) -> Option<String> {
        match &*self.keys.borrow() {
            State::Failed(error) => Some(error.to_string()),
            State::Preparing | State::Ready(_) => None,
        }
    }

    /// The claims of `token` if this issuer signed it; cached. The caller checks times, audience and identity at each use.
    pub(super) fn verify(&self, token: &str) -> Result<Arc<Claims>, VerifyError> {
        let digest = token_digest(token);
        if let Some(claims) = self.verified.get(&digest) {
            return Ok(claims);
        }
        let claims = Arc::new(self.verify_claims::<Claims>(token)?);
        if token.len() <= MAX_CACHED_TOKEN {
            self.verified.insert(digest, claims.clone());
        }
        Ok(claims)
    }

    /// The claims of a token of any form that one of this issuer's keys signed.
    pub(super) fn verify_claims<C: DeserializeOwned>(&self, token: &str) -> Result<C, VerifyError> {
        let keys = match self.keys.borrow().clone() {
            State::Ready(keys) => keys,
            // Before the first key exists, this server has signed no token.
            State::Preparing => return Err(VerifyError::UnknownKey),
            State::Failed(error) => return Err(VerifyError::KeyUnavailable(error.to_string())),
        };
        let header = signing::header(token).map_err(|_| VerifyError::Malformed)?;
        let key = keys.verifying_keys().find(|key| header.kid.as_deref() == Some(&key.public.kid));
        let checked = key.ok_or(VerifyError::UnknownKey)?.verify(token);
        // A token with other claims, signed by the same key, is no token of this form.
        checked.map_err(|_| VerifyError::BadSignature)
    }
}

/// Why a token was not verified as this issuer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VerifyError {
    /// The issuer's keys are not available.
    KeyUnavailable(String),
    Malformed,
    UnknownKey,
    BadSignature,
}

impl Directory {
    /// Loads the issuer's keys; generates one on the pool if there is none or the current one is due for rotation. Token
    /// requests wait until this was done once. Returns when to call it again, in Unix seconds.
    ///
    /// # Errors
    /// When no key can be generated or stored.
    pub(crate) async fn prepare_issuer(&self, pool: &Pool) -> Result<i64, IssuerError> {
        let prepared = self.issuer_keys(pool).await.map(Arc::new);
        let state = match &prepared {
            Ok(keys) => State::Ready(keys.clone()),
            Err(error) => State::Failed(error.clone()),
        };
        self.inner.issuer.keys.send_replace(state);
        prepared.map(|keys| keys.due)
    }

    /// Loads the keys again after all records were replaced, and clears the cache: tokens of the earlier keys are invalid.
    ///
    /// # Errors
    /// As [`Directory::prepare_issuer`].
    pub(crate) async fn reload_issuer(&self, pool: &Pool) -> Result<(), IssuerError> {
        let prepared = self.prepare_issuer(pool).await;
        self.inner.issuer.verified.clear();
        prepared.map(drop)
    }

    /// Why no token can be issued or verified, if so.
    pub(crate) fn issuer_failure(&self) -> Option<String> {
        self.inner.issuer.failure()
    }

    /// The public keys that verify tokens; that of the current key first. Waits for the keys of a first start.
    ///
    /// # Errors
    /// When the keys are not available.
    pub(crate) async fn public_keys(&self) -> Result<Vec<PublicKey>, IssuerError> {
        Ok(self.inner.issuer.ready().await?.verifying_keys().map(|key| key.public.clone()).collect())
    }

    pub(super) async fn sign<C: Serialize>(&self, claims: &C) -> Result<String, IssuerError> {
        self.inner.issuer.ready().await?.current.sign(claims)
    }

    /// Stores an RSA key, a PKCS#8 document, as the issuer's first key, so that none is generated. Does nothing when a key
    /// is stored already. Generated keys follow it as they follow any other.
    ///
    /// # Errors
    /// When `pkcs8` is no such key, or cannot be stored.
    pub(crate) async fn import_issuer_key(&self, pkcs8: &Zeroizing<Vec<u8>>) -> Result<(), IssuerError> {
        SigningKey::from_pkcs8(pkcs8)?;
        if self.issuer_record().await?.is_none() {
            self.store_keys(pkcs8, self.inner.clock.now().unix()).await?;
        }
        Ok(())
    }

    /// Checks that the stored keys, if there are any, can be used.
    ///
    /// # Errors
    /// When they cannot.
    pub(crate) async fn check_recorded_issuer(&self) -> Result<(), IssuerError> {
        match self.issuer_record().await? {
            Some(record) => record.keys().map(drop),
            None => Ok(()),
        }
    }

    async fn issuer_record(&self) -> Result<Option<Arc<IssuerRecord>>, RecordError> {
        let view = self.records().view().await?;
        self.records().get(&view, &store_key()).await
    }

    async fn issuer_keys(&self, pool: &Pool) -> Result<Keys, IssuerError> {
        let now = self.inner.clock.now().unix();
        match self.issuer_record().await? {
            Some(record) if record.is_current(now) => record.keys(),
            previous => match (self.next_keys(pool, now).await, previous) {
                // The current key goes on signing; rotation is retried soon.
                (Err(error), Some(previous)) => {
                    tracing::warn!(%error, "the issuer's next key cannot be created and kept; the one before goes on signing");
                    Ok(previous.keys()?.with_due(now.saturating_add(RETRY)))
                }
                (next, _) => next,
            },
        }
    }

    async fn next_keys(&self, pool: &Pool, now: i64) -> Result<Keys, IssuerError> {
        let pkcs8 = generate_key(pool).await?;
        self.store_keys(&pkcs8, now).await
    }

    async fn store_keys(&self, pkcs8: &Zeroizing<Vec<u8>>, now: i64) -> Result<Keys, IssuerError> {
        let kept = self.records().update(|view: View| async move { self.keep_winner(&view, pkcs8, now).await });
        kept.await?.keys()
    }

    /// Stores the new key, unless another process has already rotated it. Returns the stored record.
    async fn keep_winner(
        &self,
        view: &View,
        pkcs8: &Zeroizing<Vec<u8>>,
        now: i64,
    ) -> Result<Change<IssuerRecord>, IssuerError> {
        let (next, revision) = match self.records().entry::<IssuerRecord>(view, &store_key()).await? {
            Some((kept, _)) if kept.is_current(now) => {
                return Ok(Change { batch: Batch::default(), answer: kept.as_ref().clone() });
            }
            Some((kept, revision)) => (kept.succeeded_by(pkcs8.clone(), now)?, revision),
            None => (IssuerRecord::first(pkcs8.clone(), now), 0),
        };
        let batch = Batch::default().expect(store_key(), revision).put(store_key(), encode(&next)?);
        Ok(Change { batch, answer: next })
    }
}

async fn generate_key(pool: &Pool) -> Result<Zeroizing<Vec<u8>>, IssuerError> {
    let generated = pool.generate(|| RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT)).await;
    let generated = generated.map_err(|error| IssuerError::Key(format!("{error:?}")))?;
    generated.map(|(_, pkcs8)| pkcs8).map_err(|error| IssuerError::Key(error.to_string()))
}

fn token_digest(token: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    digest
}

/// The store key of the issuer's keys.
pub(super) fn store_key() -> EntryKey {
    EntryKey::from("issuer/current")
}
