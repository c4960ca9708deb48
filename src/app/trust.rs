//! Loads the local CA, and makes CA bundles for clients: the system's CAs and the configured ones beside ours, so that a
//! client of the bundle still trusts every other site.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use pem::Pem;
use rustls::RootCertStore;

use super::error::StartError;
use super::storage::make_dir;
use super::variables::Variables;
use crate::clock::Timestamp;
use crate::http::ca::Ca;

/// Variables that name a CA bundle, and their readers: requests and az; Go, .NET, Rust and aiohttp; curl; Node; pip.
pub(crate) const CA_VARIABLES: [&str; 5] =
    ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"];
/// Where Linux distributions and BSDs keep the bundle (openssl-probe 0.2). macOS has its own store.
const SYSTEM_BUNDLES: &[&str] = if cfg!(target_os = "macos") {
    &[]
} else {
    &[
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
        "/usr/local/etc/ssl/cert.pem",
        "/etc/openssl/certs/ca-certificates.crt",
    ]
};
/// The password of Java's own trust stores. It protects nothing: they hold certificates alone.
pub(crate) const TRUST_STORE_PASSWORD: &str = "changeit";
/// Iterations of the key derivation: one, because the password is public.
const ITERATIONS: u32 = 1;

/// The files with CAs for clients.
pub(super) struct TrustFiles {
    /// The PEM bundle.
    pub(super) bundle: PathBuf,
    /// Java's trust store.
    pub(super) store: PathBuf,
}

impl TrustFiles {
    /// Their paths in `dir`.
    pub(super) fn in_dir(dir: &Path) -> Self {
        Self { bundle: dir.join("bundle.pem"), store: dir.join("trust.p12") }
    }
}

/// The CA files that `variables` name.
pub(crate) fn ca_files_in(variables: &Variables) -> Vec<String> {
    let mut files: Vec<String> = CA_VARIABLES.iter().filter_map(|name| variables.get(*name).cloned()).collect();
    files.retain(|file| !file.is_empty());
    files.sort();
    files.dedup();
    files
}

/// Sets the variables by which clients find the files.
pub(super) fn set_variables(files: &TrustFiles, variables: &mut Variables) {
    let bundle = files.bundle.display().to_string();
    variables.extend(CA_VARIABLES.map(|name| (name.to_owned(), bundle.clone())));
    let java = format!(
        "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStoreType=PKCS12 \
         -Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
        files.store.display()
    );
    let options = variables.entry("JAVA_TOOL_OPTIONS".to_owned()).or_default();
    *options = format!("{options} {java}").trim_start().to_owned();
}

/// Converts certificates to a PKCS#12 trust store with the attribute that Java requires of a trusted certificate.
/// Certificates that cannot be parsed are skipped.
///
/// # Errors
/// When the store cannot be encoded.
pub(super) fn trust_store(certificates: Vec<Pem>, password: &str) -> Result<Vec<u8>, StartError> {
    let mut store = KeyStore::new();
    for (number, block) in certificates.into_iter().enumerate() {
        match Certificate::from_der(block.contents()) {
            Ok(certificate) => store.add_entry(&format!("ca-{number}"), KeyStoreEntry::Certificate(certificate)),
            Err(error) => tracing::debug!(%error, "a certificate is not fit for Java's trust store"),
        }
    }
    let writer = store.writer(password).encryption_iterations(ITERATIONS).mac_iterations(ITERATIONS);
    writer.write().map_err(|error| StartError::new(format!("Java's trust store could not be made: {error}")))
}

/// The certificates (DER) that Java finds in a PKCS#12 trust store.
///
/// # Errors
/// Why it cannot be opened.
pub(crate) fn read_trust_store(bytes: &[u8], password: &str) -> Result<Vec<Vec<u8>>, String> {
    // As Java, a strict import skips certificates without the attribute of trusted ones.
    let store =
        KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Strict).map_err(|error| error.to_string())?;
    let certificates = store.entries().filter_map(|(_, entry)| match entry {
        KeyStoreEntry::Certificate(certificate) => Some(certificate.as_der().to_vec()),
        _ => None,
    });
    Ok(certificates.collect())
}

/// Loads the local CA from `certs`, or creates it there; without `certs`, creates one for this start. It may certify `domains`
/// and names below them.
pub(super) fn load_or_create_ca(certs: Option<&Path>, domains: &[String], now: Timestamp) -> Result<Ca, StartError> {
    match certs {
        Some(dir) => {
            make_dir(dir)?;
            let ca = Ca::load_or_create(dir, "Keyhaven local CA", domains, now).map_err(StartError::new)?;
            if let Some(concern) = ca.validity_warning(now) {
                tracing::warn!(concern, "the local CA needs attention");
            }
            Ok(ca)
        }
        None => Ca::ephemeral("Keyhaven CA for one start", domains, true, now).map_err(StartError::new),
    }
}

