//! The reference factory: a control plane that encrypts its customers' data under its customers' keys, small enough to read. It follows Azure Data Factory's rules for customer-managed keys ("Encrypt Azure Data Factory with
//! customer-managed keys") and for stored credentials ("Security considerations for data movement"), and uses
//! vaults only as a client.
//!
//! Everything that it stores is sealed in two layers. The inner one is AES-256-GCM under a *data key* that only the customer's key
//! unwraps, the outer one AES-256-GCM under a *system key* that only the factory's certificate opens; the name is bound to
//! both. Layers, and not one key derived from two, because then each side changes its key alone: a renewal of the system key
//! takes off and puts on the outer layer without the customer's vault (it works while access is revoked, and sees no plain
//! text), and a new version of the customer's key re-wraps 32 bytes. Before a customer's key is enabled there is the outer
//! layer alone.
//!
//! The data key is never cached: each access asks the vault to unwrap it, so that a revocation takes effect with the next
//! request. (The service may cache for up to an hour; this is the strict reading.)
//!
//! All state is in one directory, so that several processes and threads can use a factory, and nothing is lost when one of
//! them is killed. Writers take a lock; readers take none and never wait.

mod content;
mod credentials;
mod customer_key;
mod encryption;
mod key_uri;
mod linked_service;
mod plaintext;
mod refusal;
mod renewal;
mod rewrap;
mod seal;
mod state;
mod state_dir;
mod status;
mod system_key;
mod system_layer;
mod template;
mod vault_clients;
mod vault_reference;

use std::path::Path;

#[cfg(any(test, fuzzing))]
pub(crate) use credentials::fuzz_connection_string;
pub(crate) use credentials::{
    EncryptedCredential, Keeping, Kept, Place, Rules, Secrets, Taken, Unusable, put_back, reference, take_out,
};
pub(crate) use customer_key::{KeyAccess, Readiness};
pub(crate) use encryption::Encryption;
pub use key_uri::{KeyUri, NotAKey};
pub use plaintext::Plaintext;
pub use refusal::{RECOMMENDED_ROLE, Refusal};
pub use renewal::Renewal;
pub use rewrap::Refreshed;
pub(crate) use seal::{DataKey, Sealed};
pub use status::{KeyStatus, Status, SystemKeyStatus};
pub(crate) use system_key::SystemKey;
pub(crate) use system_layer::SystemLayer;
pub(crate) use template::{Template, is_masked};
pub use vault_clients::VaultClients;
pub use vault_reference::Reference;
pub(crate) use vault_reference::references;

use crate::clock::Timestamp;
use state::State;
use state_dir::StateDir;

/// A factory in its directory.
#[derive(Debug)]
pub struct Factory {
    dir: StateDir,
    vaults: VaultClients,
}

/// The parameters of a new factory.
#[derive(Clone, Debug, Default)]
pub struct NewFactory {
    /// Its name, 3 to 63 letters, digits and hyphens, as the service demands.
    pub name: String,
    /// The id of its tenant.
    pub tenant: String,
    /// Whether it has a managed virtual network.
    pub managed_virtual_network: bool,
    /// The customer-managed key, if it has one from the start: its URI, and the user-assigned identity to use it as.
    pub key: Option<(String, Option<String>)>,
}

impl Factory {
    /// Creates an empty factory in `dir`, which is created too (0700). A key at creation needs a user-assigned identity, because
    /// the system-assigned one does not exist before the factory.
    ///
    /// # Errors
    /// When there is a factory already, or the key is refused; no factory is created then.
    pub fn create(dir: &Path, new: NewFactory, vaults: VaultClients, now: Timestamp) -> Result<Self, Refusal> {
        check_name(&new.name)?;
        if new.key.as_ref().is_some_and(|(_, identity)| identity.is_none()) {
            return Err(Refusal::NeedsUserAssignedIdentity);
        }
        let factory = Self { dir: StateDir::create(dir)?, vaults };
        let _lock = factory.dir.lock()?;
        factory.dir.must_be_unused()?;
        let mut state = State::new(new.name, new.tenant, new.managed_virtual_network, now);
        if let Some((uri, identity)) = new.key {
            state.encryption = Some(factory.encryption(&state.tenant, &uri, identity.as_deref())?);
        }
        let (system_key, private) = SystemKey::generate(&state.name, now)?;
        factory.dir.save_key(&system_key.thumbprint, &private)?;
        state.system_keys.push(system_key);
        factory.dir.save(&mut state)?;
        Ok(factory)
    }

    /// Opens the factory in `dir`.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(dir: &Path, vaults: VaultClients) -> Result<Self, Refusal> {
        let factory = Self { dir: StateDir::at(dir), vaults };
        factory.dir.load()?;
        Ok(factory)
    }

    /// Sets whether credentials of linked services must be references to vault secrets.
    ///
    /// # Errors
    /// [`Refusal::SecureStringsStored`] if secure strings are stored already, which would break the promise.
    pub fn require_references(&self, required: bool) -> Result<(), Refusal> {
        self.change(|state| {
            let linked_services = state.linked_services_with_credentials();
            if required && !linked_services.is_empty() {
                return Err(Refusal::SecureStringsStored { linked_services });
            }
            state.credentials_only_from_vault = required;
            Ok(())
        })
    }

    /// Changes the state under the lock, and saves it if `change` succeeds. First finishes the re-wrap of a process that was
    /// killed.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let _lock = self.dir.lock()?;
        let mut state = self.dir.load()?;
        state.drop_old_wrappings();
        let result = change(&mut state)?;
        self.dir.save(&mut state)?;
        Ok(result)
    }

    /// Reads from one state of the factory. If that fails and the state was replaced meanwhile, reads from the new one, whose keys
    /// may be others.
    fn read<T>(&self, read: impl Fn(&State) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut state = self.dir.load()?;
        loop {
            let refusal = match read(&state) {
                Ok(result) => return Ok(result),
                Err(refusal) => refusal,
            };
            let newer = self.dir.load()?;
            if newer.revision == state.revision {
                return Err(refusal);
            }
            state = newer;
        }
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let ends = !name.starts_with('-') && !name.ends_with('-');
    if (3..=63).contains(&name.len()) && letters && ends {
        Ok(())
    } else {
        Err(Refusal::InvalidName { name: name.to_owned() })
    }
}
