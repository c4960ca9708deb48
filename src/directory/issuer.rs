//! The keys that sign tokens: made in the background of the first start, kept sealed in the store, and followed by a new
//! one from time to time, as Entra does; what the one before has signed stays good.

use std::sync::Arc;

use aws_lc_rs::digest;
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::signing::{self, CheckingKey, SigningKey};
use super::{Claims, Directory, token};
use crate::crypto::base64url;
use crate::crypto::pool::Pool;
use crate::crypto::rsa::{RsaKey, RsaSize};
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Key};

/// How long a key signs, in seconds: 30 days.
const KEY_LIFETIME: i64 = 30 * 86_400;
/// How long after a next key could not be made and kept it is tried again, in seconds.
const RETRY: i64 = 60;
/// How far the clocks of processes with one store may differ, in seconds: a day.
const CLOCK_SKEW: i64 = 86_400;
/// How long anything that was signed can be good, in seconds.
const LONGEST_LIFETIME: i64 = token::FEDERATED_LIFETIME;
/// The longest token, in bytes, that is remembered once it was found good: those of clients are about 1,200 long.
const REMEMBERED: usize = 8 * 1024;

/// Why the issuer's key could not be had.
#[derive(Debug)]
pub enum IssuerError {
    /// The store failed.
    Record(RecordError),
    /// The key could not be made or used.
    Key(String),
}

impl From<RecordError> for IssuerError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl std::fmt::Display for IssuerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(error) => write!(f, "{error}"),
            Self::Key(why) => write!(f, "the token issuer's key cannot be used: {why}"),
        }
    }
}

impl std::error::Error for IssuerError {}

/// The public half of the issuer's key, as JWKS shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's id.
    pub kid: String,
    /// The modulus in base64url without padding.
    pub n: String,
    /// The exponent in base64url without padding.
    pub e: String,
}

pub(super) struct Issuer {
    keys: watch::Sender<State>,
    checked: Cache<[u8; 32], Arc<Claims>>,
}

/// What became of the issuer's keys.
#[derive(Clone)]
enum State {
    /// They are being loaded or made.
    Preparing,
    /// They are there.
    Ready(Arc<Keys>),
    /// They cannot be had, and this is why.
    Failed(String),
}

/// The key that signs, and those that did before and have signed what may still be good.
struct Keys {
    current: SigningKey,
    former: Vec<CheckingKey>,
    /// When the current key is to be replaced, in Unix seconds.
    due: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct IssuerRecord {
    pkcs8: Zeroizing<Vec<u8>>,
    /// When the key was made, in Unix seconds.
    #[serde(default)]
    made: i64,
    #[serde(default)]
    former: Vec<FormerKey>,
}

/// The public half of a key that signs no more.
#[derive(Clone, Serialize, Deserialize)]
struct FormerKey {
    /// The modulus in base64url without padding.
    n: String,
    /// The exponent in base64url without padding.
    e: String,
    /// The last second of what it has signed.
    until: i64,
}

impl Issuer {
    pub(super) fn new(checked_tokens: usize) -> Self {
        Self { keys: watch::Sender::new(State::Preparing), checked: Cache::new(checked_tokens) }
    }

    /// Waits until the keys are there, or cannot be had.
    async fn ready(&self) -> Result<Arc<Keys>, IssuerError> {
        let mut keys = self.keys.subscribe();
        let known = keys.wait_for(|state| !matches!(state, State::Preparing)).await;
        match known.map_err(|error| IssuerError::Key(error.to_string()))?.clone() {
            State::Ready(keys) => Ok(keys),
            State::Failed(why) => Err(IssuerError::Key(why)),
            State::Preparing => Err(IssuerError::Key("it is not there".into())),
        }
    }

