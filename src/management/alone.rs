//! The resources for what asks no vault and runs nothing, such as a configuration.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::factory::{Holder, NodeRoute, Outside, Runs, Waiting};
use super::{Management, VaultAccess};
use crate::activity::{Received, Sending};
use crate::authorization::Authorization;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::factory::VaultClients;
use crate::random::Random;
use crate::records::Records;
use crate::remote::{Credential, RequestError, Transport};
use crate::vault::Vaults;

/// Sends nothing.
pub(super) struct Nowhere;

impl Outside for Nowhere {
    fn send(&self, _: Sending) -> Waiting<Result<Received, String>> {
        Box::pin(async { Err("nothing is sent".to_owned()) })
    }

    fn route(&self, _: &str) -> Result<NodeRoute, String> {
        Err("nothing is sent".to_owned())
    }

    fn is_vault(&self, _: &str) -> bool {
        false
    }

    fn stopped(&self) -> Waiting<()> {
        Box::pin(std::future::pending())
    }

    fn token(&self, _: Holder, _: String) -> Waiting<Result<Zeroizing<String>, String>> {
        Box::pin(async { Err("there is no token".to_owned()) })
    }
}

/// Clients of vaults that reach none.
pub(super) fn no_vaults() -> VaultClients {
    let refusing = Transport::within(|_| Err(RequestError::NoAnswer("no vault is asked".to_owned())));
    VaultClients::new(refusing, Credential::bearer(""))
}

impl Management {
    /// The resources in `records`, which reach no vault and run nothing.
    pub(crate) fn alone(
        (directory, records): (Directory, Records),
        authorization: Authorization,
        vaults: Vaults,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Self {
        let runs = Runs::new(Arc::new(Nowhere), (clock.clone(), clock), random);
        Self::new((directory, records), authorization, vaults, (VaultAccess::new(no_vaults()), runs))
    }
}
