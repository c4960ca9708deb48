//! The trail of a request: what it was about and how it ended, in one value. The door that answers a request fills it as each
//! part becomes known, also when it refuses. What reports on requests (the request log) reads it. It holds no secret value
//! and no token.

mod asked;
mod audited;
mod line;
mod received;
mod recent;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::directory::IdentityRecord;
use crate::http::Response;
use crate::http::error::ErrorCode;
use crate::http::routes::Params;
use crate::operation::{Operation, Permission};
use crate::resource_id::ResourceId;
use crate::vault::VaultName;

pub(crate) use asked::AskedFor;
pub(crate) use line::Printable;
pub(crate) use received::{KeptRequest, Received};
pub(crate) use recent::{RecentTrail, RecentTrails, Selection};

/// The door of what a vault did by itself.
pub(crate) const CLOCK: &str = "clock";

/// What a request was about and how it ended; or what a vault did by its clock.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    /// The door that answered: `vault`, `entra`, `arm`, `identity` or `admin`; `proxy` where that refused; [`CLOCK`] where there was
    /// no request.
    pub door: &'static str,
    /// The id in the answer's `x-ms-request-id`, if the door sends one.
    pub request_id: Option<Uuid>,
    /// The operation that the request was routed to.
    pub operation: Option<&'static Operation>,
    /// Who sent the request.
    pub caller: Caller,
    /// The address that the request counts as coming from, where it is not the connection's.
    pub address: Option<IpAddr>,
    /// The vault that the host resolved to.
    pub vault: Option<VaultName>,
    /// The vault's id, where it is not in the default resource group of the tenant's subscription. Boxed because it is rare.
    pub vault_id: Option<Box<ResourceId>>,
    /// The vault's location, where it is not the default. Boxed because it is rare.
    pub location: Option<Box<str>>,
    /// What the caller would have needed.
    pub missing: Option<Missing>,
    /// The role assignment that allowed the request, in a vault that roles decide in.
    pub assignment: Option<Uuid>,
    /// The status of the answer.
    pub status: StatusCode,
    /// The error code of a refusal.
    pub error: Option<ErrorCode>,
    /// The host or identity that a refused request asked for, if that was the reason.
    pub asked: Option<AskedFor>,
    /// Of what a vault did by itself, when that was due, on the vault clock.
    pub due: Option<Timestamp>,
    /// The time from the request's head to its answer, measured by the layer that reads the trail.
    pub duration: Duration,
    /// Whether the request only looks at the server: at its health, at this log.
    pub is_probe: bool,
    /// The free segments of the path; the object's name is one of them.
    pub params: Params,
    /// The resource that a token was issued for.
    pub resource: Option<String>,
}

/// What a caller would have needed to be allowed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A permission of the vault's access policies.
    Permission(Permission),
    /// A data action of a role, below `Microsoft.KeyVault/vaults/`.
    DataAction(&'static str),
    /// A rule of the vault's firewall for the caller's address.
    FirewallRule,
    /// An address that is private to the vault, or within its perimeter.
    PrivateConnection,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(permission) => permission.fmt(f),
            Self::DataAction(action) => f.write_str(action),
            Self::FirewallRule => f.write_str("firewall rule"),
            Self::PrivateConnection => f.write_str("private connection"),
        }
    }
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Unknown: no credentials, or none that were accepted.
    Unknown,
    /// The holder of the admin key.
    Admin,
    /// An identity of the tenant.
    Identity(Arc<IdentityRecord>),
}

impl Caller {
    /// The name of an identity, or its object id when it has no name; none for an unknown caller.
    pub(crate) fn name(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Unknown => None,
            Self::Admin => Some(Cow::Borrowed("admin-key")),
            Self::Identity(identity) if identity.name.is_empty() => Some(identity.object_id.to_string().into()),
            Self::Identity(identity) => Some(Cow::Borrowed(&identity.name)),
        }
    }
}

/// An answer with its trail.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The answer.
    pub response: Response,
    /// What it was about.
    pub trail: Trail,
}

/// The grant of a token. A handler leaves it among the extensions of its answer, where [`Trail::finish`] finds it.
#[derive(Clone, Debug)]
pub(crate) struct TokenGrant {
    /// The identity that the token speaks of.
    pub identity: Arc<IdentityRecord>,
    /// The resource that it is for.
    pub resource: String,
}

impl TokenGrant {
    /// Leaves this grant among the extensions of `answer`.
    pub(crate) fn attach(self, mut answer: Response) -> Response {
        answer.extensions_mut().insert(self);
        answer
    }
}

impl Trail {
    /// The trail of a request to `door`, of which nothing else is known yet.
    pub(crate) fn new(door: &'static str) -> Self {
        Self {
            door,
            request_id: None,
            operation: None,
            caller: Caller::Unknown,
            address: None,
            vault: None,
            vault_id: None,
            location: None,
            missing: None,
            assignment: None,
            status: StatusCode::OK,
            error: None,
            asked: None,
            due: None,
            duration: Duration::ZERO,
            is_probe: false,
            params: Params::default(),
            resource: None,
        }
    }

    /// Records the operation that the request was routed to.
    pub(crate) fn route(&mut self, operation: &'static Operation, params: &Params) {
        self.operation = Some(operation);
        self.params = params.clone();
    }

    /// Completes the trail with the outcome: the status, and what handlers left among the extensions of the answer (an
    /// [`ErrorCode`], an [`AskedFor`], a [`TokenGrant`]).
    pub(crate) fn finish(mut self, mut response: Response) -> Answered {
        self.status = response.status();
        let extensions = response.extensions_mut();
        self.error = extensions.remove::<ErrorCode>();
        self.asked = extensions.remove::<AskedFor>().or(self.asked);
        if let Some(TokenGrant { identity, resource }) = extensions.remove() {
            self.caller = Caller::Identity(identity);
            self.resource = Some(resource);
        }
        Answered { response, trail: self }
    }

    /// The name of the object that the request was about, or the resource of a token.
    pub(crate) fn object(&self) -> Option<Cow<'_, str>> {
        let name = || Some(self.params.get("name")).filter(|name| !name.is_empty());
        self.resource.as_deref().map(Cow::Borrowed).or_else(name)
    }
}
