//! Linked services of a drill's factory: some refer to secrets of the vault, some keep their credential in the factory.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::drilled_factory::DrilledFactory;
use super::environment::Environment;
use super::step::StepError;
use crate::factory::Refusal;

/// The name of the linked service that is the vault.
const STORE: &str = "vault";
/// The JSON pointer of the credential in their properties.
const PASSWORD: &str = "/typeProperties/password";

impl DrilledFactory {
    /// Links the vault, so that others can refer to its secrets.
    pub(super) fn link_vault(&self, environment: &Environment) -> Result<(), StepError> {
        let definition = json!({"type": "AzureKeyVault", "typeProperties": {"baseUrl": environment.vault()}});
        Ok(self.inner().link(STORE, &definition, environment.now()?)?)
    }

    /// Links `name` with a reference to the vault's secret `secret`: to one version, or to the latest.
    pub(super) fn link_secret(
        &self,
        environment: &Environment,
        name: &str,
        secret: &str,
        version: Option<&str>,
    ) -> Result<(), StepError> {
        let store = json!({"referenceName": STORE, "type": "LinkedServiceReference"});
        let mut reference = json!({"type": "AzureKeyVaultSecret", "store": store, "secretName": secret});
        if let Some(version) = version {
            reference["secretVersion"] = version.into();
        }
        Ok(self.inner().link(name, &with_password(&reference), environment.now()?)?)
    }

    /// Links `name` with a password that the factory itself seals.
    pub(super) fn link_secure_string(
        &self,
        environment: &Environment,
        name: &str,
        password: &str,
    ) -> Result<(), StepError> {
        let secure = json!({"type": "SecureString", "value": password});
        Ok(self.inner().link(name, &with_password(&secure), environment.now()?)?)
    }

    /// Links `name` with a password in its connection string, which the factory itself seals.
    pub(super) fn link_connection_string(
        &self,
        environment: &Environment,
        name: &str,
        password: &str,
    ) -> Result<(), StepError> {
        let text = format!("Server=db;User ID=app;Password={password};Timeout=60");
        let definition = json!({"type": "SqlServer", "typeProperties": {"connectionString": text}});
        Ok(self.inner().link(name, &definition, environment.now()?)?)
    }

    /// Expects that the linked service `name` shows `own` and a reference to its credential; returns all that it shows.
    pub(super) fn expect_shown(&self, name: &str, own: Value) -> Result<Value, StepError> {
        let shown = self.inner().definition(name)?;
        let mut rest = shown["typeProperties"].clone();
        let reference = rest.as_object_mut().and_then(|members| members.remove("encryptedCredential"));
        match (reference.is_some_and(|text| text.is_string()), rest == own) {
            (true, true) => Ok(shown),
            (false, _) => Err(StepError::unexpected(format!("'{name}' has no reference to its credential"))),
            // Not what it shows: it may be the credential.
            (_, false) => Err(StepError::unexpected(format!("'{name}' shows something else than {own}"))),
        }
    }

    /// Resolves the text at `pointer` of the linked service `name`.
    pub(super) fn resolved(&self, name: &str, pointer: &str) -> Result<Zeroizing<String>, Refusal> {
        let resolved = self.inner().resolve(name)?;
        let text = resolved.get(pointer).and_then(|plain| plain.reveal_text()).unwrap_or_default();
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Resolves the password of the linked service `name`.
    pub(super) fn password(&self, name: &str) -> Result<Zeroizing<String>, Refusal> {
        self.resolved(name, PASSWORD)
    }
}

fn with_password(password: &Value) -> Value {
    json!({"type": "AzureSqlDatabase", "typeProperties": {"password": password}})
}
