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

    /// Resolves the password of the linked service `name`.
    pub(super) fn password(&self, name: &str) -> Result<Zeroizing<String>, Refusal> {
        let resolved = self.inner().resolve(name)?;
        let text = resolved.get(PASSWORD).and_then(|plain| plain.reveal_text()).unwrap_or_default();
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn with_password(password: &Value) -> Value {
    json!({"type": "AzureSqlDatabase", "typeProperties": {"password": password}})
}
