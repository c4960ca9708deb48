//! A record of the audit: the members of Azure Monitor's AuditEvent (Key Vault logging), in their order.

use std::borrow::Cow;
use std::net::IpAddr;

use hyper::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::operation::{Operation, Permission};
use crate::resource_id::{DEFAULT_RESOURCE_GROUP, ResourceType, SubscriptionId};
use crate::trail::{CLOCK, Caller, Printable, RecentTrail, Trail};

/// What the service calls a request whose token was refused.
const AUTHENTICATION: &str = "Authentication";
/// A request for which there is no operation.
const UNKNOWN: &str = "Unknown";
/// The report of records that were not written.
const GAP: &str = "AuditGap";

/// Where the resources of records are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    /// The tenant's id.
    pub tenant: Uuid,
    /// The tenant's subscription.
    pub subscription: SubscriptionId,
}

/// A record. [`Serialize`] writes it as the service does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record<'a> {
    time: String,
    resource_id: String,
    operation_name: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    operation_version: &'a str,
    category: &'static str,
    result_type: &'static str,
    result_signature: &'static str,
    result_description: String,
    duration_ms: String,
    caller_ip_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Uuid>,
    identity: Identity,
    properties: Properties<'a>,
}

#[derive(Debug, Default, Serialize)]
struct Identity {
    claim: Claim,
}

#[derive(Debug, Default, Serialize)]
struct Claim {
    #[serde(
        rename = "http://schemas.microsoft.com/identity/claims/objectidentifier",
        skip_serializing_if = "Option::is_none"
    )]
    object_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appid: Option<Uuid>,
}

/// What the service adds to a record, and besides the name of the identity, which people know it by, and what it lacked.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    client_info: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_uri: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_assignment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    /// Of what a vault did by itself, when that was due, on the vault clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// The number of records that were not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
}

impl Schema {
    /// The record of a trail.
    pub(crate) fn record<'a>(&self, entry: &'a RecentTrail) -> Record<'a> {
        let RecentTrail { trail, request, at, .. } = entry;
        let mut resource_id = self.resource_id(entry);
        resource_id.make_ascii_uppercase();
        Record {
            time: at.to_string(),
            resource_id,
            operation_name: operation_name(trail),
            operation_version: request.api_version(),
            category: "AuditEvent",
            // The service calls answers of 400 and 403 successes too: the signature has the outcome.
            result_type: if trail.status.is_server_error() { "Failed" } else { "Success" },
            result_signature: trail.status.canonical_reason().unwrap_or_default(),
            result_description: description(trail),
            duration_ms: format!("{:.1}", trail.duration.as_secs_f64() * 1000.0),
            caller_ip_address: trail.due.is_none().then(|| request.address()),
            correlation_id: trail.request_id,
            identity: Identity { claim: claim(&trail.caller) },
            properties: properties(entry),
        }
    }

    /// The record that reports `lost` ones.
    pub(crate) fn gap(&self, lost: u64, at: Timestamp) -> Record<'static> {
        Record {
            time: at.to_string(),
            resource_id: self.subscription.to_string().to_ascii_uppercase(),
            operation_name: GAP,
            operation_version: "",
            category: "AuditEvent",
            result_type: "Failed",
            result_signature: "",
            result_description: format!("{lost} records before this one were not written"),
            duration_ms: "0.0".to_owned(),
            caller_ip_address: None,
            correlation_id: None,
            identity: Identity::default(),
            properties: Properties { lost: Some(lost), ..Properties::default() },
        }
    }

    /// A vault, else the tenant of a sign-in, else the subscription.
    fn resource_id(&self, entry: &RecentTrail) -> String {
        let trail = &entry.trail;
        match (&trail.vault_id, vault_of(trail), trail.door) {
            (Some(id), _, _) => id.to_string(),
            (None, Some(vault), _) => {
                self.subscription.resource_text(DEFAULT_RESOURCE_GROUP, ResourceType::VAULT, &vault).0
            }
            (None, None, "entra" | "identity") => format!("/tenants/{}/providers/Microsoft.aadiam", self.tenant),
            (None, None, _) => self.subscription.to_string(),
        }
    }
}

