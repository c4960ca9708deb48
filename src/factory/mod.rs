//! The reference factory: what a control plane that keeps its customers' data under its customers' keys has to do, small
//! enough to be read. It follows Azure Data Factory's rules for customer-managed keys ("Encrypt Azure Data Factory with
//! customer-managed keys") and for stored credentials ("Security considerations for data movement"), and knows vaults only
//! as their client.
//!
//! Two layers lie around everything it stores. The inner one is AES-256-GCM under a *data key* that only the customer's key
//! unwraps, the outer one AES-256-GCM under a *system key* that only the factory's certificate opens; the name is bound to
//! both. Layers, and not one key derived from two, because then each side changes its key alone: a renewal of the system key
//! takes off and puts on the outer layer without the customer's vault (it works while access is revoked, and sees no plain
//! text), and a new version of the customer's key re-wraps 32 bytes. Before a customer's key is enabled there is the outer
//! layer alone.
//!
//! The data key is never kept: each access asks the vault to unwrap it, so that whatever the customer withdraws counts from
//! the next request on. (The service may cache for up to an hour; this is the strict reading.)
//!
//! All state lies in one directory and nothing else, so that a factory is used by several processes and threads, and loses
//! nothing when one of them is killed. Writers take turns; readers take none and are never kept waiting.

mod content;
mod customer_key;
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
mod template;
mod vault_clients;

use std::path::Path;

pub use customer_key::RECOMMENDED_ROLE;
pub use key_uri::{KeyUri, NotAKey};
pub use linked_service::Reference;
pub use plaintext::Plain;
pub use refusal::Refusal;
pub use renewal::Renewal;
pub use rewrap::Refreshed;
pub use status::{KeyStatus, Status, SystemKeyStatus};
pub use vault_clients::Reach;

use crate::clock::Timestamp;
use state::State;
use state_dir::Home;
use system_key::SystemKey;

/// A factory in its directory.
#[derive(Debug)]
pub struct Factory {
    home: Home,
    reach: Reach,
}

/// What a factory is created with.
#[derive(Clone, Debug, Default)]
pub struct New {
    /// Its name, 3 to 63 letters, digits and hyphens, as the service demands.
    pub name: String,
    /// The id of its tenant.
    pub tenant: String,
    /// Whether it gets a managed virtual network.
    pub managed_virtual_network: bool,
    /// The customer's key to begin with: its URI and the user-assigned identity that reaches it.
    pub key: Option<(String, Option<String>)>,
}

impl Factory {
    /// A new, empty factory in the directory `home`, which is made (0700). With a key to begin with it needs a user-assigned
    /// identity: a system-assigned one does not exist before the factory does.
    ///
    /// # Errors
    /// When there is a factory already, or the key is refused; no factory is left behind then.
    pub fn create(home: &Path, new: New, reach: Reach, now: Timestamp) -> Result<Self, Refusal> {
        check_name(&new.name)?;
        if new.key.as_ref().is_some_and(|(_, identity)| identity.is_none()) {
            return Err(Refusal::NeedsUserAssignedIdentity);
        }
        let factory = Self { home: Home::make(home)?, reach };
        let _turn = factory.home.turn()?;
        factory.home.must_be_unused()?;
        let mut state = State::new(new.name, new.tenant, new.managed_virtual_network, now);
        if let Some((uri, identity)) = new.key {
            state.encryption = Some(factory.encryption(&state, &uri, identity)?);
        }
        let (system_key, private) = SystemKey::generate(&state.name, now)?;
        factory.home.keep_key(&system_key.thumbprint, &private)?;
        state.system_keys.push(system_key);
        factory.home.save(&mut state)?;
        Ok(factory)
    }

    /// The factory in the directory `home`.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(home: &Path, reach: Reach) -> Result<Self, Refusal> {
        let factory = Self { home: Home::at(home), reach };
        factory.home.load()?;
        Ok(factory)
    }

    /// Whether only references to vault secrets are accepted as credentials of linked services, from now on.
    ///
    /// # Errors
    /// [`Refusal::PlainCredentialsStored`] when plain ones are stored already: what the setting promises would not hold.
    pub fn require_references(&self, required: bool) -> Result<(), Refusal> {
        self.change(|state| {
            let plain = state.linked_services_with_plain_credentials();
            if required && !plain.is_empty() {
                return Err(Refusal::PlainCredentialsStored { linked_services: plain });
            }
            state.credentials_only_from_vault = required;
            Ok(())
        })
    }

    /// Changes the state in a turn of its own: what `change` made of it is saved when it succeeds. What a process that was
    /// killed has left half done is tidied first.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let _turn = self.home.turn()?;
        let mut state = self.home.load()?;
        state.forget_former_wrappings();
        let result = change(&mut state)?;
        self.home.save(&mut state)?;
        Ok(result)
    }

    /// Reads in one state of the factory; when that fails though another has taken its place meanwhile, in that one: its keys may
    /// be others.
    fn read<T>(&self, read: impl Fn(&State) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut state = self.home.load()?;
        loop {
            let refusal = match read(&state) {
                Ok(result) => return Ok(result),
                Err(refusal) => refusal,
            };
            let newer = self.home.load()?;
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
        Err(Refusal::Name { name: name.to_owned() })
    }
}
