//! One request with a JSON body to a server that may be reached at another address than its host's.

use ureq::Agent;
use ureq::http::Request;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
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
    /// The body; the caller wipes it.
    pub body: &'r [u8],
}

/// Posts `request`; answers the status and the body.
///
/// # Errors
/// When there is no answer.
pub(crate) fn post_json(agent: &Agent, request: &JsonRequest<'_>) -> Result<(u16, Zeroizing<Vec<u8>>), RequestError> {
    let mut built = Request::post(&request.url).header(CONTENT_TYPE, "application/json");
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
