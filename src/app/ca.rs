//! The certificate of the local CA, read from its file and described for people.

use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use pem::Pem;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::data_error::DataError;
use super::error::StartError;
use super::storage::lock_directory;
use super::takeover_ca;
use super::trust::{TRUST_STORE_PASSWORD, trust_store};
use crate::clock::Timestamp;
use crate::http::ca::Ca;

/// Removes the local CA in `certs`, and the takeover's of the data directory `data`, so that the next start makes new ones, for the
/// names that it has then. Returns whether there was one.
///
/// # Errors
/// When a server uses the data, or a file cannot be removed.
pub(crate) fn remove_cas(certs: &Path, data: Option<&Path>) -> Result<bool, StartError> {
    let data = data.filter(|dir| dir.is_dir());
    let _lock = data.map(lock_directory).transpose().map_err(DataError::into_must_stop)?;
    let takeover = data.map(takeover_ca::directory);
    let mut removed = false;
    for dir in [certs].into_iter().chain(takeover.as_deref()) {
        removed |= Ca::remove(dir).map_err(StartError::new)?;
    }
    Ok(removed)
}

/// A CA certificate and the file that it was read from.
pub(crate) struct CaCertificate {
    path: PathBuf,
    block: Pem,
}

impl CaCertificate {
    /// Reads the first certificate of the PEM file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub(crate) fn read(path: &Path) -> Result<Self, StartError> {
        let wrong = |why: String| StartError::new(format!("{}: {why}", path.display()));
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let blocks = pem::parse_many(text).unwrap_or_default();
        let block = blocks.into_iter().find(|block| block.tag() == "CERTIFICATE");
        let block = block.ok_or_else(|| wrong("it holds no certificate".to_owned()))?;
        X509Certificate::from_der(block.contents()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path: std::path::absolute(path).map_err(|error| wrong(error.to_string()))?, block })
    }

    /// The absolute path of its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate as PEM.
    pub(crate) fn pem(&self) -> String {
        pem::encode_config(&self.block, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
    }

    /// The certificate as DER.
    pub(crate) fn der(&self) -> &[u8] {
        self.block.contents()
    }

    /// The certificate as a PKCS#12 trust store under `password`; without one, under Java's default password.
    ///
    /// # Errors
    /// When the store cannot be encoded.
    pub(crate) fn pkcs12(&self, password: Option<&str>) -> Result<Vec<u8>, StartError> {
        trust_store(vec![self.block.clone()], password.unwrap_or(TRUST_STORE_PASSWORD))
    }

    /// The moments between which it is valid, by its own dates.
    ///
    /// # Errors
    /// When the certificate cannot be parsed.
    pub(crate) fn validity(&self) -> Result<Range<Timestamp>, StartError> {
        let (_, certificate) = X509Certificate::from_der(self.der()).map_err(StartError::new)?;
        let moment = |time: ASN1Time| Timestamp::from_unix(time.timestamp());
        Ok(moment(certificate.validity().not_before)..moment(certificate.validity().not_after))
    }

    /// Subject, fingerprint, validity, permitted names and file, one per line.
    ///
    /// # Errors
    /// When the certificate cannot be parsed.
    pub(crate) fn describe(&self) -> Result<String, StartError> {
        let (_, certificate) = X509Certificate::from_der(self.der()).map_err(StartError::new)?;
        let Range { start: from, end: to } = self.validity()?;
        let permitted = permitted(&certificate);
        let certifies = if permitted.is_empty() { "anything".to_owned() } else { permitted.join(", ") };
        Ok(format!(
            "subject      {}\nSHA-256      {}\nvalid        {from} to {to}\ncertifies    {certifies}\nfile         {}\n",
            certificate.subject(),
            self.fingerprint(),
            self.path.display()
        ))
    }

    /// SHA-256 of the certificate in the form of browsers and `openssl x509 -fingerprint`.
    pub(crate) fn fingerprint(&self) -> String {
        let bytes = digest(&SHA256, self.der());
        bytes.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

/// The names and networks that the certificate's name constraints permit.
fn permitted(certificate: &X509Certificate<'_>) -> Vec<String> {
    let constraints = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::NameConstraints(constraints) => constraints.permitted_subtrees.as_ref(),
        _ => None,
    });
    constraints.into_iter().flatten().filter_map(|subtree| name(&subtree.base)).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("{name} and below")),
        GeneralName::IPAddress(bytes) => network(bytes),
        other => Some(other.to_string()),
    }
}

/// An address and its mask in CIDR form.
fn network(bytes: &[u8]) -> Option<String> {
    let (address, mask) = bytes.split_at(bytes.len() / 2);
    let start: Vec<u8> = address.iter().zip(mask).map(|(byte, mask)| byte & mask).collect();
    let start: IpAddr = match start.len() {
        4 => <[u8; 4]>::try_from(start).ok()?.into(),
        _ => <[u8; 16]>::try_from(start).ok()?.into(),
    };
    Some(format!("{start}/{}", mask.iter().map(|byte| byte.count_ones()).sum::<u32>()))
}
