//! The credentials of activities, at the moment of the call: secrets of vaults are read as the identity that the factory has.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::execute::Execution;
use super::record::ActivityError;
use crate::factory::{Reference, Resolved, references};
use crate::management::factory::id::ChildId;
use crate::management::factory::kind::ChildKind;
use crate::management::refusal::Refusal;
use crate::pipeline::WebCall;
use crate::remote::{RequestError, VaultUrl};

/// The service's number of a property that is not what it must be.
const INVALID_PROPERTY: &str = "2105";
/// The type of a linked service that is a vault.
const KEY_VAULT: &str = "AzureKeyVault";

impl Execution {
    /// The text of a credential: a `SecureString`, or a reference to a secret of a vault.
    pub(super) async fn secret(&self, value: &Value) -> Result<Zeroizing<String>, ActivityError> {
        let found = references(value).map_err(|why| ActivityError::new(INVALID_PROPERTY, why.to_string()))?;
        if let Some((_, reference)) = found.into_iter().next() {
            return self.secret_of_vault(reference).await;
        }
        let text = value.as_str().or_else(|| value["value"].as_str());
        let text = text.ok_or_else(|| {
            ActivityError::new(INVALID_PROPERTY, "A credential must be a SecureString or an AzureKeyVaultSecret.")
        });
        text.map(|text| Zeroizing::new(text.to_owned()))
    }

    /// The body of a call, in JSON unless it is text: with the definitions of linked services and datasets that go along.
    pub(super) async fn payload(
        &self,
        call: &WebCall,
        body: Option<Value>,
    ) -> Result<Zeroizing<Vec<u8>>, ActivityError> {
        let body = match body {
            Some(Value::String(text)) if call.linked_services.is_empty() && call.datasets.is_empty() => {
                return Ok(Zeroizing::new(text.into_bytes()));
            }
            // As the service has it: a text that is JSON is what it says.
            Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::Null),
            Some(body) => body,
            None if call.linked_services.is_empty() && call.datasets.is_empty() => return Ok(Zeroizing::default()),
            None => json!({}),
        };
        let Value::Object(mut members) = body else {
            return Err(ActivityError::new(
                INVALID_PROPERTY,
                "A body with linkedServices or datasets must be an object.",
            ));
        };
        for (member, kind, names) in [
            ("datasets", ChildKind::Dataset, &call.datasets),
            ("linkedServices", ChildKind::LinkedService, &call.linked_services),
        ] {
            if !names.is_empty() {
                members.insert(member.to_owned(), self.definitions(kind, names).await?);
            }
        }
        Ok(Zeroizing::new(serde_json::to_vec(&members).unwrap_or_default()))
    }

    async fn definitions(&self, kind: ChildKind, names: &[String]) -> Result<Value, ActivityError> {
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            all.push(json!({"name": name, "properties": self.resolved(kind, name).await?.reveal()}));
        }
        Ok(all.into())
    }

    /// A definition with its credentials in it; a secret of a vault is there as a `SecureString`.
    async fn resolved(&self, kind: ChildKind, name: &str) -> Result<Resolved, ActivityError> {
        let mut properties = self.definition(kind, name).await?;
        let found =
            references(properties.reveal()).map_err(|why| ActivityError::new(INVALID_PROPERTY, why.to_string()))?;
        for (pointer, reference) in found {
            let secret = self.secret_of_vault(reference).await?;
            if let Some(slot) = properties.reveal_mut().pointer_mut(&pointer) {
                *slot = json!({"type": "SecureString", "value": secret.as_str()});
            }
        }
        Ok(properties)
    }

    async fn definition(&self, kind: ChildKind, name: &str) -> Result<Resolved, ActivityError> {
        let absent = || ActivityError::new(INVALID_PROPERTY, format!("There is no '{name}' in {}.", kind.segment()));
        let id = ChildId::parse(self.factory.clone(), kind, name).map_err(|_| absent())?;
        let found = self.management.resolved(&id).await.map_err(|refusal| unreadable(name, &refusal))?;
        Ok(found.ok_or_else(absent)?.properties)
    }

    async fn secret_of_vault(&self, reference: Reference) -> Result<Zeroizing<String>, ActivityError> {
        let store = self.definition(ChildKind::LinkedService, &reference.store).await?;
        let store = store.reveal();
        let url = store["typeProperties"]["baseUrl"].as_str().filter(|_| store["type"] == KEY_VAULT);
        let url = url.and_then(|url| url.parse::<VaultUrl>().ok());
        let url = url.ok_or_else(|| {
            ActivityError::new(
                INVALID_PROPERTY,
                format!("'{}' is no linked service of type AzureKeyVault with the URL of a vault.", reference.store),
            )
        })?;
        let identity = self.identity_of(store, &reference).await?;
        let (vault, asked) = (url.clone(), reference.clone());
        let asking = self.management.access.run(self.own, move |clients| {
            clients
                .vault(&vault, identity.as_deref())
                .secret(&asked.secret, asked.version.as_deref())
                .map(|secret| Zeroizing::new(secret.value.to_string()))
        });
        match asking.await {
            Ok(Ok(secret)) => Ok(secret),
            Ok(Err(failure)) => Err(no_secret(&reference, &url, &failure)),
            Err(refusal) => Err(unreadable(&reference.store, &refusal)),
        }
    }
}