    /// Why no tokens can be issued or checked, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        match &*self.keys.borrow() {
            State::Failed(why) => Some(why.clone()),
            State::Preparing | State::Ready(_) => None,
        }
    }

    /// The claims of `token` if this issuer signed it. The times, the audience and the identity are for the caller
    /// to check, each time.
    pub(super) fn signed(&self, token: &str) -> Result<Arc<Claims>, NotSigned> {
        let mark = mark(token);
        if let Some(claims) = self.checked.get(&mark) {
            return Ok(claims);
        }
        let claims = Arc::new(self.claims::<Claims>(token)?);
        if token.len() <= REMEMBERED {
            self.checked.insert(mark, claims.clone());
        }
        Ok(claims)
    }

    /// The claims, of whatever form, of a token that one of this issuer's keys signed.
    pub(super) fn claims<C: DeserializeOwned>(&self, token: &str) -> Result<C, NotSigned> {
        let keys = match self.keys.borrow().clone() {
            State::Ready(keys) => keys,
            // Before there is a key, no token can be ours.
            State::Preparing => return Err(NotSigned::UnknownKey),
            State::Failed(why) => return Err(NotSigned::Unknown(why)),
        };
        let header = signing::header(token).map_err(|_| NotSigned::Malformed)?;
        let key = keys.checking().find(|key| header.kid.as_deref() == Some(&key.public.kid));
        let checked = key.ok_or(NotSigned::UnknownKey)?.check(token);
        // Whoever holds the key signed something else with it: that is no token either.
        checked.map_err(|_| NotSigned::BadSignature)
    }
}

impl Keys {
    fn checking(&self) -> impl Iterator<Item = &CheckingKey> {
        std::iter::once(&self.current.checking).chain(&self.former)
    }
}

impl IssuerRecord {
    /// Whether the key goes on signing. One that was made in the future, before the machine's clock was put right, is followed
    /// like one that is too old.
    fn signs_on(&self, now: i64) -> bool {
        (self.made.saturating_sub(CLOCK_SKEW)..self.made.saturating_add(KEY_LIFETIME)).contains(&now)
    }

    fn keys(&self) -> Result<Keys, IssuerError> {
        let key = |former: &FormerKey| {
            let (n, e) = (base64url::decode(&former.n)?, base64url::decode(&former.e)?);
            Some(CheckingKey::new(&n, &e))
        };
        let former = self.former.iter().map(key).collect::<Option<_>>();
        let former = former.ok_or_else(|| IssuerError::Key("a former key is damaged".into()))?;
        Ok(Keys { current: SigningKey::from_pkcs8(&self.pkcs8)?, former, due: self.made.saturating_add(KEY_LIFETIME) })
    }

    /// What is kept once `pkcs8` signs instead: this record's key remains for as long as what it signed.
    fn followed_by(&self, pkcs8: Zeroizing<Vec<u8>>, now: i64) -> Result<Self, IssuerError> {
        let PublicKey { n, e, .. } = SigningKey::from_pkcs8(&self.pkcs8)?.checking.public;
        let mut former: Vec<_> = self.former.iter().filter(|former| former.until >= now).cloned().collect();
        former.insert(0, FormerKey { n, e, until: now + LONGEST_LIFETIME });
        Ok(Self { pkcs8, made: now, former })
    }
}

/// Why a token is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotSigned {
    /// It cannot be told, because this server's own key cannot be had.
    Unknown(String),
    Malformed,
    UnknownKey,
    BadSignature,
}

impl Directory {
    /// Loads the issuer's keys, or makes one on the pool and keeps it; one that has signed for long enough is followed by
    /// another. Token requests wait until this was done once. Answers when to ask again, in Unix seconds.
    ///
    /// # Errors
    /// When no key can be made or kept.
    pub async fn prepare_issuer(&self, pool: &Pool) -> Result<i64, IssuerError> {
        let prepared = self.issuer_keys(pool).await.map(Arc::new);
        let state = match &prepared {
            Ok(keys) => State::Ready(keys.clone()),
            Err(error) => State::Failed(error.to_string()),
        };
        self.inner.issuer.keys.send_replace(state);
        prepared.map(|keys| keys.due)
    }

