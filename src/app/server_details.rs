//! The facts about a server that its ready file and the environment of programs are made from.

use std::net::SocketAddr;
use std::path::PathBuf;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::vault::VaultName;

/// The bound addresses of the listeners.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) vaults: SocketAddr,
    pub(super) identity: SocketAddr,
    pub(super) admin: Option<SocketAddr>,
    pub(super) proxy: Option<SocketAddr>,
}

impl Addresses {
    pub(super) fn all(&self) -> Vec<SocketAddr> {
        [Some(self.vaults), Some(self.identity), self.admin, self.proxy].into_iter().flatten().collect()
    }
}

/// The facts that the ready file and the environment are made from.
pub(super) struct ServerDetails {
    pub(super) addresses: Addresses,
    pub(super) admin_key: Zeroizing<String>,
    pub(super) ca: PathBuf,
    pub(super) tenant: Uuid,
    pub(super) vaults: Vec<VaultName>,
    pub(super) default_vault: VaultName,
    pub(super) default_client: Option<Uuid>,
    pub(super) identity_header: Zeroizing<String>,
    pub(super) takes_over_entra: bool,
}
