//! The files of placeholder credentials: their paths, content and encoding.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::app::data_error::DataError;
use crate::{files, random};

/// The prefix of client secrets; it makes a leaked one recognisable.
const SECRET_PREFIX: &str = "keyhaven-";
/// Random bytes of a client secret.
const SECRET_BYTES: usize = 16;
/// The most federated-token files that are renewed.
const MAX_RENEWED_FILES: usize = 1000;
/// The extension of federated-token files; the stem is a client id.
const TOKEN_EXTENSION: &str = "token";

/// The file with the client secret.
pub(super) fn secret_path(dir: &Path) -> PathBuf {
    dir.join("client-secret")
}

/// The PEM file with the certificate and its private key.
pub(super) fn certificate_path(dir: &Path) -> PathBuf {
    dir.join("client-certificate.pem")
}

/// The file with a federated token of the application `client_id`.
pub(super) fn token_path(dir: &Path, client_id: Uuid) -> PathBuf {
    dir.join(format!("{client_id}.{TOKEN_EXTENSION}"))
}

/// Generates a client secret.
pub(super) fn new_secret() -> Zeroizing<String> {
    Zeroizing::new(format!("{SECRET_PREFIX}{}", *random::secret_hex::<SECRET_BYTES>()))
}

/// Reads the secret of an earlier start. A malformed file counts as missing: an empty secret must never be accepted.
pub(super) fn read_secret(dir: &Path) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(fs::read_to_string(secret_path(dir)).ok()?);
    let digits = text.strip_prefix(SECRET_PREFIX)?;
    let whole = digits.len() == 2 * SECRET_BYTES && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    whole.then(|| text.clone())
}

/// The certificate file of an earlier start, and the certificate as DER in base64.
pub(super) fn read_certificate(dir: &Path) -> Option<(PathBuf, String)> {
    let path = certificate_path(dir);
    let text = Zeroizing::new(fs::read(&path).ok()?);
    let blocks = pem::parse_many(text.as_slice()).ok()?;
    let der = blocks.iter().find(|block| block.tag() == "CERTIFICATE")?.contents();
    let has_key = blocks.iter().any(|block| block.tag() == "PRIVATE KEY");
    has_key.then(|| (path, STANDARD.encode(der)))
}

/// The client id and content of each federated-token file.
pub(super) fn read_tokens(dir: &Path) -> Vec<(Uuid, Zeroizing<String>)> {
    let Ok(entries) = fs::read_dir(dir) else { return vec![] };
    let read = |path: PathBuf| {
        let is_token = path.extension().is_some_and(|suffix| suffix == TOKEN_EXTENSION);
        let client_id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| Uuid::parse_str(stem).ok());
        let client_id = client_id.filter(|_| is_token)?;
        // An unreadable file counts as an invalid token, and is rewritten.
        Some((client_id, Zeroizing::new(fs::read_to_string(&path).unwrap_or_default())))
    };
    entries.flatten().filter_map(|entry| read(entry.path())).take(MAX_RENEWED_FILES).collect()
}

/// Writes a credential that later starts read again; synced.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    make_parent_dir(path)?;
    files::write(path, bytes, files::PRIVATE).map_err(|error| DataError::File(path.to_owned(), error))
}

/// Writes a credential that is worthless after this start; not synced.
pub(super) fn write_until_stop(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    make_parent_dir(path)?;
    files::write_unsynced(path, bytes).map_err(|error| DataError::File(path.to_owned(), error))
}

/// Creates the parent directory of `path` (0700).
fn make_parent_dir(path: &Path) -> Result<(), DataError> {
    let dir = files::parent_of(path);
    files::create_dir(dir).map_err(|error| DataError::File(dir.to_owned(), error))
}

/// Generates a self-signed certificate: as DER in base64, and as PEM with its private key. The key is RSA: Entra's client
/// libraries accept no other.
pub(super) fn new_certificate() -> Result<(String, Zeroizing<String>), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Keyhaven placeholder credential");
    let certificate = params.self_signed(&key)?;
    let pem = Zeroizing::new(format!("{}{}", certificate.pem(), *Zeroizing::new(key.serialize_pem())));
    Ok((STANDARD.encode(certificate.der()), pem))
}
