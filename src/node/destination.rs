//! One who brings a credential to a node: over TLS to the one certificate whose thumbprint the service has named, whatever name and whatever
//! issuer it has.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
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

use crate::crypto::envelope::Envelope;
use crate::crypto::rsa::RsaPublic;
use crate::node_protocol::CREDENTIALS;

/// How long all of it may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A node as the service describes it to who brings a credential; deliberately no `Debug`.
pub(crate) struct Destination {
    /// The URL of its listener, which ends in a slash.
    pub uri: String,
    /// SHA-256 of its certificate, hex.
    pub thumbprint: String,
    /// The key that credentials are encrypted for: SubjectPublicKeyInfo (DER) in base64.
    pub public_key: String,
    /// A token of the service for this node.
    pub token: Zeroizing<String>,
}

impl Destination {
    /// Brings `value` to the node, which keeps it as the credential `id`.
    ///
    /// # Errors
    /// What went wrong, in a sentence without an end.
    pub(crate) async fn bring(&self, id: &str, value: &str) -> Result<(), String> {
        let key = STANDARD.decode(&self.public_key).map_err(|error| error.to_string())?;
        let key = RsaPublic::from_der(&key).map_err(|error| error.to_string())?;
        let envelope = Envelope::seal(&key, id, value.as_bytes()).map_err(|error| error.to_string())?;
        let body = serde_json::to_vec(&envelope).map_err(|error| error.to_string())?;
        match timeout(TIMEOUT, self.post(&format!("{CREDENTIALS}/{id}"), body)).await {
            Ok(sent) => sent,
            Err(_) => Err(format!("the node at {} did not answer in {} s", self.uri, TIMEOUT.as_secs())),
        }
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> Result<(), String> {
        let url: Uri = format!("{}{path}", self.uri).parse().map_err(|_| format!("{} is no URL", self.uri))?;
        let (host, port) = (url.host().unwrap_or_default().to_owned(), url.port_u16().unwrap_or(443));
        let unreachable =
            |error: &dyn std::fmt::Display| format!("the node at {} cannot be reached: {error}", self.uri);
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((plain, port)).await.map_err(|error| unreachable(&error))?;
        let name = ServerName::try_from(plain.to_owned()).map_err(|error| unreachable(&error))?;
        let config = pinned(&self.thumbprint).map_err(|error| unreachable(&error))?;
        let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| self.tls_failure(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(tls)).await.map_err(|error| unreachable(&error))?;
        tokio::spawn(connection);
        let authorization = Zeroizing::new(format!("Bearer {}", self.token.as_str()));
        let request = Request::post(url.path())
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, authorization.as_str())
            .body(Full::<Bytes>::from(body))
            .map_err(|error| unreachable(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let text = answer.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
        if status.is_success() {
            return Ok(());
        }
        let said: Value = serde_json::from_slice(&text).unwrap_or_default();
        Err(format!("the node refuses it: {} ({status})", said["error"]["message"].as_str().unwrap_or_default()))
    }

    fn tls_failure(&self, error: &std::io::Error) -> String {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => format!(
                "what answers at {} has another certificate than the service says: nothing was sent to it",
                self.uri
            ),
            _ => format!("the node at {} cannot be reached: {error}", self.uri),
        }
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::credentials::CredentialStore;
    use super::super::home::NodeHome;
    use super::super::keys::NodeKeys;
    use super::super::listener::{NodeHealth, Remote, Serving, TokenKey, bind, serve};
    use super::*;
    use crate::clock::{Clock, Timestamp, VirtualClock};
    use crate::crypto::aes::AesKey;
    use crate::crypto::signed_token;
    use crate::node_protocol::ServiceToken;

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
    const NODE: Uuid = Uuid::from_u128(1);

    fn token(key: u8, node: Uuid, expires: i64) -> Zeroizing<String> {
        let claims = serde_json::to_vec(&ServiceToken { node, expires }).unwrap();
        Zeroizing::new(signed_token::sign(&AesKey::from_bytes(&[key; 32]).unwrap(), &claims))
    }

    /// A node that listens, its credentials, and how they are brought to it.
    async fn node(home: &std::path::Path) -> (Serving, CredentialStore, Destination) {
        let keys = NodeKeys::generate("n", "machine", NOW).unwrap();
        let (tcp, address) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let store = CredentialStore::new(Arc::new(NodeHome::open(home).unwrap()));
        let certificate = keys.certificate().unwrap();
        let destination = Destination {
            uri: format!("https://{address}/HostServiceRemote.svc/"),
            thumbprint: certificate.thumbprint(),
            public_key: keys.public_key().unwrap(),
            token: token(7, NODE, NOW.unix() + 1),
        };
        let tokens = TokenKey::default();
        tokens.set(&STANDARD.encode([7; 32]));
        let public_key = destination.public_key.clone();
        let remote = Remote {
            health: NodeHealth { node: "n".to_owned(), version: "1", public_key },
            node: NODE,
            key: keys.credential_key().unwrap(),
            store: store.clone(),
            tokens,
            clock: Arc::new(VirtualClock::frozen_at(NOW)) as Arc<dyn Clock>,
        };
        (serve(tcp, certificate, remote).unwrap(), store, destination)
    }

    #[tokio::test]
    async fn a_credential_reaches_the_node_that_the_service_names_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (serving, store, destination) = node(dir.path()).await;
        destination.bring("DATAFACTORY@A_1", "hunter2").await.unwrap();
        assert_eq!(store.ids().unwrap(), ["DATAFACTORY@A_1"]);

        let other = Destination { thumbprint: "AB".repeat(32), ..copy(&destination) };
        let refused = other.bring("2", "hunter2").await.unwrap_err();
        assert!(refused.contains("has another certificate than the service says: nothing was sent to it"), "{refused}");
        let others_key = NodeKeys::generate("o", "machine", NOW).unwrap().public_key().unwrap();
        let unreadable = Destination { public_key: others_key, ..copy(&destination) };
        let refused = unreadable.bring("2", "hunter2").await.unwrap_err();
        assert!(refused.contains("the credential is not encrypted for this node and this id (400"), "{refused}");
        for forged in [
            token(8, NODE, NOW.unix() + 1),
            token(7, Uuid::from_u128(2), NOW.unix() + 1),
            token(7, NODE, NOW.unix()),
            Zeroizing::default(),
        ] {
            let forger = Destination { token: forged, ..copy(&destination) };
            let refused = forger.bring("2", "hunter2").await.unwrap_err();
            assert!(refused.contains("The service token is invalid, has expired, or is another node's"), "{refused}");
        }
        assert_eq!(store.ids().unwrap().len(), 1, "nothing else was kept");
        serving.stop(Duration::from_secs(1)).await;
        let gone = destination.bring("3", "hunter2").await.unwrap_err();
        assert!(gone.contains("cannot be reached: "), "{gone}");
    }

    fn copy(destination: &Destination) -> Destination {
        let Destination { uri, thumbprint, public_key, token } = destination;
        Destination {
            uri: uri.clone(),
            thumbprint: thumbprint.clone(),
            public_key: public_key.clone(),
            token: token.clone(),
        }
    }
}
