//! One request with a JSON body to a server that may be reached at another address than its host's.

use serde_json::Value;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use ureq::http::{Method, Request};
use zeroize::Zeroizing;

use super::error::RequestError;
use super::http_client::send;

/// A request.
pub(crate) struct JsonRequest<'r> {
    /// Where it is sent: `https://HOST[:PORT]/PATH`.
    pub url: String,
    /// The value of `Host`, where it is not the URL's.
    pub host: Option<&'r str>,
    /// The bearer credential, if any.
    pub bearer: Option<&'r str>,
    /// The body; the caller wipes it. Empty, there is none.
    pub body: &'r [u8],
}

/// Posts `request`; answers the status and the body.
///
/// # Errors
/// When there is no answer.
pub(crate) fn post_json(agent: &Agent, request: &JsonRequest<'_>) -> Result<(u16, Zeroizing<Vec<u8>>), RequestError> {
    exchange(agent, Method::POST, request)
}

/// Sends `request`; answers the body, which is null where there is none.
///
/// # Errors
/// When it is refused, or there is no answer that is JSON.
pub(crate) fn ask_json(agent: &Agent, method: Method, request: &JsonRequest<'_>) -> Result<Value, RequestError> {
    let (status, body) = exchange(agent, method, request)?;
    if !(200..300).contains(&status) {
        return Err(RequestError::refused(status, &body));
    }
    let unreadable = |error| RequestError::NoAnswer(format!("{} answers what is no JSON: {error}", request.url));
    if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body).map_err(unreadable) }
}

fn exchange(
    agent: &Agent,
    method: Method,
    request: &JsonRequest<'_>,
) -> Result<(u16, Zeroizing<Vec<u8>>), RequestError> {
    let mut built = Request::builder().method(method).uri(&request.url);
    if !request.body.is_empty() {
        built = built.header(CONTENT_TYPE, "application/json");
    }
    if let Some(host) = request.host {
        built = built.header(HOST, host);
    }
    let bearer = request.bearer.map(|bearer| Zeroizing::new(format!("Bearer {bearer}")));
    if let Some(bearer) = &bearer {
        built = built.header(AUTHORIZATION, bearer.as_str());
    }
    let built = built.body(request.body).map_err(|error| RequestError::NoAnswer(error.to_string()))?;
    let answer = send(agent, built)?;
    Ok((answer.status, answer.body))
}
