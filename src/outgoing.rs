//! How this program asks others over TLS: it trusts what the system trusts. It knows nobody that is asked.

use std::sync::Arc;

use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// TLS for clients that trust what the system trusts, what `SSL_CERT_FILE` names, and what is `added`. Reads the
/// certificates from the disk: made once, when it is first needed.
pub fn tls(added: Vec<Certificate<'static>>) -> TlsConfig {
    let system = rustls_native_certs::load_native_certs().certs;
    let system = system.iter().map(|der| Certificate::from_der(der).to_owned());
    let roots: Vec<_> = system.chain(added).collect();
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build()
}
