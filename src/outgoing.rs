//! TLS for outgoing requests: trusts the roots of the system. It knows nothing of the hosts that are requested.

use std::sync::Arc;

use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// A TLS configuration that trusts the system's roots, those of `SSL_CERT_FILE`, and `added`. Reads the certificates from the
/// disk, so callers build it once, at its first use.
pub(crate) fn tls(added: Vec<Certificate<'static>>) -> TlsConfig {
    let system = rustls_native_certs::load_native_certs().certs;
    let system = system.iter().map(|der| Certificate::from_der(der).to_owned());
    let roots: Vec<_> = system.chain(added).collect();
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build()
}
