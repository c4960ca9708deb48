//! The certificate of an activity that signs in by one.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use zeroize::Zeroizing;

/// The longest `pfx`, in characters of base64: several chains with the largest RSA keys.
const MAX_PFX: usize = 64 * 1024;

/// The certificate and its key in `pfx`, PKCS #12 in base64, under `password`.
///
/// # Errors
/// A sentence that quotes neither.
pub(super) async fn parse(
    pfx: Zeroizing<String>,
    password: Zeroizing<String>,
) -> Result<Arc<dyn ResolvesClientCert>, String> {
    // Deriving a key of a password takes up to some tenths of a second.
    let parsing = tokio::task::spawn_blocking(move || parsed(&pfx, &password)).await;
    parsing.unwrap_or_else(|error| Err(format!("The pfx of the authentication was not read: {error}.")))
}

fn parsed(pfx: &str, password: &str) -> Result<Arc<dyn ResolvesClientCert>, String> {
    let wrong = |why: &str| format!("The pfx of the authentication cannot be used: {why}.");
    if pfx.len() > MAX_PFX {
        return Err(wrong(&format!("it is longer than {MAX_PFX} characters")));
    }
    let bytes = STANDARD.decode(pfx.trim()).map(Zeroizing::new).map_err(|_| wrong("it is no base64"))?;
    // The ciphers of old (RC2, 3DES) are left out of the crate.
    let unreadable = "it is no PKCS #12 file, has another password, or is not encrypted with AES";
    let store = KeyStore::from_pkcs12(&bytes, password, Pkcs12ImportPolicy::Relaxed).map_err(|_| wrong(unreadable))?;
    let (_, chain) = store.private_key_chain().ok_or_else(|| wrong("it holds no private key with a certificate"))?;
    let certificates: Vec<_> = chain.certs().iter().map(|one| CertificateDer::from(one.as_der().to_vec())).collect();
    if certificates.is_empty() {
        return Err(wrong("it holds no private key with a certificate"));
    }
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec()));
    let key = any_supported_type(&key).map_err(|_| wrong("its key is of no type that TLS has"))?;
    let certified = CertifiedKey::new(certificates, key);
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}
