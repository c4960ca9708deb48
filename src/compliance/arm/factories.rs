//! Facts of data factories and of linked services, from the properties that Resource Manager takes.

use serde_json::Value;

use super::super::connection_string::without_secrets;
use super::super::facts::{Fact, FactoryFacts, Given, LinkedServiceFacts};
use super::super::tree::{at, text, why};

/// The members of a linked service that may hold a credential, besides its connection string: those that Azure's rules name.
pub(crate) const CREDENTIALS: [&str; 20] = [
    "password",
    "servicePrincipalKey",
    "key",
    "sasUri",
    "accountKey",
    "encryptedCredential",
    "mwsAuthToken",
    "secretKey",
    "secretAccessKey",
    "servicePrincipalCredential",
    "accessToken",
    "credential",
    "developerToken",
    "clientSecret",
    "refreshToken",
    "servicePrincipalEmbeddedCert",
    "servicePrincipalEmbeddedCertPassword",
    "privateKeyContent",
    "passPhrase",
    "securityToken",
];
/// The member with a connection string.
pub(crate) const CONNECTION_STRING: &str = "connectionString";
/// The type of a reference to a secret in a vault.
const REFERENCE: &str = "AzureKeyVaultSecret";

/// Facts of a factory's properties. What other resources say of it is not known yet.
pub(crate) fn factory(properties: &Value) -> FactoryFacts {
    let key = text(properties, &["encryption", "vaultBaseUrl"]);
    FactoryFacts {
        customer_key: key.then(|url| Ok(!url.is_empty())),
        repository: text(properties, &["repoConfiguration", "repositoryName"]),
        public_access: text(properties, &["publicNetworkAccess"]),
        private_endpoints: Fact::Known(0),
        missing_role: Fact::Unset,
    }
}

/// Facts of a linked service's properties.
pub(crate) fn linked_service(properties: &Value) -> LinkedServiceFacts {
    let own = |name| at(properties, &["typeProperties", name]);
    let credential = |name| (name, given(own(name), false));
    LinkedServiceFacts {
        kind: text(properties, &["type"]),
        connection: given(own(CONNECTION_STRING), true),
        credentials: CREDENTIALS.into_iter().map(credential).collect(),
        refers_to_secrets: refers(properties),
    }
}

/// What a member has; its text alone where it is a connection string.
fn given(value: Fact<&Value>, has_text: bool) -> Fact<Given> {
    let (value, kind) = match value {
        Fact::Known(value) if value.is_object() => (value, text(value, &["type"])),
        Fact::Known(value) => (value, Fact::Unset),
        Fact::Unset => return Fact::Unset,
        Fact::Unknown(why) => return Fact::Unknown(why),
    };
    let kind = match kind {
        Fact::Known(kind) => Some(kind),
        Fact::Unset => None,
        Fact::Unknown(why) => return Fact::Unknown(why),
    };
    match connection_text(value).filter(|_| has_text) {
        Some(Fact::Unknown(why)) => Fact::Unknown(why),
        Some(Fact::Known(text)) => Fact::Known(Given { kind, text: without_secrets(&text) }),
        Some(Fact::Unset) | None => Fact::Known(Given { kind, text: String::new() }),
    }
}

/// A text, or the one in a `SecureString`.
fn connection_text(value: &Value) -> Option<Fact<String>> {
    match value {
        Value::String(text) => Some(Fact::Known(text.clone())),
        Value::Object(_) => Some(text(value, &["value"])),
        _ => None,
    }
}

/// Whether a reference to a secret in a vault is anywhere in `value`.
fn refers(value: &Value) -> Fact<bool> {
    if let Some(why) = why(value) {
        return Fact::Unknown(why.to_owned());
    }
    if matches!(text(value, &["type"]), Fact::Known(kind) if kind.eq_ignore_ascii_case(REFERENCE)) {
        return Fact::Known(true);
    }
    Fact::any(match value {
        Value::Array(items) => items.iter().map(refers).collect(),
        Value::Object(members) => members.values().map(refers).collect(),
        _ => vec![],
    })
}
