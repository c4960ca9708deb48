//! The keys of a node: the one that credentials are encrypted for, and its listener's certificate with its key. They are made at the first
//! start and kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::error::NodeError;
use crate::clock::Timestamp;
use crate::crypto::rsa::{RsaKey, RsaSize};

/// How long a node's own certificate is good for. It is pinned by its thumbprint, so nothing else ends with it.
const LIFETIME: Duration = Duration::days(3650);
/// It is valid from a day ago, for machines whose clocks differ.
const BACKDATE: Duration = Duration::days(1);

/// The keys of a node, as they are kept; deliberately no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeKeys {
    /// The key that credentials are encrypted for: PKCS #8 (DER) in base64.
    credential_key: Zeroizing<String>,
    /// The certificate of its listener: DER in base64.
    certificate: String,
    /// The certificate's key: PKCS #8 (DER) in base64.
    certificate_key: Zeroizing<String>,
}

/// The certificate of a listener, with its key; deliberately no `Debug`.
pub(crate) struct ListenerCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl NodeKeys {
    /// New keys of the node called `name`, whose machine is called `machine`. Takes some tenths of a second.
    ///
    /// # Errors
    /// When they cannot be made.
    pub(crate) fn generate(name: &str, machine: &str, now: Timestamp) -> Result<Self, NodeError> {
        let (_, credential_key) = RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT)
            .map_err(|error| NodeError::Keys(error.to_string()))?;
        let (certificate, certificate_key) =
            self_signed(name, machine, now).map_err(|error| NodeError::Keys(error.to_string()))?;
        Ok(Self {
            credential_key: Zeroizing::new(STANDARD.encode(credential_key.as_slice())),
            certificate: STANDARD.encode(&certificate),
            certificate_key: Zeroizing::new(STANDARD.encode(certificate_key.as_slice())),
        })
    }

    /// The public half of the key that credentials are encrypted for: SubjectPublicKeyInfo (DER) in base64.
    ///
    /// # Errors
    /// When what is kept is no key.
    pub(crate) fn public_key(&self) -> Result<String, NodeError> {
        let key = self.credential_key()?;
        let der = key.public().to_der().map_err(|error| NodeError::Keys(error.to_string()))?;
        Ok(STANDARD.encode(der))
    }

    /// The key that credentials are encrypted for.
    ///
    /// # Errors
    /// When what is kept is no key.
    pub(crate) fn credential_key(&self) -> Result<RsaKey, NodeError> {
        let der = decoded(&self.credential_key)?;
        RsaKey::from_pkcs8(&der).map_err(|error| NodeError::Keys(error.to_string()))
    }

    /// The node's own certificate.
    ///
    /// # Errors
    /// When what is kept is none.
    pub(crate) fn certificate(&self) -> Result<ListenerCertificate, NodeError> {
        let certificate = CertificateDer::from(decoded(&self.certificate)?.to_vec());
        let key = PrivatePkcs8KeyDer::from(decoded(&self.certificate_key)?.to_vec());
        Ok(ListenerCertificate { chain: vec![certificate], key: key.into() })
    }
}

impl ListenerCertificate {
    /// The certificate in the PEM file at `certificate`, whose key is in the PEM file at `key`. May block.
    ///
    /// # Errors
    /// When a file holds no such thing.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, NodeError> {
        let wrong = |path: &PathBuf, error: &dyn std::fmt::Display| {
            NodeError::Certificate(format!("{}: {error}", path.display()))
        };
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(&certificate).map_err(|error| wrong(&certificate, &error))?.collect();
        let chain = chain.map_err(|error| wrong(&certificate, &error))?;
        if chain.is_empty() {
            return Err(wrong(&certificate, &"it holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| wrong(&key, &error))?;
        Ok(Self { chain, key })
    }

    /// SHA-256 of the certificate, in upper-case hex: what others pin (ours: the service's is SHA-1).
    pub(crate) fn thumbprint(&self) -> String {
        let digest = digest(&SHA256, &self.chain[0]);
        digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// The TLS settings of a listener with this certificate: TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// When the key is not the certificate's.
    pub(crate) fn server_config(self) -> Result<Arc<ServerConfig>, NodeError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(self.chain, self.key));
        let mut config = config.map_err(|error| NodeError::Certificate(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn self_signed(name: &str, machine: &str, now: Timestamp) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let names: Vec<String> = ["localhost", "127.0.0.1", "::1", machine].map(str::to_owned).to_vec();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, format!("Keyhaven node {name}"));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = OffsetDateTime::from_unix_timestamp(now.unix()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (params.not_before, params.not_after) = (now.saturating_sub(BACKDATE), now.saturating_add(LIFETIME));
    let certificate = params.self_signed(&key)?;
    Ok((certificate.der().to_vec(), Zeroizing::new(key.serialize_der())))
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    let bytes = STANDARD.decode(text).map_err(|error| NodeError::Keys(error.to_string()))?;
    Ok(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_whole() {
        let keys = NodeKeys::generate("n", "machine", Timestamp::from_unix(1_790_000_000)).unwrap();
        let kept: NodeKeys = serde_json::from_slice(&serde_json::to_vec(&keys).unwrap()).unwrap();
        assert_eq!(kept.public_key().unwrap(), keys.public_key().unwrap());
        let thumbprint = keys.certificate().unwrap().thumbprint();
        assert_eq!((thumbprint.len(), &kept.certificate().unwrap().thumbprint()), (64, &thumbprint));
        assert!(kept.certificate().unwrap().server_config().is_ok());
    }

    #[test]
    fn a_given_certificate_has_its_own_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a", "b"] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec!["node".to_owned()]).unwrap().self_signed(&key).unwrap();
            std::fs::write(path(&format!("{name}.pem")), certificate.pem()).unwrap();
            std::fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        let read = |certificate: &str, key: &str| ListenerCertificate::read(&path(certificate), &path(key));
        assert!(read("a.pem", "a.key").unwrap().server_config().is_ok());
        assert!(read("a.pem", "b.key").unwrap().server_config().is_err());
        for (certificate, key) in [("a.key", "a.key"), ("a.pem", "a.pem"), ("none", "a.key")] {
            assert!(matches!(read(certificate, key), Err(NodeError::Certificate(_))), "{certificate} {key}");
        }
    }
}
