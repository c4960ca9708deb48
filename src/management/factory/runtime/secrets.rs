//! The secrets of a self-hosted runtime: its two auth keys, and what signs tokens for its nodes. They lie apart from what is shown of it, and no cache keeps them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::refusal::RuntimeRefusal;
use crate::crypto::aes::AesKey;
use crate::crypto::algorithm::HmacAlgorithm;
use crate::crypto::{CryptoError, signed_token};
use crate::node_protocol::ServiceToken;

/// How many secrets a runtime has.
pub(crate) const SECRETS: usize = 3;
/// The length of a secret, in bytes.
pub(crate) const SECRET_BYTES: usize = 32;
/// What the next token key is derived by; no node has it for an id, so no node has the key.
const NEXT: &[u8] = b"the token key after the removal of a node";

/// The secrets of a runtime; deliberately no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuntimeSecrets {
    auth_key1: Zeroizing<String>,
    auth_key2: Zeroizing<String>,
    /// What the keys are derived of by which nodes check tokens.
    token_key: Zeroizing<String>,
}

/// One of the two auth keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyName {
    /// `authKey1`.
    First,
    /// `authKey2`.
    Second,
}

/// The two auth keys as nodes are given them; deliberately no `Debug`.
pub(crate) struct AuthKeys {
    /// The first.
    pub first: Zeroizing<String>,
    /// The second.
    pub second: Zeroizing<String>,
}

/// What the auth keys of a runtime say of it.
pub(super) struct KeyLabel<'l> {
    /// The id of the runtime.
    pub(super) runtime: Uuid,
    /// The name of its factory.
    pub(super) factory: &'l str,
    /// The host that nodes register at.
    pub(super) endpoint: &'l str,
}

impl KeyName {
    /// The key called `text`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn parse(text: &str) -> Result<Self, RuntimeRefusal> {
        match text.to_ascii_lowercase().as_str() {
            "authkey1" => Ok(Self::First),
            "authkey2" => Ok(Self::Second),
            _ => Err(RuntimeRefusal::KeyName(text.to_owned())),
        }
    }
}

impl RuntimeSecrets {
    /// The secrets that consist of these bytes.
    pub(super) fn of(bytes: &[Zeroizing<[u8; SECRET_BYTES]>; SECRETS]) -> Self {
        let [auth_key1, auth_key2, token_key] = bytes.each_ref().map(text);
        Self { auth_key1, auth_key2, token_key }
    }

    /// Replaces one auth key.
    pub(super) fn replace(&mut self, name: KeyName, bytes: &Zeroizing<[u8; SECRET_BYTES]>) {
        match name {
            KeyName::First => self.auth_key1 = text(bytes),
            KeyName::Second => self.auth_key2 = text(bytes),
        }
    }

    /// Replaces what the keys of tokens are derived of: tokens that were given before count no more where a node has its new key.
    pub(super) fn revoke_tokens(&mut self) -> Result<(), CryptoError> {
        self.token_key = self.derived(NEXT)?;
        Ok(())
    }

    /// The key by which `node` checks tokens that are for it, base64: each has one of its own, so that none can make another's.
    pub(super) fn token_key(&self, node: Uuid) -> Result<Zeroizing<String>, CryptoError> {
        self.derived(node.as_bytes())
    }

    fn derived(&self, label: &[u8]) -> Result<Zeroizing<String>, CryptoError> {
        let bytes = Zeroizing::new(STANDARD.decode(self.token_key.as_bytes()).unwrap_or_default());
        let code = AesKey::from_bytes(&bytes)?.authenticate(HmacAlgorithm::Hs256, label);
        Ok(Zeroizing::new(STANDARD.encode(Zeroizing::new(code).as_slice())))
    }

