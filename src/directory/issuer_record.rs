//! The stored record of the issuer's keys: when the current key is rotated, and how long previous keys verify tokens.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::claims;
use super::signing::{IssuerError, PublicKey, SigningKey, VerifyingKey};
use crate::crypto::base64url;

/// How long a key signs, in seconds: 30 days.
const KEY_LIFETIME: i64 = 30 * 86_400;
/// How far the clocks of processes with the same store may differ, in seconds: a day.
const CLOCK_SKEW: i64 = 86_400;
/// The longest validity of any token, in seconds.
const LONGEST_LIFETIME: i64 = claims::FEDERATED_LIFETIME;

/// The key that signs, and the previous keys whose tokens may still be valid.
pub(super) struct Keys {
    pub(super) current: SigningKey,
    previous: Vec<VerifyingKey>,
    /// When the current key is to be rotated, in Unix seconds.
    pub(super) due: i64,
}

/// The stored keys.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct IssuerRecord {
    pkcs8: Zeroizing<Vec<u8>>,
    /// When the key was generated, in Unix seconds.
    created: i64,
    previous: Vec<PreviousKey>,
}

/// The public half of a previous key.
#[derive(Clone, Serialize, Deserialize)]
struct PreviousKey {
    /// The modulus in base64url without padding.
    n: String,
    /// The exponent in base64url without padding.
    e: String,
    /// When the last token that it signed expires, in Unix seconds.
    until: i64,
}

impl Keys {
    /// The keys that verify tokens, the current one first.
    pub(super) fn verifying_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        std::iter::once(&self.current.verifying).chain(&self.previous)
    }

    /// These keys with another time for the rotation.
    pub(super) fn with_due(self, due: i64) -> Self {
        Self { due, ..self }
    }
}

impl IssuerRecord {
    /// The record of the first key.
    pub(super) const fn first(pkcs8: Zeroizing<Vec<u8>>, now: i64) -> Self {
        Self { pkcs8, created: now, previous: vec![] }
    }

    /// Whether the key still signs. A key from the future (the machine's clock was set back since) is rotated like one that is
    /// too old.
    pub(super) fn is_current(&self, now: i64) -> bool {
        (self.created.saturating_sub(CLOCK_SKEW)..self.created.saturating_add(KEY_LIFETIME)).contains(&now)
    }

    /// The keys in a form that signs and verifies.
    pub(super) fn keys(&self) -> Result<Keys, IssuerError> {
        let key = |previous: &PreviousKey| {
            let (n, e) = (base64url::decode(&previous.n)?, base64url::decode(&previous.e)?);
            Some(VerifyingKey::new(&n, &e))
        };
        let previous = self.previous.iter().map(key).collect::<Option<_>>();
        let previous = previous.ok_or_else(|| IssuerError::Key("a previous key is damaged".into()))?;
        Ok(Keys {
            current: SigningKey::from_pkcs8(&self.pkcs8)?,
            previous,
            due: self.created.saturating_add(KEY_LIFETIME),
        })
    }

    /// The record once `pkcs8` signs: this record's key becomes a previous one, for as long as its tokens are valid.
    pub(super) fn succeeded_by(&self, pkcs8: Zeroizing<Vec<u8>>, now: i64) -> Result<Self, IssuerError> {
        let PublicKey { n, e, .. } = SigningKey::from_pkcs8(&self.pkcs8)?.verifying.public;
        let mut previous: Vec<_> = self.previous.iter().filter(|previous| previous.until >= now).cloned().collect();
        previous.insert(0, PreviousKey { n, e, until: now + LONGEST_LIFETIME });
        Ok(Self { pkcs8, created: now, previous })
    }
}
