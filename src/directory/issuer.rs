//! The key that signs tokens: made once, in the background of the first start, and kept sealed in the store.

use std::sync::Arc;

use aws_lc_rs::digest;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use pem::Pem;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::{Claims, Directory};
use crate::crypto::base64url;
use crate::crypto::pool::Pool;
use crate::crypto::rsa::{RsaKey, RsaSize};
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Key};

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
    key: watch::Sender<State>,
    checked: Cache<[u8; 32], Arc<Claims>>,
}

/// What became of the issuer's key.
#[derive(Clone)]
enum State {
    /// It is being loaded or made.
    Preparing,
    /// It is there.
    Ready(Arc<SigningKey>),
    /// It cannot be had, and this is why.
    Failed(String),
}

struct SigningKey {
    public: PublicKey,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

#[derive(Clone, Serialize, Deserialize)]
struct IssuerRecord {
    pkcs8: Zeroizing<Vec<u8>>,
}

impl Issuer {
    pub(super) fn new(checked_tokens: usize) -> Self {
        Self { key: watch::Sender::new(State::Preparing), checked: Cache::new(checked_tokens) }
    }

    /// Waits until the key is there, or cannot be had.
    async fn ready(&self) -> Result<Arc<SigningKey>, IssuerError> {
        let mut key = self.key.subscribe();
        let known = key.wait_for(|state| !matches!(state, State::Preparing)).await;
        match known.map_err(|error| IssuerError::Key(error.to_string()))?.clone() {
            State::Ready(key) => Ok(key),
            State::Failed(why) => Err(IssuerError::Key(why)),
            State::Preparing => Err(IssuerError::Key("it is not there".into())),
        }
    }

    /// Why no tokens can be issued or checked, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        match &*self.key.borrow() {
            State::Failed(why) => Some(why.clone()),
            State::Preparing | State::Ready(_) => None,
        }
    }

    /// The claims of `token` if this issuer signed it. The times, the audience and the identity are for the caller
    /// to check, each time.
    pub(super) fn signed(&self, token: &str) -> Result<Arc<Claims>, NotSigned> {
        let key = match self.key.borrow().clone() {
            State::Ready(key) => key,
            // Before there is a key, no token can be ours.
            State::Preparing => return Err(NotSigned::UnknownKey),
            State::Failed(why) => return Err(NotSigned::Unknown(why)),
        };
        let mark = mark(token);
        if let Some(claims) = self.checked.get(&mark) {
            return Ok(claims);
        }
        let claims = Arc::new(key.check(token)?);
        if token.len() <= REMEMBERED {
            self.checked.insert(mark, claims.clone());
        }
        Ok(claims)
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
    /// Loads the issuer's key, or makes it on the pool and keeps it. Token requests wait until this is done.
    ///
    /// # Errors
    /// When the key cannot be made or kept.
    pub async fn prepare_issuer(&self, pool: &Pool) -> Result<(), IssuerError> {
        let prepared = self.signing_key(pool).await;
        let state = match &prepared {
            Ok(key) => State::Ready(key.clone()),
            Err(error) => State::Failed(error.to_string()),
        };
        self.inner.issuer.key.send_replace(state);
        prepared.map(drop)
    }

    /// Takes the key over that the records hold now: everything was replaced. Tokens of the key before are no longer
    /// good, though their signatures were remembered as such.
    ///
    /// # Errors
    /// As [`Directory::prepare_issuer`].
    pub async fn reload_issuer(&self, pool: &Pool) -> Result<(), IssuerError> {
        let prepared = self.prepare_issuer(pool).await;
        self.inner.issuer.checked.clear();
        prepared
    }

    /// Why no tokens can be issued or checked, if that is so.
    pub fn issuer_failure(&self) -> Option<String> {
        self.inner.issuer.failure()
    }

    async fn signing_key(&self, pool: &Pool) -> Result<Arc<SigningKey>, IssuerError> {
        let pkcs8 = match self.kept_key().await? {
            Some(record) => record.pkcs8.clone(),
            None => self.make_key(pool).await?,
        };
        Ok(Arc::new(SigningKey::from_pkcs8(&pkcs8)?))
    }

    /// The public key that checks the tokens.
    ///
    /// # Errors
    /// When the key never came to be.
    pub async fn public_key(&self) -> Result<PublicKey, IssuerError> {
        Ok(self.inner.issuer.ready().await?.public.clone())
    }

    pub(super) async fn sign(&self, claims: &Claims) -> Result<String, IssuerError> {
        let key = self.inner.issuer.ready().await?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(key.public.kid.clone());
        header.x5t = Some(key.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &key.encoding).map_err(|error| IssuerError::Key(error.to_string()))
    }

    /// Checks that the key that is kept, if one is, can be used.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn kept_issuer(&self) -> Result<(), IssuerError> {
        match self.kept_key().await? {
            Some(record) => SigningKey::from_pkcs8(&record.pkcs8).map(drop),
            None => Ok(()),
        }
    }

    async fn kept_key(&self) -> Result<Option<Arc<IssuerRecord>>, RecordError> {
        let view = self.records().view().await?;
        self.records().get(&view, &place()).await
    }

    async fn make_key(&self, pool: &Pool) -> Result<Zeroizing<Vec<u8>>, IssuerError> {
        let made = pool.generate(|| RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT)).await;
        let made = made.map_err(|error| IssuerError::Key(format!("{error:?}")))?;
        let (_, pkcs8) = made.map_err(|error| IssuerError::Key(error.to_string()))?;
        let record = IssuerRecord { pkcs8 };
        let record = &record;
        self.records().update(|view: View| async move { self.settle(&view, record).await }).await
    }

    /// Keeps the new key unless another process kept one first; answers the one that is kept.
    async fn settle(&self, view: &View, made: &IssuerRecord) -> Result<Change<Zeroizing<Vec<u8>>>, IssuerError> {
        if let Some(kept) = self.records().get::<IssuerRecord>(view, &place()).await? {
            return Ok(Change { batch: Batch::default(), answer: kept.pkcs8.clone() });
        }
        let put = vec![(place(), encode(made)?)];
        Ok(Change { batch: Batch { expect: vec![(place(), 0)], put, delete: vec![] }, answer: made.pkcs8.clone() })
    }
}

impl SigningKey {
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, IssuerError> {
        let parsed = RsaKey::from_pkcs8(pkcs8).map_err(|error| IssuerError::Key(error.to_string()))?;
        let text = Zeroizing::new(pem::encode(&Pem::new("PRIVATE KEY", pkcs8)));
        let encoding =
            EncodingKey::from_rsa_pem(text.as_bytes()).map_err(|error| IssuerError::Key(error.to_string()))?;
        let (n, e) = (&parsed.public().n, &parsed.public().e);
        let kid = base64url::encode(&digest::digest(&digest::SHA256, n).as_ref()[..20]);
        let public = PublicKey { kid, n: base64url::encode(n), e: base64url::encode(e) };
        Ok(Self { public, encoding, decoding: DecodingKey::from_rsa_raw_components(n, e) })
    }

    fn check(&self, token: &str) -> Result<Claims, NotSigned> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| NotSigned::Malformed)?;
        if header.kid.as_deref() != Some(&self.public.kid) {
            return Err(NotSigned::UnknownKey);
        }
        let checked = jsonwebtoken::decode(token, &self.decoding, &signature_only());
        checked.map(|token| token.claims).map_err(|_| NotSigned::BadSignature)
    }
}

/// Checks the signature alone: everything else depends on the moment and the request.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
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
