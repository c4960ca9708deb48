//! The error of a factory; each `Display` text is one line that says what to do.

use std::fmt;

use super::key_uri::NotAKey;
use crate::clock::Timestamp;
use crate::remote::{RequestError, VaultUrl};

/// The built-in role with the permissions that the factory's identity needs on keys.
pub const RECOMMENDED_ROLE: &str = "Key Vault Crypto Service Encryption User";

/// Why a factory refuses or fails. No variant holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The directory holds a factory already.
    AlreadyExists(String),
    /// The directory holds none.
    NoFactory(String),
    /// An invalid name of a factory, an entry or a linked service.
    InvalidName {
        /// The name.
        name: String,
    },
    /// A key at creation needs a user-assigned identity.
    NeedsUserAssignedIdentity,
    /// The URI is no URI of a key.
    InvalidKeyUri(NotAKey),
    /// A customer-managed key is enabled already.
    AlreadyEnabled,
    /// No customer-managed key is enabled.
    NoCustomerKey,
    /// A customer-managed key cannot be disabled.
    CannotBeDisabled,
    /// The factory holds entries or linked services.
    NotEmpty,
    /// The factory has a managed virtual network.
    HasManagedVirtualNetwork,
    /// The vault belongs to another tenant.
    OtherTenant {
        /// The vault.
        vault: VaultUrl,
        /// Its tenant.
        theirs: String,
        /// The factory's.
        ours: String,
    },
    /// The vault has no soft delete.
    NoSoftDelete {
        /// The vault.
        vault: VaultUrl,
    },
    /// The vault has no purge protection.
    NoPurgeProtection {
        /// The vault.
        vault: VaultUrl,
    },
    /// The key is of another type than RSA.
    KeyType {
        /// Its type.
        kty: String,
    },
    /// The identity lacks a permission.
    MissingPermission {
        /// `keys` or `secrets`.
        collection: &'static str,
        /// `get`, `wrapKey`, `unwrapKey`.
        permission: &'static str,
        /// The vault.
        vault: VaultUrl,
        /// The error of the request.
        failure: Box<RequestError>,
    },
    /// The network rules of the vault do not let the factory in.
    ShutOut {
        /// The vault.
        vault: VaultUrl,
        /// The error of the request.
        failure: Box<RequestError>,
    },
    /// A key operation failed.
    Key {
        /// `get`, `wrap`, `unwrap`.
        operation: &'static str,
        /// The key's URI.
        key: String,
        /// The error of the request.
        failure: Box<RequestError>,
    },
    /// The key did not unwrap what it had wrapped.
    UnwrapMismatch {
        /// The key's URI.
        key: String,
    },
    /// What answers at the URL is no vault.
    NoVault {
        /// The URL.
        url: VaultUrl,
        /// What it answers.
        why: String,
    },
    /// The vault answered no challenge.
    TenantUnknown {
        /// The vault.
        vault: VaultUrl,
        /// The error of the request.
        failure: Box<RequestError>,
    },
    /// Nothing is stored under the name.
    NotFound {
        /// `data` or `linked service`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The definition of a linked service is invalid.
    LinkedService {
        /// The JSON pointer of the invalid member.
        at: String,
        /// What it must be.
        why: &'static str,
    },
    /// A reference names a linked service that is no vault.
    NoSuchStore {
        /// Its name.
        store: String,
    },
    /// The factory accepts credentials only as references to secrets of a vault.
    SecureStringNotAllowed {
        /// Its JSON pointer in the definition.
        at: String,
    },
    /// The definition refers to a credential that the factory does not keep.
    CredentialElsewhere {
        /// The linked service.
        linked_service: String,
        /// The id of the credential, if the reference has the service's form.
        credential: Option<String>,
    },
    /// Credentials are stored already.
    SecureStringsStored {
        /// In these linked services.
        linked_services: Vec<String>,
    },
    /// A secret could not be read.
    Secret {
        /// Its name.
        secret: String,
        /// The vault.
        vault: VaultUrl,
        /// The error of the request.
        failure: Box<RequestError>,
    },
    /// The private key of the certificate is missing, so nothing under it can be opened.
    SystemKeyMissing {
        /// The certificate's thumbprint.
        thumbprint: String,
    },
    /// The certificate has expired: nothing new may be stored under it.
    SystemKeyExpired {
        /// When it expired.
        since: Timestamp,
    },
    /// Stored content does not open with its keys.
    Damaged(String),
    /// A file could not be read or written.
    File(String),
    /// A key or a certificate could not be generated.
    Failed(String),
}

