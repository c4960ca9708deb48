//! Linked services: the connections of a factory and their credentials. A credential is a reference to a secret of a vault, resolved at
//! each use, or in the definition itself, which the factory takes out and seals, or elsewhere: then the definition has a reference to it
//! that was made there.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Factory;
use super::content::Keys;
use super::credentials::{EncryptedCredential, Kept, Place, Rules, Secrets, Unusable, put_back, reference, take_out};
use super::plaintext::Plaintext;
use super::refusal::Refusal;
use super::seal::Sealed;
use super::state::{LinkedService, State, credential_associated_data, is_name};
use super::vault_reference::{KEY_VAULT, Reference, references};
use crate::clock::Timestamp;
use crate::random::{self, OsRandom};
use crate::remote::VaultUrl;
use crate::secret_json::SecretJson;

/// The member that a reference to a credential is in.
const REFERENCE: &str = "/typeProperties/encryptedCredential";

impl Factory {
    /// Stores a linked service under `name`, replacing what was there. `definition` is its JSON in the service's form,
    /// `{"properties": {"type", "typeProperties"}}`, or the properties alone. Credentials in it are taken out and sealed; one that comes
    /// back with the reference that [`Factory::definition`] shows keeps what it had.
    ///
    /// # Errors
    /// [`Refusal::SecureStringNotAllowed`] if the factory accepts references to vaults only; [`Refusal::LinkedService`] with the
    /// place; [`Refusal::NoSuchStore`]; those of [`Factory::put`], if there is something to seal.
    pub fn link(&self, name: &str, definition: &Value, now: Timestamp) -> Result<(), Refusal> {
        if !is_name(name) {
            return Err(Refusal::InvalidName { name: name.to_owned() });
        }
        self.change(|state| {
            let properties = definition.get("properties").unwrap_or(definition).clone();
            check_definition(state, &properties)?;
            let taken = take_out(Rules::LinkedService, properties).map_err(unusable)?;
            let before = state.linked_services.get(name).map(LinkedService::kept);
            let new = || EncryptedCredential::new(state.id(), random::uuid(&OsRandom));
            let keeping = taken.keeping(before, new).map_err(unusable)?;
            let mut service = LinkedService { properties: keeping.properties, sealed: keeping.sealed };
            let given = keeping.secrets.keys().next().map(|place| place.pointer().to_owned());
            if let Some(at) = given.or_else(|| service.credential()).filter(|_| state.credentials_only_from_vault) {
                return Err(Refusal::SecureStringNotAllowed { at });
            }
            if !keeping.secrets.is_empty() {
                service.sealed.extend(seal(name, &keeping.secrets, &self.sealing_keys(state, now)?)?);
            }
            state.linked_services.insert(name.to_owned(), service);
            Ok(())
        })
    }

    /// The definition of the linked service `name` as it is kept: without credentials, with a reference to them.
    ///
    /// # Errors
    /// When there is no such linked service.
    pub fn definition(&self, name: &str) -> Result<Value, Refusal> {
        self.read(|state| Ok(state.linked_service(name)?.properties.clone()))
    }

    /// Resolves the credentials of the linked service `name`, by their JSON pointer in its properties: fetches references from
    /// their vaults and opens what the factory sealed; of a connection string all of it.
    ///
    /// # Errors
    /// When there is no such linked service, or a credential is unavailable.
    pub fn resolve(&self, name: &str) -> Result<BTreeMap<String, Plaintext>, Refusal> {
        self.read(|state| {
            let service = state.linked_service(name)?;
            let resolved = self.resolved(state, name, service)?;
            let sealed = service.sealed.keys().map(|place| place.pointer().to_owned());
            let vaults = service.references()?.into_iter().map(|(pointer, _)| pointer);
            let text = |pointer: String| {
                let found = resolved.0.pointer(&pointer)?;
                let text = found.as_str().or_else(|| found["value"].as_str())?;
                Some((pointer, Plaintext::new(Zeroizing::new(text.as_bytes().to_vec()))))
            };
            Ok(sealed.chain(vaults).filter_map(text).collect())
        })
    }

    /// The definition with its credentials in it: what the runtime connects with. A secret of a vault is there as a `SecureString`.
    fn resolved(&self, state: &State, name: &str, service: &LinkedService) -> Result<SecretJson, Refusal> {
        if let (true, Some(credential)) = (service.sealed.is_empty(), reference(&service.properties)) {
            let credential = EncryptedCredential::parse(credential).map(|credential| credential.to_string());
            return Err(Refusal::CredentialElsewhere { linked_service: name.to_owned(), credential });
        }
        let mut secrets = Secrets::new();
        for (place, sealed) in &service.sealed {
            let plain = self.open_sealed(state, &credential_associated_data(name, place), sealed)?;
            let text = std::str::from_utf8(&plain).map_err(|_| Refusal::Damaged(format!("{place} is no text")))?;
            secrets.insert(place.clone(), Zeroizing::new(text.to_owned()));
        }
        let mut resolved = put_back(Rules::LinkedService, service.properties.clone(), &secrets).map_err(unusable)?;
        for (pointer, reference) in service.references()? {
            let secret = self.secret(state, &reference)?;
            if let Some(slot) = resolved.0.pointer_mut(&pointer) {
                *slot = json!({"type": "SecureString", "value": secret.reveal_text().unwrap_or_default()});
            }
        }
        Ok(resolved)
    }

