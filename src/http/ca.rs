//! The local certificate authority: made once and kept, or for one start alone, and in either case able to certify
//! nothing but the names it was made for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::files::{self, LockFile};

/// The CA's certificate, in its directory.
const CERTIFICATE_FILE: &str = "ca.pem";
/// The CA's key, in its directory.
const KEY_FILE: &str = "ca.key";
/// How long the CA certifies for; clients have been given it by then.
const CA_LIFETIME: Duration = Duration::days(3650);
/// How far back its validity begins: leaves are minted for whatever the clock shows, and a clock that is put right can go
/// back by years.
const CA_BACKDATE: Duration = Duration::days(3650);
/// How long a leaf is good for: below the 398 days that some verifiers allow.
const LEAF_LIFETIME: Duration = Duration::days(397);
/// Leaves are valid from a day ago, for machines whose clocks differ.
const LEAF_BACKDATE: Duration = Duration::days(1);

/// A certificate authority.
pub struct Ca {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    domains: Vec<String>,
    valid: Range<Timestamp>,
    /// Where it is kept; none for one start's.
    dir: Option<PathBuf>,
}

/// A leaf certificate.
pub struct Leaf {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// When it may be shown to clients: from the beginning of its validity to half of its life, on the system clock. At any
    /// other time another one is to be minted.
    pub fresh: Range<Timestamp>,
}

/// Why there is no CA.
#[derive(Debug)]
pub enum CaError {
    /// A file could not be read or written.
    File(PathBuf, std::io::Error),
    /// A certificate could not be made.
    Create(rcgen::Error),
    /// A kept file is not what it should be.
    Damaged(PathBuf, String),
    /// The kept CA is no longer valid.
    Expired {
        /// Where it is kept.
        dir: PathBuf,
        /// The end of its validity.
        at: Timestamp,
        /// What the system clock shows.
        now: Timestamp,
    },
    /// The kept CA may not certify a name that is wanted.
    NameNotPermitted {
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
            Self::Create(error) => write!(f, "a certificate could not be made: {error}"),
            Self::Damaged(path, why) => {
                write!(f, "{}: {why}; remove ca.pem and ca.key there to have a new CA made", path.display())
            }
            Self::NameNotPermitted { name, dir: None } => write!(
                f,
                "the CA of this server was made for this start and may not certify '{name}'; name it in the configuration, or \
                 keep the CA with --certs"
            ),
            Self::NameNotPermitted { name, dir: Some(dir) } => {
                write!(f, "the CA in {} may not certify '{name}'; {}", dir.display(), renewal(dir))
            }
            Self::Expired { dir, at, now } => write!(
                f,
                "the CA in {} was valid until {at}, and this machine's clock shows {now}; {}",
                dir.display(),
                renewal(dir)
            ),
        }
    }
}

impl std::error::Error for CaError {}

/// How a kept CA is renewed. It never happens by itself: a clock that is wrong must not replace what clients trust.
fn renewal(dir: &Path) -> String {
    format!("renew it with: keyhaven ca renew --certs {} (then start again, and trust the new ca.pem)", dir.display())
}

impl From<rcgen::Error> for CaError {
    fn from(error: rcgen::Error) -> Self {
        Self::Create(error)
    }
}

