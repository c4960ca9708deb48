//! A connection to a node: over TLS to the one certificate whose thumbprint the service has named, whatever name and whatever issuer it
//! has. Link-local addresses are no node's, whatever name leads there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::addresses::is_link_local;

/// How long all of an exchange may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer, in bytes: all credentials of a node, encrypted and in base64.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A node that is asked for something; deliberately no `Debug`.
pub(super) struct PinnedNode<'n> {
    /// The URL of its listener, which ends in a slash.
    pub(super) uri: &'n str,
    /// SHA-256 of its certificate, hex.
    pub(super) thumbprint: &'n str,
    /// A token of the service for it.
    pub(super) token: &'n str,
}

impl PinnedNode<'_> {
    /// Sends a request to `path` below its URL; answers the body of a success.
    ///
    /// # Errors
    /// What went wrong, in a sentence without an end.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, String> {
        match timeout(TIMEOUT, self.exchange(method, path, body)).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("the node at {} did not answer in {} s", self.uri, TIMEOUT.as_secs())),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, String> {
        let url: Uri = format!("{}{path}", self.uri).parse().map_err(|_| format!("{} is no URL", self.uri))?;
        let (host, port) = (url.host().unwrap_or_default().to_owned(), url.port_u16().unwrap_or(443));
        let unreachable = |error: &dyn std::fmt::Display| self.unreachable(error);
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = connect((plain, port)).await.map_err(|error| unreachable(&error))?;
        let name = ServerName::try_from(plain.to_owned()).map_err(|error| unreachable(&error))?;
        let config = pinned(self.thumbprint).map_err(|error| unreachable(&error))?;
        let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| self.tls_failure(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(tls)).await.map_err(|error| unreachable(&error))?;
        tokio::spawn(connection);
        let authorization = Zeroizing::new(format!("Bearer {}", self.token));
        let request = Request::builder()
            .method(method)
            .uri(url.path())
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, authorization.as_str())
            .body(Full::<Bytes>::from(body))
            .map_err(|error| unreachable(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let text = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let text = text.map_err(|error| unreachable(&error))?.to_bytes();
        if status.is_success() {
            return Ok(text);
        }
        let said: Value = serde_json::from_slice(&text).unwrap_or_default();
        Err(format!("the node refuses it: {} ({status})", said["error"]["message"].as_str().unwrap_or_default()))
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> String {
        format!("the node at {} cannot be reached: {error}", self.uri)
    }

    fn tls_failure(&self, error: &std::io::Error) -> String {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => format!(
                "what answers at {} has another certificate than the service says: nothing was sent to it",
                self.uri
            ),
            _ => self.unreachable(error),
        }
    }
}

/// Connects to the first address of a node that answers.
async fn connect(host: (&str, u16)) -> std::io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host(host).await?;
    let addresses: Vec<SocketAddr> = addresses.filter(|one| !is_link_local(one.ip())).collect();
    match addresses.is_empty() {
        true => Err(std::io::Error::other("it has no address that is a node's")),
        false => TcpStream::connect(&addresses[..]).await,
    }
}

fn pinned(thumbprint: &str) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Pinned { thumbprint: thumbprint.to_ascii_uppercase(), provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Accepts one certificate, and who shows that its key is theirs.
#[derive(Debug)]
struct Pinned {
    thumbprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest = digest(&SHA256, certificate);
        let thumbprint: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        match thumbprint == self.thumbprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
