//! The refusals of a vault's network rules. The service names the address, and not the rule that is missing; a header of ours does.

use std::net::IpAddr;

use super::{forbidden, place};
use crate::access::Identity;
use crate::access::network::{AddressRange, PublicNetworkAccess};
use crate::http::error::ApiError;
use crate::vault::Vault;

/// The header that says what to change.
const DETAIL: &str = "x-keyhaven-detail";

/// The 403 of the firewall, with the service's text (microsoft/AzureTRE#3789).
pub(crate) fn forbidden_by_firewall(address: IpAddr, vault: &Vault, who: &Identity, issuer: &str) -> ApiError {
    let text = format!(
        "Client address is not authorized and caller is not a trusted service.\r\nClient address: {address}\r\n{}",
        caller_and_vault(vault, who, issuer)
    );
    let (range, name) = (AddressRange::from(address), &vault.name);
    let detail = format!("add {range} to the ipRules in the networkAcls of the vault '{name}'");
    forbidden(text).inner("ForbiddenByFirewall").header(DETAIL, detail)
}

/// The 403 of a vault that is closed to public addresses, with the service's text (microsoft/multimodal-ai#171). For a perimeter no
/// other text was found.
pub(crate) fn forbidden_by_connection(address: IpAddr, vault: &Vault, who: &Identity, issuer: &str) -> ApiError {
    let text = format!(
        "Public network access is disabled and request is not from a trusted service nor via an approved private \
         link.\r\n{}",
        caller_and_vault(vault, who, issuer)
    );
    let (range, name, access) = (AddressRange::from(address), &vault.name, vault.network.public_access);
    let detail = match access {
        PublicNetworkAccess::SecuredByPerimeter => {
            format!("add {range} to the ranges of a perimeter that the vault '{name}' is in")
        }
        _ => format!(
            "publicNetworkAccess of the vault '{name}' is {}: enable it, or add {range} to the ranges of one of its \
             privateEndpoints",
            access.name()
        ),
    };
    forbidden(text).inner("ForbiddenByConnection").header(DETAIL, detail)
}

/// `refused`, of a request that this server sends as a service of the cloud: no address of it can be let in.
pub(crate) fn of_service(mut refused: ApiError, vault: &Vault) -> ApiError {
    let name = &vault.name;
    refused.headers.retain(|(header, _)| *header != DETAIL);
    let detail = format!(
        "a data factory gets in as a trusted service alone: set publicNetworkAccess of the vault '{name}' to Enabled or Disabled, and \
         bypass in its networkAcls to AzureServices"
    );
    refused.header(DETAIL, detail)
}

fn caller_and_vault(vault: &Vault, who: &Identity, issuer: &str) -> String {
    let Identity { app_id, object_id, .. } = who;
    format!("Caller: appid={app_id};oid={object_id};iss={issuer}\r\nVault: {}", place(vault))
}
