//! What is asked about keys. A name is a key's, a version one of its versions; without one the latest is meant.

use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::{Zeroize, Zeroizing};

use super::error::Failure;
use super::key::{Key, Wrapped};
use super::vault::{Vault, path};
use crate::crypto::base64url;

/// Each fails as [`Vault::call`] does, or when an answer is not what the operation gives.
impl Vault {
    /// The key `name`. Needs `get`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn key(&self, name: &str, version: Option<&str>) -> Result<Key, Failure> {
        Key::of(self.call(Method::GET, &path("keys", name, version), None)?)
    }

    /// A new key, or a new version of it; `parameters` such as `{"kty": "RSA", "key_size": 2048}`. Needs `create`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn create_key(&self, name: &str, parameters: &Value) -> Result<Key, Failure> {
        Key::of(self.call(Method::POST, &below("keys", name, "create"), Some(parameters))?)
    }

    /// The version with what `changes` says, such as `{"attributes": {"enabled": false}}`. Needs `update`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn update_key(&self, name: &str, version: Option<&str>, changes: &Value) -> Result<Key, Failure> {
        Key::of(self.call(Method::PATCH, &path("keys", name, version), Some(changes))?)
    }

    /// `key` wrapped by the version, with `algorithm` such as `RSA-OAEP-256`. Needs `wrapKey`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn wrap(&self, name: &str, version: &str, algorithm: &str, key: &[u8]) -> Result<Wrapped, Failure> {
        let (kid, value) = self.operate(name, version, "wrapkey", algorithm, key)?;
        Ok(Wrapped { kid, value: value.to_vec() })
    }

    /// The key that the version wrapped. Needs `unwrapKey`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn unwrap(
        &self,
        name: &str,
        version: &str,
        algorithm: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        Ok(self.operate(name, version, "unwrapkey", algorithm, wrapped)?.1)
    }

    fn operate(
        &self,
        name: &str,
        version: &str,
        operation: &str,
        algorithm: &str,
        value: &[u8],
    ) -> Result<(String, Zeroizing<Vec<u8>>), Failure> {
        let path = format!("{}/{operation}", path("keys", name, Some(version)));
        let mut request = json!({"alg": algorithm, "value": base64url::encode(value)});
        let answer = self.call(Method::POST, &path, Some(&request));
        wipe(&mut request["value"]);
        let mut answer = answer?;
        let result = answer["value"].as_str().and_then(base64url::decode).map(Zeroizing::new);
        wipe(&mut answer["value"]);
        let kid = answer["kid"].as_str().map(str::to_owned);
        kid.zip(result).ok_or_else(|| Failure::Unreachable(format!("the answer of {operation} holds no value")))
    }

    /// A new version as the key's own is made. Needs `rotate`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn rotate_key(&self, name: &str) -> Result<Key, Failure> {
        Key::of(self.call(Method::POST, &below("keys", name, "rotate"), None)?)
    }

    /// When the key rotates by itself. Needs `getrotationpolicy`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn rotation_policy(&self, name: &str) -> Result<Value, Failure> {
        self.call(Method::GET, &below("keys", name, "rotationpolicy"), None)
    }

    /// Says when the key rotates by itself. Needs `setrotationpolicy`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn set_rotation_policy(&self, name: &str, policy: &Value) -> Result<Value, Failure> {
        self.call(Method::PUT, &below("keys", name, "rotationpolicy"), Some(policy))
    }

    /// All versions of the key, as a list describes them (`kid`, `attributes`), in the vault's order. Needs `list`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn key_versions(&self, name: &str) -> Result<Vec<Value>, Failure> {
        self.list(&below("keys", name, "versions"))
    }

    /// Deletes the key; it can be recovered for as long as the vault retains it. Needs `delete`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn delete_key(&self, name: &str) -> Result<Value, Failure> {
        self.call(Method::DELETE, &path("keys", name, None), None)
    }

    /// The deleted key. Needs `get`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn deleted_key(&self, name: &str) -> Result<Value, Failure> {
        self.call(Method::GET, &path("deletedkeys", name, None), None)
    }

    /// Brings the deleted key back. Needs `recover`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn recover_key(&self, name: &str) -> Result<Key, Failure> {
        Key::of(self.call(Method::POST, &below("deletedkeys", name, "recover"), None)?)
    }

    /// Takes the deleted key away for good. Needs `purge`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn purge_key(&self, name: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, &path("deletedkeys", name, None), None).map(drop)
    }

    /// All versions of the key as one sealed text. Needs `backup`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn backup_key(&self, name: &str) -> Result<String, Failure> {
        let answer = self.call(Method::POST, &below("keys", name, "backup"), None)?;
        let backup = answer["value"].as_str().map(str::to_owned);
        backup.ok_or_else(|| Failure::Unreachable("the answer of backup holds no value".to_owned()))
    }

    /// The key that `backup` holds, put into this vault. Needs `restore`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn restore_key(&self, backup: &str) -> Result<Key, Failure> {
        Key::of(self.call(Method::POST, "/keys/restore", Some(&json!({"value": backup})))?)
    }
}

/// `/collection/name/operation`.
pub(super) fn below(collection: &str, name: &str, operation: &str) -> String {
    format!("{}/{operation}", path(collection, name, None))
}

fn wipe(value: &mut Value) {
    if let Value::String(text) = value {
        text.zeroize();
    }
}
