//! May a request reach this vault from where it comes? Whose address counts: those of the identity, else the one that the server was
//! started with, else the connection's. A header never counts: any client may send it.

use super::{State, refusal};
use crate::access::Identity;
use crate::access::network::{NetworkDecision, Origin};
use crate::authorization::GuardedNetworks;
use crate::http::ConnectionInfo;
use crate::http::error::ApiError;
use crate::trail::{Caller, Missing, Trail};
use crate::vault::{Guard, Vault};

impl State {
    /// Decides by the vault's network rules; answers what was read for that besides the vault. Most vaults are open: their requests
    /// pass without a look at anything else, and their future is smaller for the box.
    pub(super) async fn admit(
        &self,
        who: &Identity,
        connection: ConnectionInfo,
        vault: &Vault,
        trail: &mut Trail,
    ) -> Result<Option<Box<Guard>>, ApiError> {
        match vault.network.is_open() {
            true => Ok(None),
            false => Box::pin(self.admit_by_rules(who, connection, vault, trail)).await.map(Some),
        }
    }

    async fn admit_by_rules(
        &self,
        who: &Identity,
        connection: ConnectionInfo,
        vault: &Vault,
        trail: &mut Trail,
    ) -> Result<Box<Guard>, ApiError> {
        let current = self.authorization.networks().await;
        let GuardedNetworks { networks, guard } = current.map_err(|error| refusal::error(error.into()))?;
        let seen = connection.peer.ip();
        let origin = match &trail.caller {
            Caller::Identity(record) => Origin { seen, own: &record.addresses, is_trusted: record.trusted_service },
            _ => Origin { seen, own: &[], is_trusted: false },
        };
        let decision = match connection.is_service {
            true => vault.network.decide_service(seen),
            false => vault.network.decide(vault.name.as_str(), &networks, origin),
        };
        let (refused, missing, address) = match decision {
            NetworkDecision::Allowed => return Ok(Box::new(guard)),
            NetworkDecision::Firewall(address) => (
                refusal::forbidden_by_firewall(address, vault, who, self.directory.issuer()),
                Missing::FirewallRule,
                address,
            ),
            NetworkDecision::Connection(address) => (
                refusal::forbidden_by_connection(address, vault, who, self.directory.issuer()),
                Missing::PrivateConnection,
                address,
            ),
        };
        (trail.missing, trail.address) = (Some(missing), Some(address));
        Err(if connection.is_service { refusal::of_service(refused, vault) } else { refused })
    }
}