impl Refusal {
    /// The error of the request to a vault that led to this refusal, if one did.
    pub fn failure(&self) -> Option<&RequestError> {
        match self {
            Self::MissingPermission { failure, .. }
            | Self::ShutOut { failure, .. }
            | Self::Key { failure, .. }
            | Self::TenantUnknown { failure, .. }
            | Self::Secret { failure, .. } => Some(failure),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyExists(home) => write!(f, "{home} holds a factory already; choose another directory"),
            Self::NoFactory(home) => write!(f, "{home} holds no factory; create one there first"),
            Self::InvalidName { name } => write!(f, "'{name}' is no name: 3 to 63 letters, digits and hyphens for a factory, 1 to 140 letters, digits, '-', '_' and '.' for what it holds"),
            Self::NeedsUserAssignedIdentity => f.write_str(
                "a key at creation needs a user-assigned identity: the system-assigned one is made with the factory",
            ),
            Self::InvalidKeyUri(why) => write!(f, "{why}"),
            Self::AlreadyEnabled => {
                f.write_str("a customer-managed key is enabled already; move to another one instead of enabling it")
            }
            Self::NoCustomerKey => f.write_str("no customer-managed key is enabled"),
            Self::CannotBeDisabled => f.write_str(
                "a customer-managed key cannot be switched off again; move to another key, or create another factory",
            ),
            Self::NotEmpty => f.write_str(
                "a customer-managed key is enabled only while the factory is empty; create another one, with the key from \
                 the beginning",
            ),
            Self::HasManagedVirtualNetwork => f.write_str(
                "a factory with a managed virtual network takes no customer-managed key later; give it at creation, with a \
                 user-assigned identity",
            ),
            Self::OtherTenant { vault, theirs, ours } => {
                write!(f, "{vault} is of the tenant {theirs}, the factory of {ours}; use a vault of the factory's own tenant")
            }
            Self::NoSoftDelete { vault } => {
                write!(f, "{vault} has no soft delete; switch on soft delete and purge protection")
            }
            Self::NoPurgeProtection { vault } => write!(f, "{vault} has no purge protection; switch it on"),
            Self::KeyType { kty } => write!(f, "the key is of type {kty}; use a key of type RSA or RSA-HSM"),
            Self::MissingPermission { collection, permission, vault, .. } => missing(f, collection, permission, vault),
            Self::ShutOut { vault, failure } => shut_out(f, vault, failure),
            Self::Key { operation, key, failure } => write!(f, "{operation} with {key} was refused: {failure}"),
            Self::UnwrapMismatch { key } => write!(f, "{key} did not unwrap what it had wrapped; use another key"),
            Self::NoVault { url, why } => {
                write!(f, "{url} is not the URL of a vault; write it as https://NAME.vault.azure.net: {why}")
            }
            Self::TenantUnknown { vault, failure } => write!(f, "{vault} does not say which tenant it is of: {failure}"),
            Self::NotFound { what, name } => write!(f, "there is no {what} called '{name}'"),
            Self::LinkedService { at, why } => write!(f, "{at}: {why}"),
            Self::NoSuchStore { store } => {
                write!(f, "'{store}' is no linked service of type AzureKeyVault; link the vault first")
            }
            Self::SecureStringNotAllowed { at } => {
                write!(f, "{at}: this factory takes credentials only as references of type AzureKeyVaultSecret")
            }
            Self::CredentialElsewhere { linked_service, credential } => write!(
                f,
                "the credential {} of '{linked_service}' is not kept by this factory: it can be used where it was encrypted",
                credential.as_deref().unwrap_or("(a reference that is not of the service's form)")
            ),
            Self::SecureStringsStored { linked_services } => write!(
                f,
                "plain credentials are stored in {}; link them anew with references first",
                linked_services.join(", ")
            ),
            Self::Secret { secret, vault, failure } => write!(f, "the secret '{secret}' of {vault}: {failure}"),
            Self::SystemKeyMissing { thumbprint } => write!(
                f,
                "the system key {thumbprint} is not here: access is denied without it; bring its private key back"
            ),
            Self::SystemKeyExpired { since } => {
                write!(f, "the certificate of the system key has expired at {since}; renew the system key")
            }
            Self::Damaged(why) => write!(f, "the factory's state is damaged: {why}"),
            Self::File(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

fn missing(f: &mut fmt::Formatter<'_>, collection: &str, permission: &str, vault: &VaultUrl) -> fmt::Result {
    match collection {
        "secrets" => write!(
            f,
            "the factory's identity may not {permission} secrets of {vault}; grant it that (role Key Vault Secrets User)"
        ),
        _ => write!(
            f,
            "the factory's identity lacks {permission} on {collection} of {vault}; grant it get, wrapKey and unwrapKey \
             (role {RECOMMENDED_ROLE})"
        ),
    }
}

fn shut_out(f: &mut fmt::Formatter<'_>, vault: &VaultUrl, failure: &RequestError) -> fmt::Result {
    match failure.client_address() {
        Some(address) => write!(
            f,
            "the firewall of {vault} does not let in {address}; add it to the ipRules, or let trusted services pass \
             (bypass AzureServices) and have the factory's identity be one"
        ),
        None => write!(f, "{vault} is closed to this network; reach it by a private endpoint: {failure}"),
    }
}

impl std::error::Error for Refusal {}
