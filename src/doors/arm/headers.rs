//! The headers of every answer of the management plane, as Resource Manager sends them.

use hyper::Method;
use hyper::header::{
    CACHE_CONTROL, EXPIRES, HeaderMap, HeaderName, HeaderValue, PRAGMA, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use uuid::Uuid;

use crate::clock::Timestamp;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const ROUTING_ID: HeaderName = HeaderName::from_static("x-ms-routing-request-id");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const RETURN_CLIENT_ID: HeaderName = HeaderName::from_static("x-ms-return-client-request-id");

/// What the answer repeats of a request.
pub(super) struct Repeated {
    correlation: Option<Uuid>,
    client: Option<HeaderValue>,
    remaining: (HeaderName, HeaderValue),
}

impl Repeated {
    /// Of a request with these headers.
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let returned = text(RETURN_CLIENT_ID).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self {
            correlation: text(CORRELATION_ID).and_then(|id| Uuid::parse_str(id).ok()),
            client: headers.get(CLIENT_ID).filter(|_| returned).cloned(),
            remaining: remaining(method),
        }
    }

    /// Adds the headers of an answer with this request id.
    pub(super) fn add_to(self, headers: &mut HeaderMap, id: Uuid, now: Timestamp) {
        let value = |text: String| HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("-"));
        let correlation = self.correlation.unwrap_or(id);
        let compact = now.to_string().replace(['-', ':'], "");
        headers.insert(REQUEST_ID, value(id.to_string()));
        headers.insert(CORRELATION_ID, value(correlation.to_string()));
        headers.insert(ROUTING_ID, value(format!("LOCAL:{compact}:{id}")));
        headers.extend(self.client.map(|client| (CLIENT_ID, client)));
        headers.insert(self.remaining.0, self.remaining.1);
        for (name, text) in [
            (CACHE_CONTROL, "no-cache"),
            (PRAGMA, "no-cache"),
            (EXPIRES, "-1"),
            (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // The Go SDK, and so Terraform, waits ten seconds before it looks at what is done already.
            (HeaderName::from_static("x-go-azure-sdk-skip-polling-delay"), "true"),
        ] {
            headers.insert(name, HeaderValue::from_static(text));
        }
    }
}

/// How many more requests of its sort the subscription may make: there is no limit here, so always the most of an hour.
fn remaining(method: &Method) -> (HeaderName, HeaderValue) {
    let (name, count) = match *method {
        Method::GET | Method::HEAD => ("x-ms-ratelimit-remaining-subscription-reads", "11999"),
        Method::DELETE => ("x-ms-ratelimit-remaining-subscription-deletes", "14999"),
        _ => ("x-ms-ratelimit-remaining-subscription-writes", "1199"),
    };
    (HeaderName::from_static(name), HeaderValue::from_static(count))
}