impl Ca {
    /// A CA for this start alone, able to certify names at and below `domains`, and loopback when `loopback` says so.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn ephemeral(name: &str, domains: &[String], loopback: bool, now: Timestamp) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let params = ca_params(name, domains, loopback, now);
        let certificate = params.self_signed(&key)?;
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        let valid = timestamp(params.not_before)..timestamp(params.not_after);
        Ok(Self { pem, der, issuer: Issuer::new(params, key), domains: domains.to_vec(), valid, dir: None })
    }

    /// The CA kept in `dir` (`ca.pem`, and `ca.key` of mode 0600), made on the first start.
    ///
    /// # Errors
    /// When it cannot be made, read or written, or when the kept one has ended or may not certify one of `domains`.
    pub fn load_or_create(dir: &Path, name: &str, domains: &[String], now: Timestamp) -> Result<Self, CaError> {
        let (pem_file, key_file) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        let _lock = lock_dir(dir)?;
        if !pem_file.exists() {
            let ca = Self::ephemeral(name, domains, true, now)?;
            write_file(&key_file, ca.issuer.key().serialize_pem().as_bytes(), files::PRIVATE)?;
            write_file(&pem_file, ca.pem.as_bytes(), mode_readable_as(dir))?;
        }
        let ca = Self { dir: Some(dir.to_owned()), ..Self::load(&pem_file, &key_file)? };
        if now >= ca.valid.end {
            return Err(CaError::Expired { dir: dir.to_owned(), at: ca.valid.end, now });
        }
        ca.check_permits(domains, Some(dir))?;
        Ok(ca)
    }

    /// The CA kept in `dir`, which certifies no loopback address. It is made anew where it is missing or damaged, its validity
    /// has not begun or ends soon, or it certifies other names than `domains`: for a CA that clients are given by files that this
    /// server writes. The caller is the only one that works in `dir`.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn load_or_replace(dir: &Path, name: &str, domains: &[String], now: Timestamp) -> Result<Self, CaError> {
        let (pem_file, key_file) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        let is_good = |ca: &Self| ca.validity_warning(now).is_none() && ca.domains == domains;
        if let Some(ca) = Self::load(&pem_file, &key_file).ok().filter(is_good) {
            return Ok(ca);
        }
        let ca = Self::ephemeral(name, domains, false, now)?;
        // A torn write is a damaged CA at the next start.
        let write = |path: PathBuf, text: &str| {
            files::write_unsynced(&path, text.as_bytes()).map_err(|error| CaError::File(path, error))
        };
        write(key_file, &Zeroizing::new(ca.issuer.key().serialize_pem()))?;
        write(pem_file, &ca.pem)?;
        Ok(ca)
    }

    /// Removes the CA kept in `dir`, if there is one: the next start makes another. Returns whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(dir: &Path) -> Result<bool, CaError> {
        if !dir.is_dir() {
            return Ok(false);
        }
        let _lock = lock_dir(dir)?;
        let remove = |name: &str| match std::fs::remove_file(dir.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(CaError::File(dir.join(name), error)),
        };
        let (certificate, key) = (remove(CERTIFICATE_FILE)?, remove(KEY_FILE)?);
        Ok(certificate || key)
    }

    /// What is or soon will be wrong with its validity, and what to do: it has not begun, it has ended, or it ends before a
    /// leaf of today would.
    pub fn validity_warning(&self, now: Timestamp) -> Option<String> {
        let Range { start, end } = self.valid;
        let what_to_do =
            self.dir.as_deref().map_or_else(|| "restart the server to have a new one made".to_owned(), renewal);
        if now < start {
            let why = "its validity has not begun, so clients refuse it until this machine's clock is right";
            return Some(format!("the CA is valid from {start}, and this machine's clock shows {now}: {why}"));
        }
        let soon = now.plus_seconds(LEAF_LIFETIME.whole_seconds());
        (soon >= end).then(|| format!("the CA is valid until {end}, and clients refuse it from then on; {what_to_do}"))
    }

    /// Checks that the CA, kept in `dir`, may certify each of `domains`.
    ///
    /// # Errors
    /// The first that it may not.
    pub fn check_permits(&self, domains: &[String], dir: Option<&Path>) -> Result<(), CaError> {
        let outside = |name: &String| CaError::NameNotPermitted { name: name.clone(), dir: dir.map(Path::to_owned) };
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
    /// When a name cannot be in a certificate.
    pub fn leaf(&self, names: &[String], key: &KeyPair, now: Timestamp) -> Result<Leaf, CaError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name(&names[0]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now, LEAF_BACKDATE, LEAF_LIFETIME);
        let fresh = timestamp(params.not_before)..now.plus_seconds(LEAF_LIFETIME.whole_seconds() / 2);
        Ok(Leaf { der: params.signed_by(key, &self.issuer)?.der().clone(), fresh })
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
        let valid = valid(&der).ok_or_else(|| damaged(pem_file, "its validity cannot be read".into()))?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| damaged(pem_file, error.to_string()))?;
        Ok(Self { pem, der, issuer, domains, valid, dir: None })
    }

    fn covers(&self, name: &str) -> bool {
        let below = |domain: &String| name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        self.domains.iter().any(|domain| domain == name || below(domain))
    }
}

