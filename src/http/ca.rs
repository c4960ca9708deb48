//! The local certificate authority: made once and kept, or for one start alone, and in either case able to certify
//! nothing but the names it was made for.

use std::fs::{File, OpenOptions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::clock::Timestamp;
use crate::files;

/// How long the CA certifies for; clients have been given it by then.
const CA_LIFETIME: Duration = Duration::days(3650);
/// How long a leaf is good for: below the 398 days that some verifiers allow.
const LEAF_LIFETIME: Duration = Duration::days(397);
/// Certificates are good from a day ago, for machines whose clocks differ.
const BACKDATE: Duration = Duration::days(1);

/// A certificate authority.
pub struct Ca {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    domains: Vec<String>,
}

/// Why there is no CA.
#[derive(Debug)]
pub enum CaError {
    /// A file could not be read or written.
    File(PathBuf, std::io::Error),
    /// A certificate could not be made.
    Make(rcgen::Error),
    /// A kept file is not what it should be.
    Damaged(PathBuf, String),
    /// The kept CA may not certify a name that is wanted.
    Outside {
        /// The name.
        name: String,
        /// Where the CA is kept, if it is.
        dir: Option<PathBuf>,
    },
}

impl std::fmt::Display for CaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Make(error) => write!(f, "a certificate could not be made: {error}"),
            Self::Damaged(path, why) => {
                write!(f, "{}: {why}; remove ca.pem and ca.key there to have a new CA made", path.display())
            }
            Self::Outside { name, dir: None } => write!(
                f,
                "the CA of this server was made for this start and may not certify '{name}'; name it in the configuration, or \
                 keep the CA with --certs"
            ),
            Self::Outside { name, dir: Some(dir) } => write!(
                f,
                "the CA in {0} may not certify '{name}'; renew it with: rm {0}/ca.pem {0}/ca.key (then start again, and \
                 trust the new ca.pem)",
                dir.display()
            ),
        }
    }
}

impl std::error::Error for CaError {}

impl From<rcgen::Error> for CaError {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(error)
    }
}

impl Ca {
    /// A CA for this start alone, able to certify names at and below `domains`, and loopback when `loopback` says so.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(name: &str, domains: &[String], loopback: bool, now: Timestamp) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let params = ca_params(name, domains, loopback, now);
        let certificate = params.self_signed(&key)?;
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Ok(Self { pem, der, issuer: Issuer::new(params, key), domains: domains.to_vec() })
    }

    /// The CA kept in `dir` (`ca.pem`, and `ca.key` of mode 0600), made on the first start.
    ///
    /// # Errors
    /// When it cannot be made, read or written, or when the kept one may not certify one of `domains`.
    pub fn kept(dir: &Path, name: &str, domains: &[String], now: Timestamp) -> Result<Self, CaError> {
        let (pem_file, key_file) = (dir.join("ca.pem"), dir.join("ca.key"));
        let _turn = turn(dir)?;
        if !pem_file.exists() {
            let ca = Self::new(name, domains, true, now)?;
            write_file(&key_file, ca.issuer.key().serialize_pem().as_bytes(), files::PRIVATE)?;
            write_file(&pem_file, ca.pem.as_bytes(), readable_as(dir))?;
        }
        let ca = Self::load(&pem_file, &key_file)?;
        ca.cover(domains, Some(dir))?;
        Ok(ca)
    }

    /// Checks that the CA, kept in `dir`, may certify each of `domains`.
    ///
    /// # Errors
    /// The first that it may not.
    pub fn cover(&self, domains: &[String], dir: Option<&Path>) -> Result<(), CaError> {
        let outside = |name: &String| CaError::Outside { name: name.clone(), dir: dir.map(Path::to_owned) };
        domains.iter().find(|name| !self.covers(name)).map(outside).map_or(Ok(()), Err)
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate as DER.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A leaf for `names` (host names and addresses), with the public half of `key`.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn leaf(&self, names: &[String], key: &KeyPair, now: Timestamp) -> Result<CertificateDer<'static>, CaError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = named(&names[0]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now, LEAF_LIFETIME);
        Ok(params.signed_by(key, &self.issuer)?.der().clone())
    }

    fn load(pem_file: &Path, key_file: &Path) -> Result<Self, CaError> {
        let pem = read_file(pem_file)?;
        let damaged = |path: &Path, why: String| CaError::Damaged(path.to_owned(), why);
        let key = KeyPair::from_pem(&read_file(key_file)?).map_err(|error| damaged(key_file, error.to_string()))?;
        let block = pem::parse(&pem).map_err(|error| damaged(pem_file, error.to_string()))?;
        let der = CertificateDer::from(block.into_contents());
        if !belongs(&der, &key) {
            return Err(damaged(key_file, "it is not the key of the certificate beside it".into()));
        }
        let domains = permitted(&der).ok_or_else(|| damaged(pem_file, "it has no name constraints".into()))?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| damaged(pem_file, error.to_string()))?;
        Ok(Self { pem, der, issuer, domains })
    }

    fn covers(&self, name: &str) -> bool {
        let below = |domain: &String| name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        self.domains.iter().any(|domain| domain == name || below(domain))
    }
}

