//! A definition with the credentials that the factory keeps put back: what a run connects with. Secrets of vaults are still references.

use serde_json::Value;
use zeroize::Zeroizing;

use super::Management;
use super::id::ChildId;
use super::sealed_secret::open_secret;
use super::secrets::rules;
use crate::factory::{self, Secrets, put_back, reference};
use crate::management::refusal::Refusal;
use crate::secret_json::SecretJson;

/// Something in a factory as a run uses it.
pub(super) struct ResolvedChild {
    /// Its name, as it was made.
    pub(super) name: String,
    /// Its definition. It may hold secrets.
    pub(super) properties: SecretJson,
    /// Whether secrets of it are kept here.
    pub(super) has_secrets: bool,
    /// The reference to its credential, where that is on a node; it is in the definition still.
    pub(super) reference: Option<String>,
}

impl Management {
    /// What is called so, if it is there, with its credentials.
    ///
    /// # Errors
    /// When there is no such factory, or a key is away.
    pub(super) async fn resolved(&self, id: &ChildId) -> Result<Option<ResolvedChild>, Refusal> {
        let opened = self.opened(id.factory()).await?;
        let view = self.records.view().await?;
        self.opened_revision(&view, id.factory(), &opened).await?;
        let Some(child) = self.recorded_child(&view, id, &opened).await?.0 else { return Ok(None) };
        let properties = Value::Object(child.properties);
        let (name, has_secrets) = (child.name, !child.secrets.is_empty());
        if let Some(reference) = reference(&properties).filter(|_| !has_secrets).map(str::to_owned) {
            let properties = SecretJson(properties);
            return Ok(Some(ResolvedChild { name, properties, has_secrets, reference: Some(reference) }));
        }
        let mut secrets = Secrets::new();
        let layers = if has_secrets { self.system_layers(&view, id.factory()).await? } else { vec![] };
        for (place, sealed) in &child.secrets {
            let keys = (layers.as_slice(), opened.data_key());
            let (_, plain) = open_secret(id, (place, sealed), keys).map_err(Refusal::Sealing)?;
            let no_text =
                |_| Refusal::Sealing(factory::Refusal::Damaged(format!("the credential at {}", place.as_str())));
            let text = std::str::from_utf8(&plain).map_err(no_text)?;
            secrets.insert(place.clone(), Zeroizing::new(text.to_owned()));
        }
        let properties = put_back(rules(id.kind()), properties, &secrets).map_err(Refusal::Credential)?;
        Ok(Some(ResolvedChild { name, properties, has_secrets, reference: None }))
    }
}
