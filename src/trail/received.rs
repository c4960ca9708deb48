//! What the layer around all doors knows of a request by itself, and the little of it that is kept with its trail.

use std::net::{IpAddr, Ipv4Addr};

use hyper::header::{HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;

use crate::http::{ConnectionInfo, Request};

/// The most bytes that are kept of a path, and of a user agent.
const MAX_PATH: usize = 300;
const MAX_AGENT: usize = 200;
/// The most bytes of an api-version: `2026-04-01-preview` has 18.
const MAX_VERSION: usize = 24;
/// The parameter of the query that is kept.
const API_VERSION: &str = "api-version=";

/// A request as it came. Its parts are shared with the request: a clone copies no text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    target: Option<PathAndQuery>,
    user_agent: Option<HeaderValue>,
    peer: Option<IpAddr>,
}

impl Received {
    /// What `request` says of itself, and the address that it came from.
    pub(crate) fn of(request: &Request, connection: ConnectionInfo) -> Self {
        Self {
            target: request.uri().path_and_query().cloned(),
            user_agent: request.headers().get(USER_AGENT).cloned(),
            peer: Some(connection.peer.ip()),
        }
    }
}

/// Path, api-version and user agent of a request, each of bounded length, one after the other in one text, and the address that
/// it counts as coming from. Nothing else of a query is kept: it may hold what is secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptRequest {
    text: String,
    path_end: usize,
    version_end: usize,
    address: Option<IpAddr>,
}

impl KeptRequest {
    /// This one, whose text is written over. The request counts as coming from `address`, if not from the connection's.
    pub(super) fn filled_with(mut self, received: &Received, address: Option<IpAddr>) -> Self {
        self.text.clear();
        let target = received.target.as_ref();
        self.text.push_str(shortened(target.map_or("", PathAndQuery::path), MAX_PATH));
        self.path_end = self.text.len();
        let version = target.and_then(PathAndQuery::query).and_then(api_version);
        self.text.push_str(shortened(version.unwrap_or_default(), MAX_VERSION));
        self.version_end = self.text.len();
        let agent = received.user_agent.as_ref().and_then(|agent| agent.to_str().ok());
        self.text.push_str(shortened(agent.unwrap_or_default(), MAX_AGENT));
        self.address = address.or(received.peer);
        self
    }

    /// The path as it was sent, without the query.
    pub(crate) fn path(&self) -> &str {
        &self.text[..self.path_end]
    }

    /// The api-version as it was sent; empty without one.
    pub(crate) fn api_version(&self) -> &str {
        &self.text[self.path_end..self.version_end]
    }

    /// The user agent; empty without one.
    pub(crate) fn user_agent(&self) -> &str {
        &self.text[self.version_end..]
    }

    /// The address that the request counts as coming from.
    pub(crate) fn address(&self) -> IpAddr {
        self.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical()
    }
}

fn api_version(query: &str) -> Option<&str> {
    let of = |pair: &str| pair.get(..API_VERSION.len()).is_some_and(|name| name.eq_ignore_ascii_case(API_VERSION));
    query.split('&').find(|pair| of(pair)).and_then(|pair| pair.get(API_VERSION.len()..))
}

fn shortened(text: &str, most: usize) -> &str {
    if text.len() <= most { text } else { &text[..text.floor_char_boundary(most)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_version_and_agent_are_kept_and_nothing_else_of_the_query() {
        let received = |target: String| Received {
            target: Some(target.parse().unwrap()),
            user_agent: Some(HeaderValue::from_static("azsdk-python/4.8")),
            peer: Some("::ffff:10.0.0.1".parse().unwrap()),
        };
        let first = received("/secrets/a/?$skiptoken=hidden&Api-Version=7.4".into());
        let kept = KeptRequest::default().filled_with(&first, None);
        assert_eq!((kept.path(), kept.api_version(), kept.user_agent()), ("/secrets/a/", "7.4", "azsdk-python/4.8"));
        assert_eq!(kept.address().to_string(), "10.0.0.1");
        let kept = kept.filled_with(&received(format!("/{}", "x".repeat(9000))), "203.0.113.7".parse().ok());
        assert_eq!(kept.address().to_string(), "203.0.113.7", "it counts before the connection's");
        assert_eq!((kept.path().len(), kept.api_version()), (MAX_PATH, ""));
        let kept = kept.filled_with(&Received::default(), None);
        assert_eq!((kept.path(), kept.user_agent(), kept.address().is_loopback()), ("", "", true));
    }
}