    /// A token of these claims.
    pub(super) fn token(&self, claims: &ServiceToken) -> Result<Zeroizing<String>, CryptoError> {
        let key = Zeroizing::new(STANDARD.decode(self.token_key(claims.node)?.as_bytes()).unwrap_or_default());
        let claims = serde_json::to_vec(claims).map_err(|_| CryptoError::Failed("write the claims of a token"))?;
        Ok(Zeroizing::new(signed_token::sign(&AesKey::from_bytes(&key)?, &claims)))
    }

    /// The auth keys, in the service's form: `IR@GUID@FACTORY@ServiceEndpoint=HOST@BASE64`.
    pub(super) fn auth_keys(&self, label: &KeyLabel<'_>) -> AuthKeys {
        let KeyLabel { runtime, factory, endpoint } = label;
        let key = |secret: &Zeroizing<String>| {
            Zeroizing::new(format!("IR@{runtime}@{factory}@ServiceEndpoint={endpoint}@{}", secret.as_str()))
        };
        AuthKeys { first: key(&self.auth_key1), second: key(&self.auth_key2) }
    }
}

fn text(bytes: &Zeroizing<[u8; SECRET_BYTES]>) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_checks_tokens_with_a_key_of_its_own() {
        let secrets = RuntimeSecrets::of(&[1, 2, 3].map(|byte| Zeroizing::new([byte; SECRET_BYTES])));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let key =
            |node| AesKey::from_bytes(&STANDARD.decode(secrets.token_key(node).unwrap().as_bytes()).unwrap()).unwrap();
        let token = secrets.token(&ServiceToken { node: one, expires: 7, reader: None, only_new: false }).unwrap();
        let claims = signed_token::verify(&key(one), &token).unwrap();
        assert_eq!(
            serde_json::from_slice::<ServiceToken>(&claims).unwrap(),
            ServiceToken { node: one, expires: 7, reader: None, only_new: false }
        );
        assert!(signed_token::verify(&key(other), &token).is_none());
    }

    #[test]
    fn revoked_tokens_count_at_no_node_and_no_former_key_makes_others() {
        let mut secrets = RuntimeSecrets::of(&[1, 2, 3].map(|byte| Zeroizing::new([byte; SECRET_BYTES])));
        let nodes = [1, 2].map(Uuid::from_u128);
        let keys = |secrets: &RuntimeSecrets| nodes.map(|node| secrets.token_key(node).unwrap());
        let former = keys(&secrets);
        let claims = ServiceToken { node: nodes[0], expires: 7, reader: None, only_new: false };
        let token = secrets.token(&claims).unwrap();
        secrets.revoke_tokens().unwrap();
        let now = keys(&secrets);
        let [key, _] = now.each_ref().map(|key| AesKey::from_bytes(&STANDARD.decode(key.as_bytes()).unwrap()).unwrap());
        assert!(signed_token::verify(&key, &token).is_none());
        assert!(signed_token::verify(&key, &secrets.token(&claims).unwrap()).is_some());
        assert!(former.iter().all(|key| !now.contains(key) && *key != secrets.token_key));
    }

    #[test]
    fn one_key_is_replaced_and_the_other_stays() {
        let bytes = |byte: u8| Zeroizing::new([byte; SECRET_BYTES]);
        let mut secrets = RuntimeSecrets::of(&[bytes(1), bytes(2), bytes(4)]);
        let label = KeyLabel { runtime: Uuid::nil(), factory: "acme", endpoint: "acme.local.datafactory.azure.net" };
        let before = secrets.auth_keys(&label);
        assert_eq!(
            before.first.as_str(),
            "IR@00000000-0000-0000-0000-000000000000@acme@ServiceEndpoint=acme.local.datafactory.azure.net@\
             AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
        );
        secrets.replace(KeyName::parse("AuthKey2").unwrap(), &bytes(3));
        let after = secrets.auth_keys(&label);
        assert!(after.first == before.first && after.second != before.second);
        assert!(KeyName::parse("authKey3").is_err() && KeyName::parse("").is_err());
    }
}