impl Execution {
    /// The resource id of the user-assigned identity that a vault's linked service names by its `credential`; none is the factory's own.
    async fn identity_of(&self, store: &Value, reference: &Reference) -> Result<Option<String>, ActivityError> {
        let wrong = |why: String| Err(ActivityError::new(INVALID_PROPERTY, why));
        let (factory, secret) = (self.factory.name(), &reference.secret);
        let Some(name) = store["typeProperties"]["credential"]["referenceName"].as_str() else {
            return match self.own {
                Some(_) => Ok(None),
                None => wrong(format!(
                    "The data factory '{factory}' has no system-assigned identity to read the secret '{secret}' as."
                )),
            };
        };
        let credential = self.definition(ChildKind::Credential, name).await?;
        let credential = credential.reveal();
        let id =
            credential["typeProperties"]["resourceId"].as_str().filter(|_| credential["type"] == "ManagedIdentity");
        let Some(id) = id else {
            return wrong(format!(
                "The credential '{name}' is no ManagedIdentity: as another the secret '{secret}' is not read here."
            ));
        };
        let found = self.management.factory(&self.factory).await.map_err(|refusal| unreadable(name, &refusal))?;
        let has = found.identity.is_some_and(|all| all.user.iter().any(|own| own.eq_ignore_ascii_case(id)));
        match has {
            true => Ok(Some(id.to_owned())),
            false => wrong(format!(
                "The identity '{id}' of the credential '{name}' is none of the data factory '{factory}'."
            )),
        }
    }
}

fn unreadable(name: &str, refusal: &Refusal) -> ActivityError {
    let why = match refusal {
        Refusal::KeyAway(why) => why.to_string(),
        Refusal::CredentialElsewhere(_) => {
            "its credential is on a node of its runtime, which alone can use it".to_owned()
        }
        other => format!("{other:?}"),
    };
    ActivityError::new(INVALID_PROPERTY, format!("'{name}' cannot be read: {why}"))
}

/// The service's text ("Failed to get the secret from key vault, …").
fn no_secret(reference: &Reference, url: &VaultUrl, failure: &RequestError) -> ActivityError {
    let version = reference.version.as_deref().unwrap_or_default();
    let message = format!(
        "Failed to get the secret from key vault, secretName: {}, secretVersion: {version}, vaultBaseUrl: {url}. The error message is: \
         {failure}.",
        reference.secret
    );
    ActivityError::new(INVALID_PROPERTY, message)
}
