//! The options of a start, and their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::admin_key::AdminKey;
use super::storage::Storage;
use super::takeover::Takeover;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::crypto::backup_key::BackupKey;
use crate::directory::UnknownIdentities;
use crate::events::RetryPolicy;
use crate::store::MasterKey;
use crate::tasks::ClockChoice;

/// The one directory that clients of Azure Arc take keys from on Linux.
const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";

/// The options of a start.
pub struct Options {
    /// Tenant, identities, vaults, limits.
    pub config: Config,
    /// Where data is stored.
    pub storage: Storage,
    /// The directory of the local CA. Without one it lies with the data; without a data directory it is created for this
    /// start alone.
    pub certs: Option<PathBuf>,
    /// The listeners' addresses.
    pub listen: Listen,
    /// The seed of ids, for repeatable tests; key material never depends on it.
    pub seed: Option<u64>,
    /// Whether a request to an unknown vault with a well-formed name creates it, like the default vault.
    pub create_vaults: bool,
    /// The machine's clock: for tokens and certificates, and for vaults when [`Options::clock`] is real.
    pub system_clock: Arc<dyn Clock>,
    /// The vault clock.
    pub clock: ClockChoice,
    /// The user's own admin key.
    pub admin_key: Option<AdminKey>,
    /// The user's own key that wraps the store's data key.
    pub seal_key: Option<MasterKey>,
    /// The user's own key that seals backups and snapshots; it takes precedence over the configuration's.
    pub backup_key: Option<BackupKey>,
    /// Whether unknown applications are rejected. Otherwise a server with a takeover proxy creates their identities when
    /// they sign in.
    pub strict: bool,
    /// The directory in which clients of Azure Arc look for keys.
    pub arc_keys: PathBuf,
    /// The header value of App Service's token requests; random per start by default.
    pub identity_header: Option<Zeroizing<String>>,
    /// The takeover proxy's options; unused without its address in [`Options::listen`].
    pub takeover: Takeover,
    /// The retry schedule of webhooks.
    pub delivery: RetryPolicy,
}

/// The listeners' addresses. Port 0 takes a free port.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// The data plane, and the issuer's documents (HTTPS).
    pub vaults: SocketAddr,
    /// Managed-identity tokens and health (HTTP).
    pub identity: SocketAddr,
    /// The admin API (HTTP), if it is on.
    pub admin: Option<SocketAddr>,
    /// The takeover proxy (HTTP), if it is on.
    pub proxy: Option<SocketAddr>,
}

impl Listen {
    /// Free ports on loopback, without a proxy.
    pub fn on_free_ports() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { vaults: free, identity: free, admin: Some(free), proxy: None }
    }
}

impl Default for Options {
    /// In memory, on free ports, with the default configuration.
    fn default() -> Self {
        Self {
            config: Config::default(),
            storage: Storage::Memory,
            certs: None,
            listen: Listen::on_free_ports(),
            seed: None,
            create_vaults: false,
            system_clock: Arc::new(SystemClock),
            clock: ClockChoice::Real,
            admin_key: None,
            seal_key: None,
            backup_key: None,
            strict: false,
            arc_keys: PathBuf::from(ARC_KEYS),
            identity_header: None,
            takeover: Takeover::default(),
            delivery: RetryPolicy::default(),
        }
    }
}

impl Options {
    /// What happens to sign-ins of unknown applications.
    pub(super) const fn unknown_identities(&self) -> UnknownIdentities {
        match self.listen.proxy {
            Some(_) if !self.strict => UnknownIdentities::AutoCreate,
            _ => UnknownIdentities::Reject,
        }
    }
}
