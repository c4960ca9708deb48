//! Identities in the configuration file and the admin API.

use std::net::IpAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use uuid::Uuid;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::authorization::AssignmentEntry;
use super::error::{ConfigError, invalid};
use super::{derived, derived_client_id};
use crate::directory::{ClientSecret, EXCHANGE_AUDIENCE, FederatedCredential, IdentityMember, IdentityRecord, Tenant};

/// The longest name of an identity, in bytes: the admin API's paths contain it percent-encoded, up to three times as long.
const MAX_NAME_BYTES: usize = 128;
/// The most entries of each list (groups, certificates, federated issuers, addresses) of one identity.
const MAX_ENTRIES: usize = 20;
/// The start of an inline certificate; any other value is a file's path.
const PEM: &str = "-----BEGIN CERTIFICATE-----";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IdentityEntry {
    name: String,
    client_id: Option<Uuid>,
    object_id: Option<Uuid>,
    resource_id: Option<String>,
    #[serde(default)]
    system_assigned: bool,
    client_secret: Option<String>,
    #[serde(default)]
    groups: Vec<Uuid>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    federated: Vec<FederationEntry>,
    enabled: Option<bool>,
    #[serde(default)]
    trusted_service: bool,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    pub(super) role_assignments: Vec<AssignmentEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FederationEntry {
    issuer: String,
    subject: String,
    audience: Option<String>,
}

/// Whether a certificate may be the path of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateFiles {
    /// The file is read.
    Allow,
    /// Refused: a client of the admin API must not make the server read its files.
    Reject,
}

/// Parses the `identities` of a configuration.
pub(super) fn identities(
    given: Vec<IdentityEntry>,
    tenant: Tenant,
    certificates: CertificateFiles,
) -> Result<Vec<IdentityRecord>, ConfigError> {
    let mut known: Vec<IdentityRecord> = Vec::new();
    for (order, identity) in given.into_iter().enumerate() {
        let path = format!("identities[{order}]");
        let identity = IdentityRecord { configured: true, ..identity.record(&path, tenant, order, certificates)? };
        let twin = known.iter().find(|other| {
            other.name == identity.name
                || other.client_id == identity.client_id
                || other.object_id == identity.object_id
        });
        if let Some(twin) = twin {
            return Err(invalid(path, format!("shares its name or an id with the identity '{}'", twin.name)));
        }
        known.push(identity);
    }
    Ok(known)
}

/// The member of the configuration for a member of an identity.
pub(crate) const fn identity_member(member: IdentityMember) -> &'static str {
    match member {
        IdentityMember::ClientId => "clientId",
        IdentityMember::ObjectId => "objectId",
        IdentityMember::ResourceId => "resourceId",
        IdentityMember::SystemAssigned => "systemAssigned",
        IdentityMember::ClientSecret => "clientSecret",
        IdentityMember::Groups => "groups",
        IdentityMember::Certificates => "certificates",
        IdentityMember::Federated => "federated",
        IdentityMember::Enabled => "enabled",
        IdentityMember::TrustedService => "trustedService",
        IdentityMember::Addresses => "addresses",
    }
}

impl IdentityEntry {
    pub(super) fn record(
        self,
        path: &str,
        tenant: Tenant,
        order: usize,
        files: CertificateFiles,
    ) -> Result<IdentityRecord, ConfigError> {
        self.check(path)?;
        let name = self.name;
        let certificate = |(index, text): (usize, &String)| {
            certificate(text, files).map_err(|why| invalid(format!("{path}.certificates[{index}]"), why))
        };
        Ok(IdentityRecord {
            client_id: self.client_id.unwrap_or_else(|| derived_client_id(tenant.id, &name)),
            object_id: self.object_id.unwrap_or_else(|| derived(tenant.id, "object", &name)),
            resource_id: self.resource_id.unwrap_or_else(|| tenant.identity_id(&name).to_string()),
            system_assigned: self.system_assigned,
            client_secret: self.client_secret.map(ClientSecret::new),
            groups: self.groups,
            certificates: self.certificates.iter().enumerate().map(certificate).collect::<Result<_, _>>()?,
            federated: self.federated.into_iter().map(FederationEntry::federation).collect(),
            trusted_service: self.trusted_service,
            addresses: addresses(path, &self.addresses)?,
            auto_created: false,
            configured: false,
            of_resource: false,
            disabled: self.enabled == Some(false),
            session: 0,
            name,
            order,
        })
    }

    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if self.name.is_empty() || self.name.chars().any(char::is_whitespace) {
            return Err(invalid(format!("{path}.name"), "must not be empty or hold blanks"));
        }
        if self.name.len() > MAX_NAME_BYTES {
            return Err(invalid(format!("{path}.name"), format!("must be at most {MAX_NAME_BYTES} bytes")));
        }
        if self.client_secret.as_ref().is_some_and(String::is_empty) {
            return Err(invalid(format!("{path}.clientSecret"), "must not be empty"));
        }
        let counts = [self.groups.len(), self.certificates.len(), self.federated.len(), self.addresses.len()];
        for (member, count) in ["groups", "certificates", "federated", "addresses"].into_iter().zip(counts) {
            if count > MAX_ENTRIES {
                return Err(invalid(format!("{path}.{member}"), format!("must have at most {MAX_ENTRIES} entries")));
            }
        }
        let insecure = self.federated.iter().position(|entry| !entry.issuer.starts_with("https://"));
        insecure
            .map_or(Ok(()), |index| Err(invalid(format!("{path}.federated[{index}].issuer"), "must be an https URL")))
    }
}

impl FederationEntry {
    fn federation(self) -> FederatedCredential {
        let audience = self.audience.unwrap_or_else(|| EXCHANGE_AUDIENCE.to_owned());
        FederatedCredential { issuer: self.issuer, subject: self.subject, audience }
    }
}

fn addresses(path: &str, given: &[String]) -> Result<Vec<IpAddr>, ConfigError> {
    let parse = |(index, text): (usize, &String)| {
        let address = text.parse::<IpAddr>().map(|address| address.to_canonical());
        address.map_err(|_| {
            invalid(format!("{path}.addresses[{index}]"), "must be an address, such as 203.0.113.7 or fd00::7")
        })
    };
    given.iter().enumerate().map(parse).collect()
}

/// The certificate (DER in base64) from `text`: PEM, or the path of a PEM file.
fn certificate(text: &str, files: CertificateFiles) -> Result<String, String> {
    let pem = match files {
        CertificateFiles::Allow => pem_text(text)?,
        CertificateFiles::Reject if is_pem(text) => text.to_owned(),
        CertificateFiles::Reject => return Err("must be a certificate as PEM text, not the name of a file".to_owned()),
    };
    let blocks = pem::parse_many(pem).map_err(|error| format!("is no PEM: {error}"))?;
    let block = blocks.iter().find(|block| block.tag() == "CERTIFICATE").ok_or("holds no CERTIFICATE block")?;
    X509Certificate::from_der(block.contents()).map_err(|error| format!("is no certificate: {error}"))?;
    Ok(STANDARD.encode(block.contents()))
}

/// The PEM text that `text` is, or that the file of this name holds.
pub(super) fn pem_text(text: &str) -> Result<String, String> {
    if is_pem(text) {
        return Ok(text.to_owned());
    }
    std::fs::read_to_string(Path::new(text)).map_err(|error| format!("{text}: {error}"))
}

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with(PEM)
}