fn ca_params(name: &str, domains: &[String], loopback: bool, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(constraints(domains, loopback));
    (params.not_before, params.not_after) = validity(now, CA_BACKDATE, CA_LIFETIME);
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

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn validity(now: Timestamp, backdate: Duration, lifetime: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::from_unix_timestamp(now.unix()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (now.saturating_sub(backdate), now.saturating_add(lifetime))
}

fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp::from_unix(time.unix_timestamp())
}

/// The validity of a certificate; its last second belongs to it.
fn valid(der: &CertificateDer<'_>) -> Option<Range<Timestamp>> {
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Some(Timestamp::from_unix(from)..Timestamp::from_unix(to).plus_seconds(1))
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

/// Locks `dir` against other processes that create a CA in it.
fn lock_dir(dir: &Path) -> Result<LockFile, CaError> {
    let path = dir.join("ca.lock");
    let lock = LockFile::lock(&path).map_err(|error| CaError::File(path, error))?;
    // Every writer of these files holds the lock, so a half-written file is of one that was killed. Others may write other
    // files here: --certs may name a data directory, even the one that is just being made.
    files::remove_temp_files_of(dir, &[CERTIFICATE_FILE, KEY_FILE])
        .map_err(|error| CaError::File(dir.to_owned(), error))?;
    Ok(lock)
}

/// The mode of the certificate: readable to those who may read its directory, because it is no secret.
fn mode_readable_as(dir: &Path) -> u32 {
    let mode = std::fs::metadata(dir).map_or(0o700, |about| about.permissions().mode());
    0o600 | (mode & 0o044)
}

fn read_file(path: &Path) -> Result<String, CaError> {
    std::fs::read_to_string(path).map_err(|error| CaError::File(path.to_owned(), error))
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CaError> {
    files::write(path, bytes, mode).map_err(|error| CaError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
    const YEAR: i64 = 365 * 86_400;

    fn domains() -> Vec<String> {
        vec!["a.example".to_owned()]
    }

    #[test]
    fn a_kept_ca_that_has_ended_is_refused_with_the_command_that_renews_it() {
        let dir = tempfile::tempdir().unwrap();
        Ca::load_or_create(dir.path(), "A CA", &domains(), NOW).unwrap();
        let later = NOW.plus_seconds(10 * YEAR - 2);
        let path = dir.path().display();
        assert!(Ca::load_or_create(dir.path(), "A CA", &domains(), later).is_ok(), "it is still valid");
        let ended = Ca::load_or_create(dir.path(), "A CA", &domains(), NOW.plus_seconds(10 * YEAR + 2)).err().unwrap();
        assert_eq!(
            ended.to_string(),
            format!(
                "the CA in {path} was valid until 2036-09-18T14:13:21Z, and this machine's clock shows \
                 2036-09-18T14:13:22Z; renew it with: keyhaven ca renew --certs {path} (then start again, and trust the new \
                 ca.pem)"
            )
        );
        let kept = std::fs::read(dir.path().join("ca.pem")).unwrap();
        let _ = Ca::load_or_create(dir.path(), "A CA", &domains(), NOW.plus_seconds(50 * YEAR));
        assert_eq!(std::fs::read(dir.path().join("ca.pem")).unwrap(), kept, "a wrong clock replaces nothing");
    }

    #[test]
    fn what_ends_before_the_next_leaf_is_a_concern() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Ca::load_or_create(dir.path(), "A CA", &domains(), NOW).unwrap();
        for years in [-9, 0, 8] {
            assert_eq!(kept.validity_warning(NOW.plus_seconds(years * YEAR)), None, "{years}");
        }
        let near = kept.validity_warning(NOW.plus_seconds(9 * YEAR)).unwrap();
        assert!(near.contains("valid until 2036-09-18") && near.contains(" (then start again"), "{near}");
        let early = kept.validity_warning(NOW.plus_seconds(-11 * YEAR)).unwrap();
        assert!(early.contains("until this machine's clock is right"), "{early}");
        let for_one_start = Ca::ephemeral("A CA", &domains(), true, NOW).unwrap();
        let near = for_one_start.validity_warning(NOW.plus_seconds(9 * YEAR)).unwrap();
        assert!(near.ends_with("restart the server to have a new one made"), "{near}");
    }

    #[test]
    fn a_replaceable_ca_stays_until_its_names_its_files_or_its_validity_change() {
        let dir = tempfile::tempdir().unwrap();
        let load =
            |domains: &[String], now| Ca::load_or_replace(dir.path(), "A CA", domains, now).unwrap().pem().to_owned();
        let first = load(&domains(), NOW);
        assert_eq!(load(&domains(), NOW.plus_seconds(YEAR)), first);
        let mode = std::fs::metadata(dir.path().join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = load(&["b.example".to_owned()], NOW);
        assert_ne!(other, first);
        assert_ne!(load(&["b.example".to_owned()], NOW.plus_seconds(10 * YEAR)), other, "it has ended");
        std::fs::write(dir.path().join("ca.key"), "").unwrap();
        let mended = load(&domains(), NOW);
        assert_eq!(load(&domains(), NOW), mended);
        assert!(Ca::remove(dir.path()).unwrap() && !Ca::remove(dir.path()).unwrap());
        assert_ne!(load(&domains(), NOW), mended);
    }

    #[test]
    fn a_ca_is_valid_for_a_clock_that_goes_back_by_years() {
        let ca = Ca::ephemeral("A CA", &domains(), true, NOW).unwrap();
        let valid = valid(ca.der()).unwrap();
        assert!(valid.contains(&NOW.plus_seconds(-9 * YEAR)) && valid.contains(&NOW.plus_seconds(9 * YEAR)));
    }
}
