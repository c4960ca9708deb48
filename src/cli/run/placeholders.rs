//! Placeholder credentials for the command of `run`, in place of the user's real ones.

use std::sync::Arc;

use uuid::Uuid;

use crate::app::{Running, Variables, variable_of};
use crate::cli::Failure;
use crate::cli::environment::{CERTIFICATE, FEDERATED_TOKEN, Placeholders, SECRETS};
use crate::directory::{CredentialKind, IdentityRecord};

/// The client id in the user's environment, if there is one. With `--strict` it may be unknown: then sign-in is refused, and
/// a warning says so.
pub(super) async fn configured_client_id(running: &Running, own: &Variables) -> Result<Option<String>, Failure> {
    let Some(id) = own.get("AZURE_CLIENT_ID").filter(|id| Uuid::parse_str(id).is_ok()) else { return Ok(None) };
    if running.credentials().identity(id).await.map_err(Failure::failed)?.is_none() {
        tracing::warn!("AZURE_CLIENT_ID {id} is no identity here: what signs in as it is refused (--strict)");
    }
    Ok(Some(id.clone()))
}

/// Creates a placeholder for each credential in `own`; when one is `chosen`, for that one alone.
pub(super) async fn create(
    running: &Running,
    own: &Variables,
    chosen: Option<CredentialKind>,
) -> Result<Placeholders, Failure> {
    let wanted = |names: &[&str]| match chosen {
        Some(kind) => names.contains(&variable_of(kind)),
        None => names.iter().any(|name| own.contains_key(*name)),
    };
    let (credentials, mut made) = (running.credentials(), Placeholders::default());
    if wanted(&SECRETS) {
        made.secret = Some(credentials.secret().await.map_err(Failure::failed)?);
    }
    if wanted(&[CERTIFICATE]) {
        made.certificate = Some(credentials.certificate().await.map_err(Failure::failed)?);
    }
    // A federated token names its application, which must exist.
    if wanted(&[FEDERATED_TOKEN])
        && let Some(identity) = application(running, chosen).await?
    {
        made.federated = Some(credentials.federated_token(&identity).await.map_err(Failure::failed)?);
    }
    Ok(made)
}

/// The identity that the command runs as; it must exist when a credential was `chosen`.
async fn application(
    running: &Running,
    chosen: Option<CredentialKind>,
) -> Result<Option<Arc<IdentityRecord>>, Failure> {
    let id = running.ready.env.get("AZURE_CLIENT_ID").map_or("", String::as_str);
    let found = running.credentials().identity(id).await.map_err(Failure::failed)?;
    if found.is_none() && chosen.is_some() {
        let why =
            format!("--credential workload-identity: AZURE_CLIENT_ID {id} is no identity here; give --identity NAME");
        return Err(Failure::usage(why));
    }
    Ok(found)
}
