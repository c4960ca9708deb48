//! What the command of `run` finds in the place of the user's real credentials: good at this server, worth nothing elsewhere.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::app::{Running, Variables, Wanted};
use crate::cli::Failure;
use crate::cli::environment::{CERTIFICATE, FEDERATED, Placeholders, SECRETS};
use crate::directory::Chosen;
use crate::files;

/// The client id that the command has: the one of the user's own environment. Where it is strict it may be nobody's, and
/// what signs in as it is refused, as production's would be.
pub(super) async fn client_id(running: &Running, own: &Variables) -> Result<Option<String>, Failure> {
    let Some(id) = own.get("AZURE_CLIENT_ID").filter(|id| Uuid::parse_str(id).is_ok()) else { return Ok(None) };
    if !is_known(running, id).await? {
        tracing::warn!("AZURE_CLIENT_ID {id} is no identity here: what signs in as it is refused (--strict)");
    }
    Ok(Some(id.clone()))
}

async fn is_known(running: &Running, id: &str) -> Result<bool, Failure> {
    let chosen = Chosen::ClientId(id.to_owned());
    let identity = running.directory().choose(&chosen, running.strangers()).await.map_err(Failure::failed)?;
    Ok(identity.is_some())
}

/// Makes those that stand for something in `own`; files lie in `dir`.
pub(super) async fn make(running: &Running, own: &Variables, dir: &Path) -> Result<Placeholders, Failure> {
    let has = |names: &[&str]| names.iter().any(|name| own.contains_key(*name));
    let (certificate, federated) = (has(&[CERTIFICATE]), has(&[FEDERATED]));
    if !(has(&SECRETS) || certificate || federated) {
        return Ok(Placeholders::default());
    }
    let federated = match running.ready.env.get("AZURE_CLIENT_ID").filter(|_| federated) {
        // A token says whose it is: nobody's cannot be made.
        Some(id) if is_known(running, id).await? => Some(id.as_str()),
        _ => None,
    };
    let wanted = Wanted { certificate, federated };
    let made = running.stand_ins(wanted).await.map_err(Failure::failed)?;
    let kept = |name: &str, text: &Option<zeroize::Zeroizing<String>>| match text {
        Some(text) => written(&dir.join(name), text).map(Some),
        None => Ok(None),
    };
    Ok(Placeholders {
        certificate: kept("certificate.pem", &made.certificate)?,
        federated: kept("federated-token", &made.federated)?,
        secret: Some(made.secret),
    })
}

fn written(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::failed(format!("{}: {error}", path.display()));
    files::write_for_this_start(path, text.as_bytes()).map_err(failed)?;
    Ok(path.to_owned())
}