/// The certificates in the PEM files `sources`, each once. Takes the files, so that they are freed before more is made of them.
pub(super) fn distinct_certificates(sources: Vec<Vec<u8>>) -> Vec<Pem> {
    let mut seen = HashSet::new();
    let mut blocks: Vec<Pem> = sources.into_iter().flat_map(|text| certificates(&text)).collect();
    blocks.retain(|block| seen.insert(digest(&SHA256, block.contents()).as_ref().to_vec()));
    blocks
}

/// A PEM bundle of `certificates`.
pub(super) fn bundle(certificates: &[Pem]) -> String {
    let mut text = String::with_capacity(certificates.iter().map(encoded_length).sum());
    certificates.iter().for_each(|block| text.push_str(&encoded(block)));
    text
}

/// PEM files: the system's CAs, then each of the files `existing` that can be read.
pub(super) fn existing_certificates(existing: &[String]) -> Vec<Vec<u8>> {
    let mut sources = vec![system_certificates()];
    for path in existing {
        match std::fs::read(path) {
            Ok(text) => sources.push(text),
            Err(error) => tracing::warn!(path, %error, "a bundle named in the environment cannot be read"),
        }
    }
    sources
}

/// At least the bytes of a certificate as PEM: four characters for each three bytes, a line break after each 64, its frame.
fn encoded_length(block: &Pem) -> usize {
    block.contents().len().div_ceil(3) * 4 * 65 / 64 + 64
}

fn encoded(block: &Pem) -> String {
    pem::encode_config(block, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

/// The system's CAs and those in the files `existing`, as rustls's roots. Certificates that cannot be parsed are skipped.
pub(super) fn roots(existing: &[String]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let sources = existing_certificates(existing);
    let certificates = sources.iter().flat_map(|text| certificates(text));
    roots.add_parsable_certificates(certificates.map(|block| block.into_contents().into()));
    roots
}

/// The system's CAs as PEM: its bundle file where there is one (reading a directory of certificates takes 100 ms), else the
/// platform's store. The libraries that look for such files take the one in `SSL_CERT_FILE` for the system's; in a shell that
/// evaluated `keyhaven env` that is our own.
fn system_certificates() -> Vec<u8> {
    if let Some(text) = SYSTEM_BUNDLES.iter().find_map(|file| std::fs::read(file).ok()) {
        return text;
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some of the system's roots cannot be read");
    }
    let blocks = found.certs.iter().map(|der| Pem::new("CERTIFICATE", der.to_vec()));
    blocks.map(|block| encoded(&block)).collect::<String>().into_bytes()
}

/// The certificates in a PEM file, without its other blocks (private keys).
fn certificates(text: &[u8]) -> Vec<Pem> {
    let mut blocks = pem::parse_many(text).unwrap_or_default();
    blocks.retain(|block| block.tag() == "CERTIFICATE");
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_store_marks_its_certificates_as_trusted() {
        let now = Timestamp::from_unix(1_700_000_000);
        let ca = Ca::ephemeral("A CA", &["a.example".to_owned()], true, now).unwrap();
        let blocks = certificates((ca.pem().to_owned() + "a comment\n").as_bytes());
        let bytes = trust_store(blocks, TRUST_STORE_PASSWORD).unwrap();
        assert_eq!(read_trust_store(&bytes, TRUST_STORE_PASSWORD).unwrap(), [ca.der().to_vec()]);
        assert!(read_trust_store(&bytes, "other").is_err());
    }

    #[test]
    fn a_bundle_holds_each_certificate_once_and_nothing_else() {
        let block = |tag: &str, byte| pem::encode(&Pem::new(tag, vec![byte; 40]));
        let dir = tempfile::tempdir().unwrap();
        let existing = dir.path().join("existing.pem");
        std::fs::write(&existing, block("CERTIFICATE", 1) + "a comment\n" + &block("PRIVATE KEY", 2)).unwrap();
        let (one, ours) = (block("CERTIFICATE", 1), block("CERTIFICATE", 3));
        let roots = distinct_certificates(existing_certificates(&[])).len();
        let mut sources = existing_certificates(&[existing.display().to_string()]);
        sources.extend([one.into_bytes(), ours.into_bytes()]);
        let blocks = distinct_certificates(sources);
        let text = bundle(&blocks);
        assert_eq!(certificates(text.as_bytes()).len(), roots + 2);
        assert!(text.len() <= blocks.iter().map(encoded_length).sum(), "a bundle is allocated once");
        assert!(!text.contains("PRIVATE KEY"));
    }
}
