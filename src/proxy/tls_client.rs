//! TLS to the host of an `https://` URL in absolute form. The client sees no certificate then, so the proxy verifies it for
//! the client, with the root certificates that the client would have used.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::error::ProxyError;
use super::target::Target;
use crate::http::byte_stream::ByteStream;

/// Loads the trusted root certificates. May block.
pub(crate) type LoadRoots = Arc<dyn Fn() -> RootCertStore + Send + Sync>;

/// A certificate that is shown to a host that asks for one.
pub(super) type ShownCertificate = Arc<dyn ResolvesClientCert>;

/// A TLS client whose configuration is loaded at the first use: reading the roots takes milliseconds, and few programs
/// need them.
pub(super) struct TlsClient {
    load_roots: LoadRoots,
    handshake_timeout: Duration,
    config: OnceCell<Arc<ClientConfig>>,
}

impl TlsClient {
    /// A client that trusts what `load_roots` returns, and bounds each handshake by `handshake_timeout`.
    pub(super) fn new(load_roots: LoadRoots, handshake_timeout: Duration) -> Self {
        Self { load_roots, handshake_timeout, config: OnceCell::new() }
    }

    /// Opens TLS over `stream` and verifies that the certificate is one of `target`; shows it `certificate`, if it asks for one.
    pub(super) async fn connect(
        &self,
        stream: Box<dyn ByteStream>,
        target: &Target,
        certificate: Option<ShownCertificate>,
    ) -> Result<Box<dyn ByteStream>, ProxyError> {
        let name = ServerName::try_from(target.host().to_owned()).map_err(|_| {
            ProxyError::new(StatusCode::BAD_REQUEST, format!("{target}: no certificate can have this name."))
        })?;
        let connector = TlsConnector::from(showing(self.config().await?, certificate));
        match timeout(self.handshake_timeout, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(ProxyError::new(StatusCode::BAD_GATEWAY, describe(target, &error))),
            Err(_) => {
                let why = format!("{target} did not complete TLS within {} seconds.", self.handshake_timeout.as_secs());
                Err(ProxyError::new(StatusCode::GATEWAY_TIMEOUT, why))
            }
        }
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, ProxyError> {
        let broken = |error: &dyn std::fmt::Display| {
            ProxyError::new(StatusCode::BAD_GATEWAY, format!("TLS to other hosts cannot be set up: {error}."))
        };
        let config = self.config.get_or_try_init(|| async {
            let load_roots = self.load_roots.clone();
            let loaded = tokio::task::spawn_blocking(move || client_config(load_roots())).await;
            loaded.map_err(|error| broken(&error))?.map_err(|error| broken(&error))
        });
        config.await.cloned()
    }
}

/// `config` with `certificate`. Sessions are those of one connection then: another activity has another certificate.
fn showing(config: Arc<ClientConfig>, certificate: Option<ShownCertificate>) -> Arc<ClientConfig> {
    let Some(certificate) = certificate else { return config };
    let mut own = ClientConfig::clone(&config);
    own.client_auth_cert_resolver = certificate;
    own.resumption = Resumption::disabled();
    Arc::new(own)
}

/// Offers HTTP/1.1 alone, because each request goes out on a connection of its own.
fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Describes `error`, and says how to trust an unknown certificate. rustls quotes names.
fn describe(target: &Target, error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let error = error.to_string().replace('"', "");
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => format!(
            "The certificate of {target} is not trusted ({error}); name the file with its CA in SSL_CERT_FILE before the start."
        ),
        _ => format!("{target} cannot be reached over TLS: {error}."),
    }
}