fn ca_params(name: &str, domains: &[String], loopback: bool, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(constraints(domains, loopback));
    (params.not_before, params.not_after) = validity(now, CA_LIFETIME);
    params
}

/// What the CA may certify. A kind of name without an entry would be unlimited, so addresses always have one: loopback
/// is permitted, or every address excluded.
fn constraints(domains: &[String], loopback: bool) -> NameConstraints {
    let subnet = |address: IpAddr, bits| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits));
    let mut permitted_subtrees: Vec<_> = domains.iter().cloned().map(GeneralSubtree::DnsName).collect();
    let mut excluded_subtrees = vec![];
    if loopback {
        permitted_subtrees.extend([subnet(Ipv4Addr::LOCALHOST.into(), 8), subnet(Ipv6Addr::LOCALHOST.into(), 128)]);
    } else {
        excluded_subtrees.extend([subnet(Ipv4Addr::UNSPECIFIED.into(), 0), subnet(Ipv6Addr::UNSPECIFIED.into(), 0)]);
    }
    NameConstraints { permitted_subtrees, excluded_subtrees }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn validity(now: Timestamp, lifetime: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::from_unix_timestamp(now.unix()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (now - BACKDATE, now + lifetime)
}

/// Whether `key` is the one that the certificate speaks of.
fn belongs(der: &CertificateDer<'_>, key: &KeyPair) -> bool {
    let parsed = x509_parser::certificate::X509Certificate::from_der(der);
    parsed.is_ok_and(|(_, certificate)| certificate.public_key().raw == key.subject_public_key_info())
}

/// The domains in a certificate's name constraints.
fn permitted(der: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).ok()?;
    let constraints = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::NameConstraints(constraints) => Some(constraints),
        _ => None,
    })?;
    let subtrees = constraints.permitted_subtrees.as_ref()?;
    let domains = subtrees.iter().filter_map(|subtree| match &subtree.base {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    Some(domains.collect())
}

/// Waits while another process makes a CA in `dir`; the turn ends when the file is dropped.
fn turn(dir: &Path) -> Result<File, CaError> {
    let path = dir.join("ca.lock");
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let locked = file.and_then(|file| file.lock().map(|()| file));
    let file = locked.map_err(|error| CaError::File(path, error))?;
    // Every writer in this directory takes its turn, so what is half-written is of one that was killed.
    files::remove_drafts(dir).map_err(|error| CaError::File(dir.to_owned(), error))?;
    Ok(file)
}

/// The certificate is no secret: it is readable to whoever may look into its directory.
fn readable_as(dir: &Path) -> u32 {
    let mode = std::fs::metadata(dir).map_or(0o700, |about| about.permissions().mode());
    0o600 | (mode & 0o044)
}

fn read_file(path: &Path) -> Result<String, CaError> {
    std::fs::read_to_string(path).map_err(|error| CaError::File(path.to_owned(), error))
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CaError> {
    files::write(path, bytes, mode).map_err(|error| CaError::File(path.to_owned(), error))
}
