//! Linked services: the connections of a factory and their credentials. A credential is a reference to a secret of a vault,
//! resolved at each use, or a secure string, which the factory seals.

use std::collections::BTreeMap;

use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use super::Factory;
use super::content::Keys;
use super::plaintext::Plaintext;
use super::refusal::Refusal;
use super::seal::Sealed;
use super::state::{LinkedService, State, credential_associated_data, is_name};
use crate::clock::Timestamp;
use crate::remote::VaultUrl;

/// The type of a linked service that is a vault.
const KEY_VAULT: &str = "AzureKeyVault";
/// The type of a reference to a vault's secret.
const REFERENCE: &str = "AzureKeyVaultSecret";
/// The type of a credential that the definition itself holds.
const SECURE_STRING: &str = "SecureString";
/// Properties that hold credentials in the service's connectors: plaintext is refused there.
const CREDENTIAL_PROPERTIES: [&str; 12] = [
    "password",
    "accountkey",
    "accesstoken",
    "apikey",
    "clientsecret",
    "encryptedcredential",
    "functionkey",
    "sastoken",
    "sasuri",
    "secretaccesskey",
    "servicecredential",
    "serviceprincipalkey",
];
/// The keywords of credentials in connection strings.
const CREDENTIAL_KEYWORDS: [&str; 5] = ["password", "pwd", "accountkey", "sharedaccesskey", "sharedaccesssignature"];

/// A reference to a secret of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name of the linked service of type `AzureKeyVault`.
    pub store: String,
    /// The secret's name.
    pub secret: String,
    /// The version; `None` follows the latest.
    pub version: Option<String>,
}

impl Factory {
    /// Stores a linked service under `name`, replacing what was there. `definition` is its JSON in the service's form,
    /// `{"properties": {"type", "typeProperties"}}`, or the properties alone.
    ///
    /// # Errors
    /// [`Refusal::SecureStringNotAllowed`] if the factory accepts references only; [`Refusal::PlaintextCredential`];
    /// [`Refusal::NoSuchStore`]; those of [`Factory::put`], if there is something to seal.
    pub fn link(&self, name: &str, definition: &Value, now: Timestamp) -> Result<(), Refusal> {
        if !is_name(name) {
            return Err(Refusal::InvalidName { name: name.to_owned() });
        }
        self.change(|state| {
            let mut properties = definition.get("properties").unwrap_or(definition).clone();
            check_definition(state, &properties)?;
            let plain = take_secure_strings(&mut properties);
            if let Some(pointer) = plain.keys().next().filter(|_| state.credentials_only_from_vault) {
                return Err(Refusal::SecureStringNotAllowed { at: pointer.clone() });
            }
            let sealed =
                if plain.is_empty() { BTreeMap::new() } else { seal(name, &plain, &self.sealing_keys(state, now)?)? };
            state.linked_services.insert(name.to_owned(), LinkedService { properties, sealed });
            Ok(())
        })
    }

    /// Resolves the credentials of the linked service `name`, by their JSON pointer in its properties: fetches references from
    /// their vaults and opens secure strings.
    ///
    /// # Errors
    /// When there is no such linked service, or a credential is unavailable.
    pub fn resolve(&self, name: &str) -> Result<BTreeMap<String, Plaintext>, Refusal> {
        self.read(|state| {
            let absent = || Refusal::NotFound { what: "linked service", name: name.to_owned() };
            let service = state.linked_services.get(name).ok_or_else(absent)?;
            let mut resolved = BTreeMap::new();
            for (pointer, sealed) in &service.sealed {
                let plain = self.open_sealed(state, &credential_associated_data(name, pointer), sealed)?;
                resolved.insert(pointer.clone(), Plaintext::new(plain));
            }
            for (pointer, reference) in service.references()? {
                resolved.insert(pointer, self.secret(state, &reference)?);
            }
            Ok(resolved)
        })
    }

