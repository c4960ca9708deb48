//! An authorized request, and what handlers take from it.

use hyper::StatusCode;
use hyper::body::Bytes;

use super::api_version::ApiVersion;
use super::refusal;
use crate::http::authority::Authority;
use crate::http::body::{self, BodyError};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::Params;
use crate::http::{Incoming, Request};
use crate::operation::Operation;
use crate::vault::{Call, Kind, ObjectName, Version};

/// The target of a request: the host it was sent to and its query.
#[derive(Clone, Debug)]
pub(super) struct RequestTarget {
    /// The host and port the client used: what ids and links are made of.
    pub(super) authority: Authority,
    /// The query.
    pub(super) query: Query,
}

/// The parameters of a query, names and values decoded (the JavaScript SDK sends `api%2Dversion`).
#[derive(Clone, Debug)]
pub(super) struct Query(pub(super) Vec<(String, String)>);

/// A request that has been let in, without its body.
pub(super) struct Exchange {
    pub(super) operation: &'static Operation,
    pub(super) params: Params,
    pub(super) target: RequestTarget,
    pub(super) api_version: ApiVersion,
    pub(super) call: Call,
}

impl RequestTarget {
    pub(super) fn of(request: &Request) -> Result<Self, ApiError> {
        let Some(authority) = Authority::of(request) else {
            let text = "The Host header is missing or malformed.";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", text));
        };
        let pairs = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        Ok(Self { authority, query: Query(pairs.into_owned().collect()) })
    }

    /// The base of ids: `https://HOST[:PORT]`, without the scheme's own port. Go follows a `nextLink` to the letter and names
    /// that port as its Host; ids are the same on every page.
    pub(super) fn base(&self) -> String {
        format!("https://{}", self.authority.without_default_port())
    }
}

impl Query {
    /// The first value of `name`, compared without regard to case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Exchange {
    /// The object's name in the path.
    pub(super) fn name(&self) -> Result<ObjectName, ApiError> {
        let text = self.params.get("name");
        ObjectName::parse(&text).ok_or_else(|| refusal::invalid_name(&text))
    }

    /// The object's version in the path; none means the latest.
    pub(super) fn version(&self) -> Result<Option<Version>, ApiError> {
        match &*self.params.get("version") {
            "" => Ok(None),
            text => match Version::parse(text) {
                Some(version) => Ok(Some(version)),
                None => Err(refusal::no_such_segment(&self.operation.method, text)),
            },
        }
    }

    /// `https://HOST/keys/NAME`, with the version when one is given.
    pub(super) fn id(&self, kind: Kind, name: &ObjectName, version: Option<&Version>) -> String {
        self.target.id(kind, name, version)
    }
}

impl RequestTarget {
    /// `https://HOST/deletedkeys/NAME`.
    pub(super) fn recovery_id(&self, kind: Kind, name: &ObjectName) -> String {
        format!("{}/{}/{name}", self.base(), kind.deleted_collection())
    }

    /// `https://HOST/keys/NAME`, with the version when one is given.
    pub(super) fn id(&self, kind: Kind, name: &ObjectName, version: Option<&Version>) -> String {
        let base = self.base();
        match version {
            Some(version) => format!("{base}/{}/{name}/{version}", kind.collection()),
            None => format!("{base}/{}/{name}", kind.collection()),
        }
    }
}

/// The whole body, or the 4xx that says why not.
pub(super) async fn read(body: Incoming, limits: &Limits) -> Result<Bytes, ApiError> {
    body::read(body, limits).await.map_err(|error| match error {
        BodyError::TooLarge => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BadParameter",
            format!("The request body is larger than {} bytes.", limits.body_bytes),
        ),
        BodyError::TooSlow => ApiError::new(
            StatusCode::BAD_REQUEST,
            "BadParameter",
            format!("The request body did not arrive within {} seconds.", limits.header_timeout.as_secs()),
        ),
        BodyError::Broken => ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", "The request body broke off."),
        BodyError::Busy => refusal::failure(429, Some(1)).header(
            "x-keyhaven-detail",
            "other request bodies take all the memory that limits.bodiesInFlightBytes gives them",
        ),
    })
}
