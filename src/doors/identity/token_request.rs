//! What a request for a managed identity's token says.

use hyper::header::HeaderMap;

use crate::directory::IdentitySelector;
use crate::http::{ConnectionInfo, Request};

/// The headers and the query of a request.
pub(super) struct Asked {
    headers: HeaderMap,
    query: Vec<(String, String)>,
    /// Whether it was made on this machine.
    pub(super) near: bool,
}

impl Asked {
    pub(super) fn of(request: &Request, connection: ConnectionInfo) -> Self {
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let near = connection.is_local();
        Self { headers: request.headers().clone(), query: query.into_owned().collect(), near }
    }

    /// A header's value, empty when it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether `Metadata: true` is there: no page of a browser can send it.
    pub(super) fn has_metadata(&self) -> bool {
        self.header("metadata").eq_ignore_ascii_case("true")
    }

    /// A parameter of the query; an empty one counts as missing.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The identity asked for; the names differ between clients.
    pub(super) fn chosen(&self) -> Result<IdentitySelector, &'static str> {
        let client = self.value("client_id").map(|id| IdentitySelector::ClientId(id.to_owned()));
        let object =
            self.value("object_id").or(self.value("principal_id")).map(|id| IdentitySelector::ObjectId(id.to_owned()));
        let resource = self.value("msi_res_id").or(self.value("mi_res_id"));
        let resource = resource.map(|id| IdentitySelector::ResourceId(id.to_owned()));
        let mut given = [client, object, resource].into_iter().flatten();
        match (given.next(), given.next()) {
            (None, _) => Ok(IdentitySelector::Default),
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err("Only one of client_id, object_id and msi_res_id may be given"),
        }
    }
}
