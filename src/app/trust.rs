//! The local certificate authority, and bundles of authorities: those that were in force before, and ours, so that a
//! program given the bundle still trusts every other site.

use std::collections::HashSet;
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

/// A PEM bundle of the system's roots, of what the files `former` hold, and of `ours`; each certificate once.
pub fn bundle(former: &[String], ours: &[&str]) -> String {
    let mut blocks = system_roots();
    for path in former {
        match std::fs::read(path) {
            Ok(text) => blocks.extend(certificates(&text)),
            Err(error) => tracing::warn!(path, %error, "a bundle named in the environment cannot be read"),
        }
    }
    blocks.extend(ours.iter().flat_map(|pem| certificates(pem.as_bytes())));
    let mut seen = HashSet::new();
    let once = blocks.iter().filter(|block| seen.insert(block.contents()));
    let line_feed = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    once.map(|block| pem::encode_config(block, line_feed)).collect()
}

/// The system's roots: its one bundle where it has one (reading a directory of them takes 100 ms), else what the
/// platform's store gives.
fn system_roots() -> Vec<Pem> {
    let bundle = openssl_probe::probe().cert_file.and_then(|file| std::fs::read(file).ok());
    if let Some(text) = bundle {
        return certificates(&text);
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some of the system's roots cannot be read");
    }
    found.certs.iter().map(|der| Pem::new("CERTIFICATE", der.to_vec())).collect()
}

/// The certificates in a PEM file; what else it holds is not for a bundle.
fn certificates(text: &[u8]) -> Vec<Pem> {
    let mut blocks = pem::parse_many(text).unwrap_or_default();
    blocks.retain(|block| block.tag() == "CERTIFICATE");
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_holds_each_certificate_once_and_nothing_else() {
        let block = |tag: &str, byte| pem::encode(&Pem::new(tag, vec![byte; 40]));
        let dir = tempfile::tempdir().unwrap();
        let former = dir.path().join("former.pem");
        std::fs::write(&former, block("CERTIFICATE", 1) + "a comment\n" + &block("PRIVATE KEY", 2)).unwrap();
        let (one, ours) = (block("CERTIFICATE", 1), block("CERTIFICATE", 3));
        let roots = certificates(bundle(&[], &[]).as_bytes()).len();
        let text = bundle(&[former.display().to_string()], &[&one, &ours]);
        assert_eq!(certificates(text.as_bytes()).len(), roots + 2);
        assert!(!text.contains("PRIVATE KEY"));
    }
}