    fn secret(&self, state: &State, reference: &Reference) -> Result<Plaintext, Refusal> {
        let url = state.store(&reference.store)?;
        let identity = state.encryption.as_ref().and_then(|encryption| encryption.identity.as_deref());
        let found = self.vaults.vault(&url, identity).secret(&reference.secret, reference.version.as_deref());
        match found {
            Ok(secret) => Ok(Plaintext::new(Zeroizing::new(secret.value.as_bytes().to_vec()))),
            Err(failure) if failure.is_permission_denied() => {
                Err(Refusal::MissingPermission { collection: "secrets", permission: "get", vault: url })
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
}

impl State {
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
    for (pointer, value) in walk(properties) {
        if value["type"] == SECURE_STRING && !value["value"].is_string() {
            return wrong(&pointer, "a SecureString must have a value, as text");
        }
        if value.as_str().is_some_and(|text| is_plaintext_credential(&pointer, text)) {
            return Err(Refusal::PlaintextCredential { at: pointer });
        }
    }
    references(properties)?.iter().try_for_each(|(_, reference)| state.store(&reference.store).map(drop))
}

fn references(properties: &Value) -> Result<Vec<(String, Reference)>, Refusal> {
    let all = walk(properties).into_iter().filter(|(_, value)| value["type"] == REFERENCE);
    all.map(|(pointer, value)| Reference::of(&pointer, value).map(|reference| (pointer, reference))).collect()
}

impl Reference {
    /// Parses a reference; the version may be missing, empty or `latest`.
    fn of(at: &str, value: &Value) -> Result<Self, Refusal> {
        let wrong = |why| Refusal::LinkedService { at: at.to_owned(), why };
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        if value["store"]["type"] != "LinkedServiceReference" {
            return Err(wrong("store must be of type LinkedServiceReference"));
        }
        let version = match &value["secretVersion"] {
            Value::Null => None,
            Value::String(version) => {
                Some(version.clone()).filter(|version| !version.is_empty() && version != "latest")
            }
            _ => return Err(wrong("secretVersion must be text")),
        };
        Ok(Self {
            store: text(&value["store"]["referenceName"]).ok_or_else(|| wrong("store must have a referenceName"))?,
            secret: text(&value["secretName"]).ok_or_else(|| wrong("secretName must name a secret"))?,
            version,
        })
    }
}

fn is_plaintext_credential(pointer: &str, text: &str) -> bool {
    let property = pointer.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let names = |part: &str| {
        let name: String = part.split('=').next().unwrap_or_default().split_whitespace().collect();
        part.contains('=') && CREDENTIAL_KEYWORDS.contains(&name.to_ascii_lowercase().as_str())
    };
    !text.is_empty() && (CREDENTIAL_PROPERTIES.contains(&property.as_str()) || text.split(';').any(names))
}

/// Removes the values of secure strings from `properties` and returns them by their JSON pointer.
fn take_secure_strings(properties: &mut Value) -> BTreeMap<String, Zeroizing<String>> {
    let found = walk(properties).into_iter().filter(|(_, value)| value["type"] == SECURE_STRING);
    let pointers: Vec<String> = found.map(|(pointer, _)| pointer).collect();
    let taken = pointers.into_iter().filter_map(|pointer| {
        let value = properties.pointer_mut(&pointer)?.as_object_mut()?.remove("value")?;
        let Value::String(mut text) = value else { return None };
        let plain = Zeroizing::new(text.clone());
        text.zeroize();
        Some((pointer, plain))
    });
    taken.collect()
}

fn seal(
    name: &str,
    plain: &BTreeMap<String, Zeroizing<String>>,
    keys: &Keys,
) -> Result<BTreeMap<String, Sealed>, Refusal> {
    let sealed = |(pointer, text): (&String, &Zeroizing<String>)| {
        Ok((pointer.clone(), keys.seal(&credential_associated_data(name, pointer), text.as_bytes())?))
    };
    plain.iter().map(sealed).collect()
}

/// Every value in `root` with its JSON pointer (RFC 6901), without those inside of credentials.
pub(super) fn walk(root: &Value) -> Vec<(String, &Value)> {
    let mut found = vec![];
    let mut left = vec![(String::new(), root)];
    while let Some((pointer, value)) = left.pop() {
        let below = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(_) if value["type"] == SECURE_STRING || value["type"] == REFERENCE => {}
            Value::Object(members) => left.extend(members.iter().map(|(key, value)| (below(key), value))),
            Value::Array(items) => {
                left.extend(items.iter().enumerate().map(|(at, item)| (below(&at.to_string()), item)))
            }
            _ => {}
        }
        found.push((pointer, value));
    }
    found
}
