//! The credentials of an activity, at the moment of the call, and the body that definitions go along in.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::INVALID_PROPERTY;
use super::runtime::Runtime;
use crate::factory::{self, Reference, Rules, put_back, references};
use crate::remote::{RequestError, VaultUrl};
use crate::secret_json::SecretJson;
use crate::web_task::{ActivityError, Along, Store, WebTask};

/// The text of a credential: a `SecureString`, or a reference to a secret of a vault.
pub(super) async fn secret(
    task: &WebTask,
    runtime: &dyn Runtime,
    value: &SecretJson,
) -> Result<Zeroizing<String>, ActivityError> {
    let value = &value.0;
    if let Some((_, reference)) = references_in(value)?.into_iter().next() {
        return secret_of_vault(task, runtime, &reference).await;
    }
    let text = value.as_str().or_else(|| value["value"].as_str());
    let text = text.ok_or_else(|| wrong("A credential must be a SecureString or an AzureKeyVaultSecret."));
    text.map(|text| Zeroizing::new(text.to_owned()))
}

/// The body of a call, in JSON unless it is text: with the definitions of linked services and datasets that go along.
pub(super) async fn payload(task: &WebTask, runtime: &dyn Runtime) -> Result<Zeroizing<Vec<u8>>, ActivityError> {
    let is_alone = task.along.is_empty();
    let body = match task.body.as_ref().map(|body| &body.0) {
        None if is_alone => return Ok(Zeroizing::default()),
        None => json!({}),
        Some(Value::String(text)) if is_alone => return Ok(Zeroizing::new(text.clone().into_bytes())),
        // As the service has it: a text that is JSON is what it says.
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
        Some(body) => body.clone(),
    };
    let mut body = SecretJson(body);
    if !body.0.is_object() {
        return Err(wrong("A body with linkedServices or datasets must be an object."));
    }
    for member in ["datasets", "linkedServices"] {
        let mut all = SecretJson(json!([]));
        for along in task.along.iter().filter(|along| along.member == member) {
            let mut properties = resolved(task, runtime, along).await?;
            if let Value::Array(all) = &mut all.0 {
                all.push(json!({"name": along.name, "properties": properties.take()}));
            }
        }
        if all.0 != json!([]) {
            body.0[member] = all.take();
        }
    }
    Ok(Zeroizing::new(serde_json::to_vec(&body.0).unwrap_or_default()))
}

/// A definition with its credentials in it; a secret of a vault is there as a `SecureString`.
async fn resolved(task: &WebTask, runtime: &dyn Runtime, along: &Along) -> Result<SecretJson, ActivityError> {
    let mut properties = with_credential(runtime, along).await?;
    for (pointer, reference) in references_in(&properties.0)? {
        let secret = secret_of_vault(task, runtime, &reference).await?;
        if let Some(slot) = properties.0.pointer_mut(&pointer) {
            *slot = json!({"type": "SecureString", "value": secret.as_str()});
        }
    }
    Ok(properties)
}

/// A definition with the credential that lies on the runtime, if one does.
async fn with_credential(runtime: &dyn Runtime, along: &Along) -> Result<SecretJson, ActivityError> {
    let properties = along.properties.0.clone();
    let Some(reference) = factory::reference(&properties) else { return Ok(SecretJson(properties)) };
    let unreadable = |why: &dyn std::fmt::Display| wrong(format!("'{}' cannot be read: {why}", along.name));
    let secrets = runtime.credential(reference).await.map_err(|why| unreadable(&why))?;
    put_back(Rules::LinkedService, properties, &secrets)
        .map_err(|_| unreadable(&"its credential does not fit its definition"))
}

async fn secret_of_vault(
    task: &WebTask,
    runtime: &dyn Runtime,
    reference: &Reference,
) -> Result<Zeroizing<String>, ActivityError> {
    let store = task.stores.iter().find(|store| store.name == reference.store);
    let store = store.ok_or_else(|| wrong(format!("There is no '{}' in linkedservices.", reference.store)))?;
    runtime.secret(store, reference).await.map_err(|failure| no_secret(store, reference, &failure))
}

/// The references in a definition, each with its JSON pointer.
pub(crate) fn references_in(value: &Value) -> Result<Vec<(String, Reference)>, ActivityError> {
    references(value).map_err(|why| wrong(why.to_string()))
}

/// The service's text ("Failed to get the secret from key vault, …").
fn no_secret(store: &Store, reference: &Reference, failure: &RequestError) -> ActivityError {
    let version = reference.version.as_deref().unwrap_or_default();
    let url = store.url.parse::<VaultUrl>().map_or_else(|_| store.url.clone(), |url| url.to_string());
    wrong(format!(
        "Failed to get the secret from key vault, secretName: {}, secretVersion: {version}, vaultBaseUrl: {url}. The error message is: \
         {failure}.",
        reference.secret
    ))
}

fn wrong(why: impl Into<String>) -> ActivityError {
    ActivityError::new(INVALID_PROPERTY, why)
}
