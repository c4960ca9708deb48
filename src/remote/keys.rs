//! The operations on keys. `version` defaults to the latest.

use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::{Zeroize, Zeroizing};

use super::error::RequestError;
use super::key::{Key, Wrapped};
use super::path::{operation_path, path};
use super::vault_client::VaultClient;
use crate::crypto::base64url;

/// The first api-version by which vaults make symmetric keys.
const SYMMETRIC_API_VERSION: &str = "?api-version=2025-07-01";

/// Operations on keys. Each fails as [`VaultClient::call`] does, or when the answer lacks a required member.
impl VaultClient {
    /// The key `name`. Needs `get`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn key(&self, name: &str, version: Option<&str>) -> Result<Key, RequestError> {
        Key::of(self.call(Method::GET, &path("keys", name, version), None)?)
    }

    /// All keys, as a list describes them (`kid`, `attributes`), in the vault's order. Needs `list`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn keys(&self) -> Result<Vec<Value>, RequestError> {
        self.list("/keys")
    }

    /// All deleted keys that can be recovered, as a list describes them. Needs `list`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn deleted_keys(&self) -> Result<Vec<Value>, RequestError> {
        self.list("/deletedkeys")
    }

    /// Creates a key, or a new version of it; `parameters` such as `{"kty": "RSA", "key_size": 2048}`. Needs `create`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn create_key(&self, name: &str, parameters: &Value) -> Result<Key, RequestError> {
        let mut path = operation_path("keys", name, "create");
        if parameters["kty"].as_str().is_some_and(|kty| kty.starts_with("oct")) {
            path += SYMMETRIC_API_VERSION;
        }
        Key::of(self.call(Method::POST, &path, Some(parameters))?)
    }

    /// Updates the version by `changes`, such as `{"attributes": {"enabled": false}}`. Needs `update`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn update_key(&self, name: &str, version: Option<&str>, changes: &Value) -> Result<Key, RequestError> {
        Key::of(self.call(Method::PATCH, &path("keys", name, version), Some(changes))?)
    }

    /// Wraps `key` under the version, with `algorithm` such as `RSA-OAEP-256`. Needs `wrapKey`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn wrap(&self, name: &str, version: &str, algorithm: &str, key: &[u8]) -> Result<Wrapped, RequestError> {
        let (kid, value) = self.operate(name, version, "wrapkey", algorithm, key)?;
        Ok(Wrapped { kid, value: value.to_vec() })
    }

    /// Unwraps a key that the version has wrapped. Needs `unwrapKey`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn unwrap(
        &self,
        name: &str,
        version: &str,
        algorithm: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RequestError> {
        Ok(self.operate(name, version, "unwrapkey", algorithm, wrapped)?.1)
    }

    fn operate(
        &self,
        name: &str,
        version: &str,
        operation: &str,
        algorithm: &str,
        value: &[u8],
    ) -> Result<(String, Zeroizing<Vec<u8>>), RequestError> {
        let path = format!("{}/{operation}", path("keys", name, Some(version)));
        let mut request = json!({"alg": algorithm, "value": base64url::encode(value)});
        let answer = self.call(Method::POST, &path, Some(&request));
        wipe(&mut request["value"]);
        let mut answer = answer?;
        let result = answer["value"].as_str().and_then(base64url::decode).map(Zeroizing::new);
        wipe(&mut answer["value"]);
        let kid = answer["kid"].as_str().map(str::to_owned);
        kid.zip(result).ok_or_else(|| RequestError::NoAnswer(format!("the answer of {operation} holds no value")))
    }

    /// Rotates the key: creates a version with the parameters of the latest one. Needs `rotate`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn rotate_key(&self, name: &str) -> Result<Key, RequestError> {
        Key::of(self.call(Method::POST, &operation_path("keys", name, "rotate"), None)?)
    }

    /// The rotation policy. Needs `getrotationpolicy`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn rotation_policy(&self, name: &str) -> Result<Value, RequestError> {
        self.call(Method::GET, &operation_path("keys", name, "rotationpolicy"), None)
    }

    /// Sets the rotation policy. Needs `setrotationpolicy`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn set_rotation_policy(&self, name: &str, policy: &Value) -> Result<Value, RequestError> {
        self.call(Method::PUT, &operation_path("keys", name, "rotationpolicy"), Some(policy))
    }

    /// All versions of the key, as a list describes them (`kid`, `attributes`), in the vault's order. Needs `list`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn key_versions(&self, name: &str) -> Result<Vec<Value>, RequestError> {
        self.list(&operation_path("keys", name, "versions"))
    }

    /// Deletes the key; it can be recovered for as long as the vault retains it. Needs `delete`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn delete_key(&self, name: &str) -> Result<Value, RequestError> {
        self.call(Method::DELETE, &path("keys", name, None), None)
    }

    /// The deleted key. Needs `get`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn deleted_key(&self, name: &str) -> Result<Value, RequestError> {
        self.call(Method::GET, &path("deletedkeys", name, None), None)
    }

    /// Recovers the deleted key. Needs `recover`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn recover_key(&self, name: &str) -> Result<Key, RequestError> {
        Key::of(self.call(Method::POST, &operation_path("deletedkeys", name, "recover"), None)?)
    }

    /// Purges the deleted key. Needs `purge`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn purge_key(&self, name: &str) -> Result<(), RequestError> {
        self.call(Method::DELETE, &path("deletedkeys", name, None), None).map(drop)
    }

    /// Backs the key up: all its versions as one opaque text. Needs `backup`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn backup_key(&self, name: &str) -> Result<String, RequestError> {
        let answer = self.call(Method::POST, &operation_path("keys", name, "backup"), None)?;
        let backup = answer["value"].as_str().map(str::to_owned);
        backup.ok_or_else(|| RequestError::NoAnswer("the answer of backup holds no value".to_owned()))
    }

    /// Restores the key in `backup` into this vault. Needs `restore`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn restore_key(&self, backup: &str) -> Result<Key, RequestError> {
        Key::of(self.call(Method::POST, "/keys/restore", Some(&json!({"value": backup})))?)
    }
}

fn wipe(value: &mut Value) {
    if let Value::String(text) = value {
        text.zeroize();
    }
}
