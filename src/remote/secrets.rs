//! What is asked about secrets. Without a version the latest is meant.

use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::Zeroize;

use super::error::Failure;
use super::keys::below;
use super::secret::Secret;
use super::vault::{Vault, path};

/// Each fails as [`Vault::call`] does, or when an answer is not what the operation gives.
impl Vault {
    /// The secret `name` with its value. Needs `get`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn secret(&self, name: &str, version: Option<&str>) -> Result<Secret, Failure> {
        Secret::of(self.call(Method::GET, &path("secrets", name, version), None)?)
    }

    /// A new secret, or a new version of it. Needs `set`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn set_secret(&self, name: &str, value: &str) -> Result<Secret, Failure> {
        let mut request = json!({"value": value});
        let answer = self.call(Method::PUT, &path("secrets", name, None), Some(&request));
        if let Value::String(text) = &mut request["value"] {
            text.zeroize();
        }
        Secret::of(answer?)
    }

    /// The version with what `changes` says, such as `{"attributes": {"enabled": false}}`. Needs `set`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn update_secret(&self, name: &str, version: Option<&str>, changes: &Value) -> Result<Value, Failure> {
        self.call(Method::PATCH, &path("secrets", name, version), Some(changes))
    }

    /// All versions of the secret, as a list describes them (`id`, `attributes`), in the vault's order. Needs `list`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn secret_versions(&self, name: &str) -> Result<Vec<Value>, Failure> {
        self.list(&below("secrets", name, "versions"))
    }

    /// Deletes the secret; it can be recovered for as long as the vault retains it. Needs `delete`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn delete_secret(&self, name: &str) -> Result<Value, Failure> {
        self.call(Method::DELETE, &path("secrets", name, None), None)
    }

    /// The deleted secret, without its value. Needs `get`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn deleted_secret(&self, name: &str) -> Result<Value, Failure> {
        self.call(Method::GET, &path("deletedsecrets", name, None), None)
    }

    /// Brings the deleted secret back. Needs `recover`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn recover_secret(&self, name: &str) -> Result<Value, Failure> {
        self.call(Method::POST, &below("deletedsecrets", name, "recover"), None)
    }

    /// Takes the deleted secret away for good. Needs `purge`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn purge_secret(&self, name: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, &path("deletedsecrets", name, None), None).map(drop)
    }
}
