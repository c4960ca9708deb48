//! Bodies in: JSON objects whose shape is checked here and nowhere else. The service's texts for a bad body name no
//! field; the header `x-keyhaven-detail` does.

use hyper::StatusCode;
use hyper::body::{Body, Bytes};
use hyper::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use super::refusal;
use crate::crypto::base64url;
use crate::http::body::{self, BodyError};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::{Incoming, Request};

/// The service's text for a value of the wrong type, out of range, or in a body that is no JSON (golden 065; two
/// blanks, because the property's name is left out).
const INVALID: &str = "Property  has invalid value\r\n";

/// Refuses a body that says to be something else than JSON, in ASP.NET's words, on which the service is built (no
/// recording was found). Nothing said is fine.
pub(super) fn check_type(request: &Request) -> Result<(), ApiError> {
    let Some(kind) = request.headers().get(CONTENT_TYPE) else { return Ok(()) };
    let kind = String::from_utf8_lossy(kind.as_bytes());
    let plain = kind.split(';').next().unwrap_or_default().trim();
    let json = ["application/json", "text/json"].iter().any(|known| plain.eq_ignore_ascii_case(known));
    if json || request.body().is_end_stream() {
        return Ok(());
    }
    let text = format!("The request entity's media type '{plain}' is not supported for this resource.");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text))
}

/// The body as a `T`. A body that is left out is an object without members.
pub(super) async fn object<T: DeserializeOwned>(body: Incoming, limits: &Limits) -> Result<T, ApiError> {
    let bytes = read(body, limits).await?;
    parse(&bytes)
}

/// The whole body, or the 4xx that says why not.
async fn read(body: Incoming, limits: &Limits) -> Result<Bytes, ApiError> {
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

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
    // The parser would let members that no field reads be anything.
    let text = std::str::from_utf8(text).map_err(|_| invalid("the body is not valid JSON"))?;
    let text = if text.is_empty() { "{}" } else { text };
    if !text.starts_with('{') {
        return Err(invalid("the body is not a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| invalid(&shown(&error)))?;
    reader.end().map_err(|_| invalid("something stands after the JSON object"))?;
    Ok(value)
}

/// Where and what kind of error; never the value, which may be a secret.
fn shown(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    let text = error.inner().to_string();
    if let Some(name) = text.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
        return format!("{name} stands there twice");
    }
    let kind = match error.inner().classify() {
        serde_json::error::Category::Data => "has the wrong type or a value that is not allowed",
        _ => "is not valid JSON",
    };
    if matches!(path.as_str(), "." | "?") { format!("the body {kind}") } else { format!("{path} {kind}") }
}

/// The refusal of a value, in the service's words; `detail` says which and why.
pub(super) fn invalid(detail: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", INVALID).header("x-keyhaven-detail", detail)
}

/// Members that must be there; all that are missing are named at once, a line each.
#[derive(Default)]
pub(super) struct Required(String);

impl Required {
    /// Takes note when `value` is missing.
    pub(super) fn check<T>(&mut self, name: &str, value: Option<&T>) {
        if value.is_none() {
            self.0.push_str(&format!("Property '{name}' is required.\r\n"));
        }
    }

    /// The bytes of a base64url member.
    pub(super) fn bytes(&mut self, name: &str, value: Option<&str>) -> Vec<u8> {
        let decoded = self.optional(name, value);
        self.check(name, decoded.as_ref());
        decoded.unwrap_or_default()
    }

    /// The bytes of a base64url member that may be left out.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) -> Option<Vec<u8>> {
        let decoded = value.and_then(base64url::decode);
        if value.is_some() && decoded.is_none() {
            self.0.push_str(&format!("Content of '{name}' is not base64url.\r\n"));
        }
        decoded
    }

    /// The refusal, if anything was missing.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    struct Sample {
        key_size: Option<u32>,
    }

    fn detail(body: &[u8]) -> String {
        parse::<Sample>(body).unwrap_err().headers.remove(0).1
    }

    #[test]
    fn an_absent_body_is_an_empty_object() {
        assert!(parse::<Sample>(b"").unwrap().key_size.is_none());
        assert_eq!(parse::<Sample>(b" {\"key_size\": 2048, \"other\": 1} ").unwrap().key_size, Some(2048));
    }

    #[test]
    fn a_bad_member_is_named_and_its_value_is_not() {
        assert_eq!(detail(b"{\"key_size\":\"hush\"}"), "key_size has the wrong type or a value that is not allowed");
        assert_eq!(detail(b"{\"key_size\":"), "key_size is not valid JSON");
        assert_eq!(detail(b"[2048]"), "the body is not a JSON object");
        assert_eq!(detail(b"{} {}"), "something stands after the JSON object");
        assert_eq!(detail(b"{\"\xff\":1}"), "the body is not valid JSON");
    }

    #[test]
    fn all_missing_members_are_named_at_once() {
        let mut required = Required::default();
        required.check("alg", None::<&String>);
        required.bytes("value", Some("not base64url!"));
        assert_eq!(
            required.finish().unwrap_err().message,
            "Property 'alg' is required.\r\nContent of 'value' is not base64url.\r\nProperty 'value' is required.\r\n"
        );
    }
}
