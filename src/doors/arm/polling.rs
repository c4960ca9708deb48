//! Requests that clients of Azure poll for. What they asked for is done when the 202 is sent, so nothing is kept of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::state::Call;
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::Operation;

/// The result of a request that was accepted.
pub(super) static RESULT: Operation = Operation::signed_in(
    "OperationResultGet",
    Method::GET,
    "/subscriptions/{subscriptionId}/operationresults/{operationId}",
);

/// What the last segment of a `Location` holds, as the service's does.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_id: String,
    job_location: String,
}

/// The 202 to a request that was done by the job called `job`.
pub(super) fn accepted(call: &Call, job: &str, location: &str) -> Response {
    let job = Job { job_id: job.to_owned(), job_location: location.to_owned() };
    let token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&job).unwrap_or_default());
    let (origin, subscription) = (&call.origin, call.subscription());
    let version = call.query("api-version").unwrap_or_default();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.append_pair("api-version", &version).finish();
    let url = format!("{origin}/subscriptions/{subscription}/operationresults/{token}?{query}");
    let mut response = body::empty(StatusCode::ACCEPTED);
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&url).ok().map(|url| (LOCATION, url)));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Answers the result of a job: it succeeded. The Go SDK takes a 200 without a body for that, and a 204 for an error.
pub(super) fn result(call: &Call) -> Result<Response, ApiError> {
    let token = call.params.get("operationId");
    let bytes = URL_SAFE_NO_PAD.decode(token.as_bytes()).ok();
    match bytes.and_then(|bytes| serde_json::from_slice::<Job>(&bytes).ok()) {
        Some(_) => Ok(body::empty(StatusCode::OK)),
        None => {
            let text = format!("The operation '{token}' could not be found.");
            Err(ApiError::new(StatusCode::NOT_FOUND, "OperationNotFound", text))
        }
    }
}
