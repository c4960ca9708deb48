//! Why a factory will not, as facts; each is one line that says what to do.

use std::fmt;

use super::customer_key::RECOMMENDED_ROLE;
use super::key_uri::NotAKey;
use crate::clock::Timestamp;
use crate::remote::{Failure, VaultUrl};

/// Why a factory will not. No variant carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The directory holds a factory already.
    Exists(String),
    /// The directory holds none.
    NoFactory(String),
    /// No name of a factory, of a datum or of a linked service.
    Name {
        /// What was given.
        name: String,
    },
    /// A key at creation needs a user-assigned identity.
    NeedsUserAssignedIdentity,
    /// The URI is none of a key.
    Uri(NotAKey),
    /// A customer-managed key is enabled already.
    AlreadyEnabled,
    /// None is enabled.
    NoCustomerKey,
    /// A customer-managed key cannot be given up.
    CannotBeSwitchedOff,
    /// The factory holds something.
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
    /// The vault deletes without a way back.
    NoSoftDelete {
        /// The vault.
        vault: VaultUrl,
    },
    /// The vault lets deleted keys be purged.
    NoPurgeProtection {
        /// The vault.
        vault: VaultUrl,
    },
    /// The key is of another type than RSA.
    KeyType {
        /// Its type.
        kty: String,
    },
    /// The identity may not.
    MissingPermission {
        /// `keys` or `secrets`.
        collection: &'static str,
        /// `get`, `wrapKey`, `unwrapKey`.
        permission: &'static str,
        /// The vault.
        vault: VaultUrl,
    },
    /// The vault did not do what was asked with the key.
    Key {
        /// `get`, `wrap`, `unwrap`.
        operation: &'static str,
        /// The key's URI.
        key: String,
        /// What it said.
        failure: Box<Failure>,
    },
    /// The key did not unwrap what it had wrapped.
    Proof {
        /// The key's URI.
        key: String,
    },
    /// The vault's challenge could not be asked for.
    Vault {
        /// The vault.
        vault: VaultUrl,
        /// What happened.
        failure: Box<Failure>,
    },
    /// Nothing is stored under the name.
    NotFound {
        /// `data` or `linked service`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The definition of a linked service is not what one is.
    LinkedService {
        /// Where, as a path in it.
        at: String,
        /// What it must be.
        why: &'static str,
    },
    /// A reference names a linked service that is no vault.
    NoSuchStore {
        /// Its name.
        store: String,
    },
    /// Credentials must be references to secrets of a vault.
    PlainCredential {
        /// Where it was given.
        at: String,
    },
    /// A credential stands in the open.
    OpenCredential {
        /// Where it was given.
        at: String,
    },
    /// Plain credentials are stored already.
    PlainCredentialsStored {
        /// In these linked services.
        linked_services: Vec<String>,
    },
    /// The secret could not be had.
    Secret {
        /// Its name.
        secret: String,
        /// The vault.
        vault: VaultUrl,
        /// What it said.
        failure: Box<Failure>,
    },
    /// The private key of the certificate is not there, so nothing under it can be opened.
    SystemKeyMissing {
        /// The certificate's thumbprint.
        thumbprint: String,
    },
    /// The certificate has expired: nothing new is stored under it.
    SystemKeyExpired {
        /// Since when.
        since: Timestamp,
    },
    /// What is stored does not open with the keys that belong to it.
    Damaged(String),
    /// A file could not be read or written.
    File(String),
    /// Keys or certificates could not be made.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(home) => write!(f, "{home} holds a factory already; choose another directory"),
            Self::NoFactory(home) => write!(f, "{home} holds no factory; create one there first"),
            Self::Name { name } => write!(f, "'{name}' is no name: 3 to 63 letters, digits and hyphens for a factory, 1 to 140 letters, digits, '-', '_' and '.' for what it holds"),
            Self::NeedsUserAssignedIdentity => f.write_str(
                "a key at creation needs a user-assigned identity: the system-assigned one is made with the factory",
            ),
            Self::Uri(why) => write!(f, "{why}"),
            Self::AlreadyEnabled => {
                f.write_str("a customer-managed key is enabled already; move to another one instead of enabling it")
            }
            Self::NoCustomerKey => f.write_str("no customer-managed key is enabled"),
            Self::CannotBeSwitchedOff => f.write_str(
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
            Self::MissingPermission { collection: "secrets", permission, vault } => write!(
                f,
                "the factory's identity may not {permission} secrets of {vault}; grant it that (role Key Vault Secrets User)"
            ),
            Self::MissingPermission { collection, permission, vault } => write!(
                f,
                "the factory's identity lacks {permission} on {collection} of {vault}; grant it get, wrapKey and unwrapKey \
                 (role {RECOMMENDED_ROLE})"
            ),
            Self::Key { operation, key, failure } => write!(f, "{operation} with {key} was refused: {failure}"),
            Self::Proof { key } => write!(f, "{key} did not unwrap what it had wrapped; use another key"),
            Self::Vault { vault, failure } => write!(f, "{vault} does not say which tenant it is of: {failure}"),
            Self::NotFound { what, name } => write!(f, "there is no {what} called '{name}'"),
            Self::LinkedService { at, why } => write!(f, "{at}: {why}"),
            Self::NoSuchStore { store } => {
                write!(f, "'{store}' is no linked service of type AzureKeyVault; link the vault first")
            }
            Self::PlainCredential { at } => {
                write!(f, "{at}: this factory takes credentials only as references of type AzureKeyVaultSecret")
            }
            Self::OpenCredential { at } => write!(
                f,
                "{at}: a credential in the open; write it as a SecureString, or better as a reference of type \
                 AzureKeyVaultSecret"
            ),
            Self::PlainCredentialsStored { linked_services } => write!(
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

impl std::error::Error for Refusal {}
