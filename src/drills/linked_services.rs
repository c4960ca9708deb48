//! Linked services of a factory in a drill: credentials that lie in the vault, and some that the factory keeps itself.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::drilled_factory::Plant;
use super::environment::Ground;
use super::step::Wrong;
use crate::factory::Refusal;

/// The linked service that is the vault.
const STORE: &str = "vault";
/// Where the credential of each of them stands.
const PASSWORD: &str = "/typeProperties/password";

impl Plant {
    /// Links the vault itself, for references to its secrets.
    pub(super) fn link_vault(&self, ground: &Ground) -> Result<(), Wrong> {
        let definition = json!({"type": "AzureKeyVault", "typeProperties": {"baseUrl": ground.vault()}});
        Ok(self.factory().link(STORE, &definition, ground.now()?)?)
    }

    /// Links `name`, whose password is the vault's secret `secret`: a fixed version of it, or the latest.
    pub(super) fn link_secret(
        &self,
        ground: &Ground,
        name: &str,
        secret: &str,
        version: Option<&str>,
    ) -> Result<(), Wrong> {
        let store = json!({"referenceName": STORE, "type": "LinkedServiceReference"});
        let mut reference = json!({"type": "AzureKeyVaultSecret", "store": store, "secretName": secret});
        if let Some(version) = version {
            reference["secretVersion"] = version.into();
        }
        Ok(self.factory().link(name, &with_password(&reference), ground.now()?)?)
    }

    /// Links `name`, whose password the factory keeps itself.
    pub(super) fn link_plain(&self, ground: &Ground, name: &str, password: &str) -> Result<(), Wrong> {
        let secure = json!({"type": "SecureString", "value": password});
        Ok(self.factory().link(name, &with_password(&secure), ground.now()?)?)
    }

    /// The password of the linked service `name` at this moment.
    pub(super) fn password(&self, name: &str) -> Result<Zeroizing<String>, Refusal> {
        let resolved = self.factory().resolve(name)?;
        let text = resolved.get(PASSWORD).and_then(|plain| plain.reveal_text()).unwrap_or_default();
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn with_password(password: &Value) -> Value {
    json!({"type": "AzureSqlDatabase", "typeProperties": {"password": password}})
}
