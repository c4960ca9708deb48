//! The operations on secrets. `version` defaults to the latest.

use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::Zeroize;

use super::error::RequestError;
use super::path::{operation_path, path};
use super::secret::Secret;
use super::vault_client::VaultClient;

/// Operations on secrets. Each fails as [`VaultClient::call`] does, or when the answer lacks a required member.
impl VaultClient {
    /// The secret `name` with its value. Needs `get`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn secret(&self, name: &str, version: Option<&str>) -> Result<Secret, RequestError> {
        Secret::of(self.call(Method::GET, &path("secrets", name, version), None)?)
    }

    /// All secrets, as a list describes them (`id`, `attributes`, `contentType`), in the vault's order. Needs `list`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn secrets(&self) -> Result<Vec<Value>, RequestError> {
        self.list("/secrets")
    }

    /// All deleted secrets that can be recovered, as a list describes them. Needs `list`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn deleted_secrets(&self) -> Result<Vec<Value>, RequestError> {
        self.list("/deletedsecrets")
    }

    /// Sets a secret: creates it, or a new version of it. Needs `set`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn set_secret(&self, name: &str, value: &str) -> Result<Secret, RequestError> {
        self.set_secret_with(name, value, &json!({}))
    }

    /// The same with `properties`, such as `{"contentType": "text/plain", "attributes": {"exp": 1900000000}}`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn set_secret_with(&self, name: &str, value: &str, properties: &Value) -> Result<Secret, RequestError> {
        let mut request = properties.clone();
        request["value"] = value.into();
        let answer = self.call(Method::PUT, &path("secrets", name, None), Some(&request));
        if let Value::String(text) = &mut request["value"] {
            text.zeroize();
        }
        Secret::of(answer?)
    }

    /// Updates the version by `changes`, such as `{"attributes": {"enabled": false}}`. Needs `set`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn update_secret(&self, name: &str, version: Option<&str>, changes: &Value) -> Result<Value, RequestError> {
        self.call(Method::PATCH, &path("secrets", name, version), Some(changes))
    }

    /// All versions of the secret, as a list describes them (`id`, `attributes`), in the vault's order. Needs `list`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn secret_versions(&self, name: &str) -> Result<Vec<Value>, RequestError> {
        self.list(&operation_path("secrets", name, "versions"))
    }

    /// Deletes the secret; it can be recovered for as long as the vault retains it. Needs `delete`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn delete_secret(&self, name: &str) -> Result<Value, RequestError> {
        self.call(Method::DELETE, &path("secrets", name, None), None)
    }

    /// The deleted secret, without its value. Needs `get`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn deleted_secret(&self, name: &str) -> Result<Value, RequestError> {
        self.call(Method::GET, &path("deletedsecrets", name, None), None)
    }

    /// Recovers the deleted secret. Needs `recover`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn recover_secret(&self, name: &str) -> Result<Value, RequestError> {
        self.call(Method::POST, &operation_path("deletedsecrets", name, "recover"), None)
    }

    /// Purges the deleted secret. Needs `purge`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn purge_secret(&self, name: &str) -> Result<(), RequestError> {
        self.call(Method::DELETE, &path("deletedsecrets", name, None), None).map(drop)
    }
}