    /// Takes the keys over that the records hold now: everything was replaced. Tokens of the keys before are no longer
    /// good, though their signatures were remembered as such.
    ///
    /// # Errors
    /// As [`Directory::prepare_issuer`].
    pub async fn reload_issuer(&self, pool: &Pool) -> Result<(), IssuerError> {
        let prepared = self.prepare_issuer(pool).await;
        self.inner.issuer.checked.clear();
        prepared.map(drop)
    }

    /// Why no tokens can be issued or checked, if that is so.
    pub fn issuer_failure(&self) -> Option<String> {
        self.inner.issuer.failure()
    }

    /// The public keys that check the tokens, that of the key that signs first.
    ///
    /// # Errors
    /// When the key never came to be.
    pub async fn public_keys(&self) -> Result<Vec<PublicKey>, IssuerError> {
        Ok(self.inner.issuer.ready().await?.checking().map(|key| key.public.clone()).collect())
    }

    pub(super) async fn sign<C: Serialize>(&self, claims: &C) -> Result<String, IssuerError> {
        self.inner.issuer.ready().await?.current.sign(claims)
    }

    /// Checks that the keys that are kept, if any are, can be used.
    ///
    /// # Errors
    /// When they cannot.
    pub async fn check_recorded_issuer(&self) -> Result<(), IssuerError> {
        match self.kept().await? {
            Some(record) => record.keys().map(drop),
            None => Ok(()),
        }
    }

    async fn kept(&self) -> Result<Option<Arc<IssuerRecord>>, RecordError> {
        let view = self.records().view().await?;
        self.records().get(&view, &place()).await
    }

    async fn issuer_keys(&self, pool: &Pool) -> Result<Keys, IssuerError> {
        let now = self.inner.clock.now().unix();
        match self.kept().await? {
            Some(record) if record.signs_on(now) => record.keys(),
            former => match (self.next_keys(pool, now).await, former) {
                // The key before is as good as it was; the next one is tried again soon.
                (Err(error), Some(former)) => {
                    tracing::warn!(%error, "the issuer's next key cannot be made and kept; the one before goes on signing");
                    Ok(Keys { due: now.saturating_add(RETRY), ..former.keys()? })
                }
                (next, _) => next,
            },
        }
    }

    async fn next_keys(&self, pool: &Pool, now: i64) -> Result<Keys, IssuerError> {
        let pkcs8 = &new_key(pool).await?;
        let kept = self.records().update(|view: View| async move { self.keep_winner(&view, pkcs8, now).await });
        kept.await?.keys()
    }

    /// Keeps the new key, unless another process was faster; answers what is kept.
    async fn keep_winner(
        &self,
        view: &View,
        pkcs8: &Zeroizing<Vec<u8>>,
        now: i64,
    ) -> Result<Change<IssuerRecord>, IssuerError> {
        let (next, revision) = match self.records().entry::<IssuerRecord>(view, &place()).await? {
            Some((kept, _)) if kept.signs_on(now) => {
                return Ok(Change { batch: Batch::default(), answer: kept.as_ref().clone() });
            }
            Some((kept, revision)) => (kept.followed_by(pkcs8.clone(), now)?, revision),
            None => (IssuerRecord { pkcs8: pkcs8.clone(), made: now, former: vec![] }, 0),
        };
        let batch = Batch::default().expect(place(), revision).put(place(), encode(&next)?);
        Ok(Change { batch, answer: next })
    }
}

async fn new_key(pool: &Pool) -> Result<Zeroizing<Vec<u8>>, IssuerError> {
    let made = pool.generate(|| RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT)).await;
    let made = made.map_err(|error| IssuerError::Key(format!("{error:?}")))?;
    made.map(|(_, pkcs8)| pkcs8).map_err(|error| IssuerError::Key(error.to_string()))
}

fn mark(token: &str) -> [u8; 32] {
    let mut mark = [0; 32];
    mark.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    mark
}

/// Where the key lies.
pub(super) fn place() -> Key {
    Key::from("issuer/current")
}
