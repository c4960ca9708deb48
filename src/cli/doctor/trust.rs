//! Whether the local CA is there and valid, whether the server's certificates are its, and whether the bundles that clients are given
//! exist.

use std::ops::Range;
use std::path::Path;

use super::{DoctorContext, ENV, Finding, UNSET};
use crate::app::{CA_VARIABLES, CaCertificate, ReadyFile};
use crate::cli::Failure;
use crate::cli::client::AdminClient;
use crate::clock::{Clock, SystemClock};
use crate::remote::{Credential, RequestError, TrustStore, VaultClient};

const AREA: &str = "trust";
/// How long before its end the CA is worth a note, in seconds.
const SOON: i64 = 30 * 86_400;

pub(super) async fn check(context: &DoctorContext, client: &AdminClient) -> Result<Vec<Finding>, Failure> {
    let Ok(ca) = client.ca_path().and_then(|path| CaCertificate::read(&path).map_err(Failure::failed)) else {
        let none = Finding::note(AREA, "no local CA found", "the first keyhaven serve makes one");
        return Ok(std::iter::once(none).chain(bundles(context, None)).collect());
    };
    let mut findings = vec![validity(&ca)];
    if let Some(ready) = &context.server {
        findings.push(chain(ready, &ca).await?);
    }
    findings.extend(bundles(context, Some(&ca)));
    Ok(findings)
}

fn validity(ca: &CaCertificate) -> Finding {
    let (file, now) = (ca.path().display(), SystemClock.now());
    let Range { start: from, end: to } = match ca.validity() {
        Ok(validity) => validity,
        Err(error) => {
            return Finding::wrong(AREA, format!("the CA {file}: {error}"), "remove its two files, and start again");
        }
    };
    if now < from || now >= to {
        let what = format!("the CA {file} is valid from {from} to {to}, and this machine's clock shows {now}");
        return Finding::wrong(
            AREA,
            what,
            "set the clock; or stop the server, remove the CA's two files, and start again",
        );
    }
    if to.unix() - now.unix() < SOON {
        return Finding::note(
            AREA,
            format!("the CA {file} ends on {to}"),
            "stop the server, remove its two files, and start again",
        );
    }
    Finding::ok(AREA, format!("the CA {file} is valid until {to}"))
}

/// Asks a vault for its challenge, which needs no token.
async fn chain(ready: &ReadyFile, ca: &CaCertificate) -> Result<Finding, Failure> {
    let Some((name, url)) = ready.vaults.iter().next() else {
        return Ok(Finding::ok(AREA, "the server had no vault at its start; its certificate was not looked at"));
    };
    let (url, pem, name) = (url.clone(), ca.pem(), name.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let agent = TrustStore::default().with_pem(&pem)?.agent();
        let vault = VaultClient::new(agent, &url, Credential::bearer(""));
        vault.map_err(|why| RequestError::NoAnswer(why.to_string()))?.tenant()
    });
    Ok(match asked.await.map_err(Failure::failed)? {
        Ok(_) => Finding::ok(AREA, format!("the certificate of vault {name} is of this CA")),
        // The vault may be gone since the start; what its name is answered with came over TLS all the same.
        Err(RequestError::Refused { .. }) => Finding::ok(AREA, "the server's certificates are of this CA"),
        Err(error) => Finding::wrong(AREA, error.to_string(), "name the server's --data or --certs, or start it again"),
    })
}

/// The bundles that this shell's variables name.
fn bundles(context: &DoctorContext, ca: Option<&CaCertificate>) -> Vec<Finding> {
    let named = CA_VARIABLES.iter().filter_map(|name| context.variable(name).map(|file| (*name, file)));
    let mut files: Vec<(&str, Vec<&str>)> = vec![];
    for (name, file) in named {
        match files.iter_mut().find(|(known, _)| *known == file) {
            Some((_, names)) => names.push(name),
            None => files.push((file, vec![name])),
        }
    }
    files.into_iter().map(|(file, names)| bundle(context, file, &names.join(", "), ca)).collect()
}

fn bundle(context: &DoctorContext, file: &str, names: &str, ca: Option<&CaCertificate>) -> Finding {
    let Ok(text) = std::fs::read_to_string(Path::new(file)) else {
        let what = format!("{names}: {file} cannot be read; programs that look for it fail");
        return match context.is_of_server(file) {
            true => Finding::wrong(AREA, what, ENV),
            false => Finding::wrong(AREA, what, format!("{UNSET}, or set them to a file that is there")),
        };
    };
    let has_ours = ca.is_some_and(|ca| text.contains(ca.pem().trim()));
    if context.has_variables() && context.server.is_some() && !has_ours {
        let what = format!("{names}: {file} does not hold the server's CA");
        return Finding::wrong(AREA, what, ENV);
    }
    Finding::ok(AREA, format!("{names}: {file} is there"))
}
