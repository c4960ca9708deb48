//! What is known of a resource, as values. No form of a file is known here.

use crate::clock::Timestamp;

/// A value that a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact<T> {
    /// It is this.
    Known(T),
    /// It is not set.
    Unset,
    /// It is set, or may be, and cannot be read; why.
    Unknown(String),
}

/// A resource that rules are held against.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// What people know it by: `shop`, `shop/keys/cmk`, an address of Terraform.
    pub name: String,
    /// Where it is in its file, as a JSON pointer; none of a running server's.
    pub pointer: Option<String>,
    /// Whether Terraform's azurerm makes it, which has words of its own for what is to be set.
    pub is_azurerm: bool,
    /// What is known of it.
    pub facts: Facts,
}

/// What is known of a resource.
#[derive(Clone, Debug)]
pub(crate) enum Facts {
    /// Of a vault.
    Vault(Box<VaultFacts>),
    /// Of a key.
    Key(Box<KeyFacts>),
    /// Of a secret.
    Secret(SecretFacts),
    /// Of a data factory.
    Factory(Box<FactoryFacts>),
    /// Of a linked service.
    LinkedService(Box<LinkedServiceFacts>),
    /// Something that may hold vaults or factories and cannot be read; why.
    Unread(String),
}

/// What rules look at of a vault.
#[derive(Clone, Debug)]
pub(crate) struct VaultFacts {
    /// The api-version that it is asked for by; not set where there is no such request.
    pub api_version: Fact<String>,
    /// `recover` where a deleted vault is brought back.
    pub create_mode: Fact<String>,
    /// Whether deleted objects are kept.
    pub soft_delete: Fact<bool>,
    /// Whether what was deleted cannot be purged.
    pub purge_protection: Fact<bool>,
    /// Whether roles decide.
    pub roles: Fact<bool>,
    /// `Enabled`, `Disabled` or `SecuredByPerimeter`.
    pub public_access: Fact<String>,
    /// The firewall's `Allow` or `Deny`.
    pub default_action: Fact<String>,
    /// The addresses and ranges that the firewall lets in.
    pub ip_rules: Fact<Vec<String>>,
    /// How many approved private endpoints it has.
    pub private_endpoints: Fact<usize>,
    /// The resource logs of its diagnostic settings.
    pub logs: Fact<Vec<Log>>,
}

/// A log of a diagnostic setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// Whether it is written.
    pub enabled: Fact<bool>,
    /// Whether its setting names a storage account, where retention counts.
    pub in_storage: bool,
    /// The days that it is kept, where its retention policy is on.
    pub retention_days: Fact<i64>,
}

/// Dates of a key or a secret.
#[derive(Clone, Debug)]
pub(crate) struct Dates {
    /// When it was made; now, where a file makes it.
    pub created: Fact<Timestamp>,
    /// From when on it is to be used.
    pub not_before: Fact<Timestamp>,
    /// When it ends.
    pub expires: Fact<Timestamp>,
}

/// What rules look at of a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyFacts {
    /// `RSA`, `RSA-HSM`, `EC`, …
    pub kty: Fact<String>,
    /// The bits of an RSA key.
    pub size: Fact<i64>,
    /// The curve of an EC key.
    pub curve: Fact<String>,
    /// Its dates.
    pub dates: Dates,
    /// When its rotation policy has the next version.
    pub rotates: Fact<Timestamp>,
}

/// What rules look at of a secret. Its value is none of it.
#[derive(Clone, Debug)]
pub(crate) struct SecretFacts {
    /// The content type.
    pub content_type: Fact<String>,
    /// Its dates.
    pub dates: Dates,
}

/// What rules look at of a data factory.
#[derive(Clone, Debug)]
pub(crate) struct FactoryFacts {
    /// Whether a customer's key encrypts it.
    pub customer_key: Fact<bool>,
    /// The repository of its source.
    pub repository: Fact<String>,
    /// `Enabled` or `Disabled`.
    pub public_access: Fact<String>,
    /// How many approved private endpoints it has.
    pub private_endpoints: Fact<usize>,
    /// What keeps it from the secrets that it refers to, as far as that can be seen: set where something does.
    pub missing_role: Fact<String>,
}

/// What rules look at of a linked service. Values of secrets are none of it.
#[derive(Clone, Debug)]
pub(crate) struct LinkedServiceFacts {
    /// `AzureSqlDatabase`, `AzureBlobStorage`, …
    pub kind: Fact<String>,
    /// Its connection string.
    pub connection: Fact<Given>,
    /// The members that may hold a credential, by their names in Resource Manager: all that rules know.
    pub credentials: Vec<(&'static str, Fact<Given>)>,
    /// Whether it refers to a secret in a vault.
    pub refers_to_secrets: Fact<bool>,
}

/// The value of a member that may hold a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The type of an object: `SecureString`, `AzureKeyVaultSecret`, …; none of a plain value.
    pub kind: Option<String>,
    /// The text of a connection string without values of secrets; empty for everything else.
    pub text: String,
}

impl Resource {
    /// Whether it is a linked service that refers to a secret for certain.
    pub(crate) fn refers_to_secrets(&self) -> bool {
        matches!(&self.facts, Facts::LinkedService(service) if service.refers_to_secrets == Fact::Known(true))
    }
}

impl Log {
    /// A log, kept for so many days where its policy of retention is on.
    pub(crate) fn of(enabled: Fact<bool>, in_storage: bool, policy: Fact<bool>, days: Fact<i64>) -> Self {
        let retention_days = match policy {
            Fact::Known(true) => days.or(0),
            Fact::Known(false) | Fact::Unset => Fact::Unset,
            Fact::Unknown(why) => Fact::Unknown(why),
        };
        Self { enabled, in_storage, retention_days }
    }
}

impl<T> Fact<Vec<T>> {
    /// What was found for certain; `unknown` says why there may be something where nothing was.
    pub(crate) fn found(found: Vec<T>, unknown: Option<String>) -> Self {
        unknown.filter(|_| found.is_empty()).map_or(Self::Known(found), Self::Unknown)
    }
}

impl Fact<bool> {
    /// Whether one of `all` is true; unknown where none is for certain, and one may be.
    pub(crate) fn any(all: Vec<Self>) -> Self {
        if all.contains(&Self::Known(true)) {
            return Self::Known(true);
        }
        all.into_iter().find(|one| matches!(one, Self::Unknown(_))).unwrap_or(Self::Known(false))
    }
}

impl<T> Fact<T> {
    /// The fact that follows from a known value; `why` it is none where nothing follows.
    pub(crate) fn then<U>(self, follows: impl FnOnce(T) -> Result<U, String>) -> Fact<U> {
        match self {
            Self::Known(value) => follows(value).map_or_else(Fact::Unknown, Fact::Known),
            Self::Unset => Fact::Unset,
            Self::Unknown(why) => Fact::Unknown(why),
        }
    }

    /// This fact, or `default` where it is not set.
    #[must_use]
    pub(crate) fn or(self, default: T) -> Self {
        if let Self::Unset = self { Self::Known(default) } else { self }
    }
}