    fn secret(&self, state: &State, reference: &Reference) -> Result<Plaintext, Refusal> {
        let url = state.store(&reference.store)?;
        let identity = state.encryption.as_ref().and_then(|encryption| encryption.identity.as_deref());
        let found = self.vaults.vault(&url, identity).secret(&reference.secret, reference.version.as_deref());
        match found {
            Ok(secret) => Ok(Plaintext::new(Zeroizing::new(secret.value.as_bytes().to_vec()))),
            Err(failure) if failure.is_permission_denied() => {
                let failure = Box::new(failure);
                Err(Refusal::MissingPermission { collection: "secrets", permission: "get", vault: url, failure })
            }
            Err(failure) if failure.is_network_denied() => {
                Err(Refusal::ShutOut { vault: url, failure: Box::new(failure) })
            }
            Err(failure) => {
                let failure = Box::new(failure);
                Err(Refusal::Secret { secret: reference.secret.clone(), vault: url, failure })
            }
        }
    }
}

impl LinkedService {
    /// The references to secrets, by their JSON pointer in the properties.
    pub(super) fn references(&self) -> Result<Vec<(String, Reference)>, Refusal> {
        references(&self.properties)
    }

    /// Where it has a credential outside of a vault, if it has one.
    pub(super) fn credential(&self) -> Option<String> {
        let sealed = self.sealed.keys().next().map(|place| place.pointer().to_owned());
        sealed.or_else(|| reference(&self.properties).map(|_| REFERENCE.to_owned()))
    }

    fn kept(&self) -> Kept<'_, Sealed> {
        Kept { properties: &self.properties, sealed: &self.sealed }
    }
}

impl State {
    /// The id of the factory, of which references to its credentials speak.
    fn id(&self) -> Uuid {
        let of = format!("{}/{}/{}", self.tenant, self.name, self.created);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, of.to_lowercase().as_bytes())
    }

    fn linked_service(&self, name: &str) -> Result<&LinkedService, Refusal> {
        let absent = || Refusal::NotFound { what: "linked service", name: name.to_owned() };
        self.linked_services.get(name).ok_or_else(absent)
    }

    /// The URL of the vault that the linked service `name` refers to.
    fn store(&self, name: &str) -> Result<VaultUrl, Refusal> {
        let service = self.linked_services.get(name).filter(|service| service.properties["type"] == KEY_VAULT);
        let url = service.and_then(|service| service.properties["typeProperties"]["baseUrl"].as_str()?.parse().ok());
        url.ok_or_else(|| Refusal::NoSuchStore { store: name.to_owned() })
    }
}

/// Checks a definition before it is stored.
fn check_definition(state: &State, properties: &Value) -> Result<(), Refusal> {
    let wrong = |at: &str, why| Err(Refusal::LinkedService { at: at.to_owned(), why });
    if !properties["type"].is_string() {
        return wrong("/type", "must name the type, such as AzureSqlDatabase");
    }
    if !properties["typeProperties"].is_object() {
        return wrong("/typeProperties", "must be an object");
    }
    let url = properties["typeProperties"]["baseUrl"].as_str().unwrap_or_default();
    if properties["type"] == KEY_VAULT && url.parse::<VaultUrl>().is_err() {
        return wrong("/typeProperties/baseUrl", "must be the URL of a vault, such as https://NAME.vault.azure.net");
    }
    references(properties)?.iter().try_for_each(|(_, reference)| state.store(&reference.store).map(drop))
}

fn seal(name: &str, plain: &Secrets, keys: &Keys) -> Result<BTreeMap<Place, Sealed>, Refusal> {
    let sealed = |(place, text): (&Place, &Zeroizing<String>)| {
        Ok((place.clone(), keys.seal(&credential_associated_data(name, place), text.as_bytes())?))
    };
    plain.iter().map(sealed).collect()
}

fn unusable(unusable: Unusable) -> Refusal {
    let (at, why) = match unusable {
        Unusable::NoText { at } => (at, "a credential must be text"),
        Unusable::NoValue { at } => (at, "a SecureString must have a value, as text"),
        Unusable::Masked { at } => (at, "the masked credential ********** is not kept; write it anew"),
    };
    Refusal::LinkedService { at, why }
}
