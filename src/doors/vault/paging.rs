//! Lists on the wire: pages of at most 25 with a link to the next.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::target::{Query, RequestTarget};
use crate::crypto::base64url;
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::vault::object::{Page, PageRequest};

/// The most items of a page, and the number when none is said.
const MAX_PAGE: usize = 25;

/// The service's `$skiptoken`, base64url of JSON (golden 013); opaque to clients.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SkipToken {
    next_marker: String,
    target_location: u32,
}

/// Parses the page that a query asks for: `maxresults` and `$skiptoken`.
pub(super) fn page_request(query: &Query) -> Result<PageRequest, ApiError> {
    let limit = match query.get("maxresults").filter(|text| !text.is_empty()) {
        None => MAX_PAGE,
        Some(text) => match text.parse() {
            Ok(limit) if (1..=MAX_PAGE).contains(&limit) && text.bytes().all(|byte| byte.is_ascii_digit()) => limit,
            _ => return Err(bad_parameter(format!("maxresults must be a number from 1 to {MAX_PAGE}."))),
        },
    };
    let after = query.get("$skiptoken").map(marker).transpose()?;
    Ok(PageRequest { after, limit })
}

fn marker(token: &str) -> Result<String, ApiError> {
    let bytes = base64url::decode(token);
    let token = bytes.and_then(|bytes| serde_json::from_slice::<SkipToken>(&bytes).ok());
    token
        .map(|token| token.next_marker)
        .ok_or_else(|| bad_parameter("The $skiptoken is not one of this server.".to_owned()))
}

fn bad_parameter(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", message)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<I> {
    value: Vec<I>,
    next_link: Option<String>,
}

/// The answer: `nextLink` is null on the last page (golden 015), and on others an absolute URL with the port written
/// out, api-version first (golden 013).
pub(super) fn answer<T, I: Serialize>(
    target: &RequestTarget,
    path: &str,
    page: &Page<T>,
    item: impl Fn(&T) -> I,
) -> Response {
    let next_link = page.next.as_ref().map(|next| link(target, path, next));
    body::json(StatusCode::OK, &List { value: page.items.iter().map(item).collect(), next_link })
}

fn link(target: &RequestTarget, path: &str, next: &str) -> String {
    let token = SkipToken { next_marker: next.to_owned(), target_location: 0 };
    let token = base64url::encode(&serde_json::to_vec(&token).unwrap_or_default());
    let version = target.query.get("api-version").unwrap_or_default();
    let mut link =
        format!("https://{}{path}?api-version={version}&$skiptoken={token}", target.authority.with_explicit_port());
    if let Some(limit) = target.query.get("maxresults").filter(|text| !text.is_empty()) {
        link.push_str(&format!("&maxresults={limit}"));
    }
    link
}
