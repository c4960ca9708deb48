//! A request for a managed identity's token: headers, query, and the identity that it selects.

use hyper::header::HeaderMap;

use crate::directory::IdentitySelector;
use crate::http::{ConnectionInfo, Request};

/// A request for a token.
pub(super) struct TokenRequest {
    headers: HeaderMap,
    query: Vec<(String, String)>,
    /// Whether it comes from this machine.
    pub(super) is_local: bool,
}

impl TokenRequest {
    pub(super) fn new(request: &Request, connection: ConnectionInfo) -> Self {
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let is_local = connection.is_local();
        Self { headers: request.headers().clone(), query: query.into_owned().collect(), is_local }
    }

    /// A header's value, empty when it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it has `Metadata: true`, which no web page can send.
    pub(super) fn has_metadata(&self) -> bool {
        self.header("metadata").eq_ignore_ascii_case("true")
    }

    /// A parameter of the query; an empty one counts as missing.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The id of the identity that it selects, whatever kind of id it is.
    pub(super) fn named_identity(&self) -> Option<&str> {
        let names = ["client_id", "object_id", "principal_id", "msi_res_id", "mi_res_id"];
        names.into_iter().find_map(|name| self.parameter(name))
    }

    /// The identity that it selects. The names of the parameters differ between clients.
    pub(super) fn selector(&self) -> Result<IdentitySelector, &'static str> {
        let client = self.parameter("client_id").map(|id| IdentitySelector::ClientId(id.to_owned()));
        let object = self
            .parameter("object_id")
            .or(self.parameter("principal_id"))
            .map(|id| IdentitySelector::ObjectId(id.to_owned()));
        let resource = self.parameter("msi_res_id").or(self.parameter("mi_res_id"));
        let resource = resource.map(|id| IdentitySelector::ResourceId(id.to_owned()));
        let mut given = [client, object, resource].into_iter().flatten();
        match (given.next(), given.next()) {
            (None, _) => Ok(IdentitySelector::Default),
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err("Only one of client_id, object_id and msi_res_id may be given"),
        }
    }
}
