//! Refuses to start under another tenant than the data's: its identities would be created again under new ids that no policy
//! names.

use uuid::Uuid;

use super::error::StartError;
use crate::config::{Config, derived_client_id};
use crate::directory::Directory;
use crate::vault::Vaults;

/// Checks that existing data belongs to the tenant of `directory`.
///
/// # Errors
/// When it belongs to another tenant, or cannot be read.
pub(super) async fn check(directory: &Directory, vaults: &Vaults) -> Result<(), StartError> {
    let requested = directory.tenant_id();
    let existing = match directory.recorded_tenant().await.map_err(StartError::new)? {
        Some(kept) => Some(kept),
        None => infer_tenant(directory, vaults).await?,
    };
    match existing {
        Some(other) if other != requested => Err(StartError::new(format!(
            "the data was made under the tenant {other}, this start is of the tenant {requested}: give --tenant {other} (or the \
             same tenantId in the configuration), or another --data"
        ))),
        _ => Ok(()),
    }
}

/// The tenant of data without a tenant record. An identity's derived id shows it, for this start's tenant and the default one;
/// else the policies' tenant, preferably this start's. None without identities and policies.
async fn infer_tenant(directory: &Directory, vaults: &Vaults) -> Result<Option<Uuid>, StartError> {
    let requested = directory.tenant_id();
    let identities = directory.identities().await.map_err(StartError::new)?;
    let is_of = |tenant: &Uuid| {
        identities.iter().any(|identity| identity.client_id == derived_client_id(*tenant, &identity.name))
    };
    if let Some(tenant) = [requested, Config::default().tenant].into_iter().find(is_of) {
        return Ok(Some(tenant));
    }
    let vaults = vaults.all().await?;
    let named: Vec<Uuid> =
        vaults.iter().flat_map(|vault| &vault.access_policies).map(|policy| policy.tenant_id).collect();
    Ok(if named.contains(&requested) { Some(requested) } else { named.first().copied() })
}
