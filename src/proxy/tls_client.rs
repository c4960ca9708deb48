//! TLS to the host of an `https://` URL in absolute form. The client sees no certificate then, so the proxy verifies it in
//! the client's place, with the roots that the client would have had.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::relay::Stream;
use super::target::Target;
use super::{Refused, refused};

/// Reads the certificate authorities that are trusted. It may block.
pub type Roots = Arc<dyn Fn() -> RootCertStore + Send + Sync>;

/// TLS as a client.
pub(super) struct TlsClient {
    roots: Roots,
    patience: Duration,
    /// Made when it is first needed: reading the roots takes some milliseconds, and few programs need them.
    made: OnceCell<Arc<ClientConfig>>,
}

impl TlsClient {
    /// TLS that trusts `roots` and lets a handshake take `patience`.
    pub(super) fn new(roots: Roots, patience: Duration) -> Self {
        Self { roots, patience, made: OnceCell::new() }
    }

    /// TLS over `stream` with `target`, whose certificate is verified.
    pub(super) async fn connect(&self, stream: Box<dyn Stream>, target: &Target) -> Result<Box<dyn Stream>, Refused> {
        let name = ServerName::try_from(target.host().to_owned())
            .map_err(|_| refused(StatusCode::BAD_REQUEST, format!("{target}: no certificate can have this name.")))?;
        let connector = TlsConnector::from(self.config().await?);
        match timeout(self.patience, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(refused(StatusCode::BAD_GATEWAY, why_not(target, &error))),
            Err(_) => {
                let why = format!("{target} did not complete TLS within {} seconds.", self.patience.as_secs());
                Err(refused(StatusCode::GATEWAY_TIMEOUT, why))
            }
        }
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, Refused> {
        let broken = |error: &dyn std::fmt::Display| {
            refused(StatusCode::BAD_GATEWAY, format!("TLS to other hosts cannot be set up: {error}."))
        };
        let making = self.made.get_or_try_init(|| async {
            let roots = self.roots.clone();
            let made = tokio::task::spawn_blocking(move || config(roots())).await;
            made.map_err(|error| broken(&error))?.map_err(|error| broken(&error))
        });
        making.await.cloned()
    }
}

/// HTTP/1.1 alone, because each request goes out on a connection of its own.
fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What went wrong, and what to do when it is the certificate. rustls quotes names.
fn why_not(target: &Target, error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let error = error.to_string().replace('"', "");
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => format!(
            "The certificate of {target} is not trusted ({error}); name the file with its CA in SSL_CERT_FILE before the start."
        ),
        _ => format!("{target} cannot be reached over TLS: {error}."),
    }
}