/// The operation's name in the audit.
pub(super) fn operation_name(trail: &Trail) -> &'static str {
    match (trail.door, &trail.caller, trail.status) {
        ("vault", Caller::Unknown, StatusCode::UNAUTHORIZED) => AUTHENTICATION,
        _ => trail.operation.map_or(UNKNOWN, |operation| operation.name),
    }
}

/// The vault that a request was about: its host's, or the one that the admin API was asked to change.
pub(super) fn vault_of(trail: &Trail) -> Option<Cow<'_, str>> {
    let of_path = || trail.operation.is_some_and(|operation| operation.path.starts_with("/admin/vaults/{name}"));
    match &trail.vault {
        Some(vault) => Some(Cow::Borrowed(vault.as_str())),
        None => trail.object().filter(|_| of_path()),
    }
}

/// The object of a vault that a request was about.
pub(super) fn object_of(trail: &Trail) -> Option<Cow<'_, str>> {
    trail.object().filter(|_| matches!(trail.door, "vault" | CLOCK))
}

fn description(trail: &Trail) -> String {
    match (trail.missing, &trail.error) {
        (Some(missing), Some(code)) => format!("{code}: missing {missing}"),
        (Some(missing), None) => format!("missing {missing}"),
        (None, Some(code)) => code.to_string(),
        (None, None) => String::new(),
    }
}

fn claim(caller: &Caller) -> Claim {
    match caller {
        Caller::Identity(identity) => Claim { object_id: Some(identity.object_id), appid: Some(identity.client_id) },
        Caller::Unknown | Caller::Admin => Claim::default(),
    }
}

fn properties(entry: &RecentTrail) -> Properties<'_> {
    let RecentTrail { trail, request, .. } = entry;
    let base = trail.vault.as_ref().map(|vault| ["https://", vault.as_str(), ".vault.azure.net"].concat());
    Properties {
        client_info: request.user_agent(),
        request_uri: request_uri(base.as_deref(), request.path(), request.api_version()),
        id: base.and_then(|base| object_id(&base, entry)),
        http_status_code: trail.due.is_none().then(|| trail.status.as_u16()),
        applied_assignment_id: trail.assignment,
        identity_name: trail.caller.name(),
        missing: trail.missing.map(|missing| missing.to_string()),
        due: trail.due.map(|due| due.to_string()),
        lost: None,
    }
}

fn request_uri<'a>(base: Option<&str>, path: &'a str, api_version: &str) -> Cow<'a, str> {
    match (base, api_version) {
        (_, _) if path.is_empty() => Cow::Borrowed(""),
        (None, _) => Cow::Borrowed(path),
        (Some(base), "") => [base, path].concat().into(),
        (Some(base), version) => [base, path, "?api-version=", version].concat().into(),
    }
}

/// `https://VAULT.vault.azure.net/keys/NAME`, with the version where the path has one.
fn object_id(base: &str, entry: &RecentTrail) -> Option<String> {
    let operation = entry.trail.operation?;
    let Permission::Vault { collection, .. } = operation.permission else { return None };
    let name = object_of(&entry.trail)?;
    let name = Printable(&name).text();
    let version = version_of(operation, entry.request.path()).map(|version| Printable(version).text());
    let [slash, version] = version.as_deref().map_or(["", ""], |version| ["/", version]);
    Some([base, "/", collection, "/", &name, slash, version].concat())
}

/// The version in the path: it may be left out, so it is there when the path has as many segments as the operation's.
fn version_of<'a>(operation: &Operation, path: &'a str) -> Option<&'a str> {
    let place = segments(operation.path).position(|one| one == b"{version?}")?;
    let is_whole = segments(path).count() == segments(operation.path).count();
    segments(path).nth(place).filter(|_| is_whole).and_then(|version| str::from_utf8(version).ok())
}

fn segments(path: &str) -> impl Iterator<Item = &[u8]> {
    path.as_bytes().split(|byte| *byte == b'/').filter(|segment| !segment.is_empty())
}
