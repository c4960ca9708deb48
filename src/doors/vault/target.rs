//! The target of a request: the host and the query. Ids and links of answers are made of it.

use hyper::StatusCode;

use crate::http::Request;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::vault::{Kind, ObjectName, Version};

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
        self.base_with_room(0)
    }

    /// `https://HOST/deletedkeys/NAME`.
    pub(super) fn recovery_id(&self, kind: Kind, name: &ObjectName) -> String {
        format!("{}/{}/{name}", self.base(), kind.deleted_collection())
    }

    /// `https://HOST/keys/NAME`, with the version when one is given.
    pub(super) fn id(&self, kind: Kind, name: &ObjectName, version: Option<&Version>) -> String {
        let (collection, name) = (kind.collection(), name.as_str());
        let version = version.map_or("", Version::as_str);
        // Each answer has one, so it is put together in one piece.
        let mut id = self.base_with_room(collection.len() + name.len() + version.len() + 3);
        id.extend(["/", collection, "/", name]);
        if !version.is_empty() {
            id.extend(["/", version]);
        }
        id
    }

    /// [`Self::base`], with room for `more` bytes behind it.
    fn base_with_room(&self, more: usize) -> String {
        let mut base =
            String::with_capacity("https://".len() + self.authority.host().len() + ":65535".len() + 3 + more);
        base.push_str("https://");
        self.authority.append_to(&mut base);
        base
    }
}

impl Query {
    /// The first value of `name`, compared without regard to case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
