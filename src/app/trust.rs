//! The local certificate authority, and bundles of authorities: those that were in force before, and ours, so that a program given the bundle
//! still trusts every other site.

use std::path::Path;

use pem::Pem;

use super::data::make_dir;
use super::{StartError, Variables, failed};
use crate::clock::Timestamp;
use crate::http::ca::Ca;

/// The variables by which clients are given certificate authorities: requests and az; Go, .NET, Rust and aiohttp; curl;
/// Node.
const VARIABLES: [&str; 4] = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

/// The files that the environment names already.
pub(super) fn former() -> Vec<String> {
    let mut files: Vec<String> = VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).collect();
    files.retain(|file| !file.is_empty());
    files.sort();
    files.dedup();
    files
}

/// The variables that name the bundle at `path`.
pub(super) fn variables(path: &Path) -> Variables {
    VARIABLES.map(|name| (name.to_owned(), path.display().to_string())).into()
}

/// The local CA: kept in `certs`, or made for this start alone; able to certify names at and below `domains`.
pub(super) fn local_ca(certs: Option<&Path>, domains: &[String], now: Timestamp) -> Result<Ca, StartError> {
    match certs {
        Some(dir) => {
            make_dir(dir)?;
            Ca::kept(dir, "Keyhaven local CA", domains, now).map_err(failed)
        }
        None => Ca::new("Keyhaven CA for one start", domains, true, now).map_err(failed),
    }
}

/// A PEM bundle of the system's roots, of what the files `former` hold, and of `ours`.
pub fn bundle(former: &[String], ours: &[&str]) -> String {
    let mut bundle = system_roots();
    for path in former {
        match std::fs::read_to_string(Path::new(path)) {
            Ok(text) => bundle.push_str(&closed(text)),
            Err(error) => tracing::warn!(path, %error, "a bundle named in the environment cannot be read"),
        }
    }
    for pem in ours {
        bundle.push_str(&closed((*pem).to_owned()));
    }
    bundle
}

fn system_roots() -> String {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some of the system's roots cannot be read");
    }
    let blocks: Vec<_> = found.certs.iter().map(|der| Pem::new("CERTIFICATE", der.to_vec())).collect();
    let line_feed = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_many_config(&blocks, line_feed)
}

fn closed(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
