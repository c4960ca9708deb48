//! Request bodies of the admin API: JSON whose unknown members are refused with their path.

use std::str::FromStr;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde::de::DeserializeOwned;

use super::State;
use crate::config;
use crate::http::Incoming;
use crate::http::body::{self, BodyError};
use crate::http::budget::MemoryBudget;
use crate::http::error::ApiError;
use crate::http::limits::Limits;

/// Reads the body within `limits`.
pub(super) async fn read(body: Incoming, limits: &Limits) -> Result<Bytes, ApiError> {
    body::read(body, limits).await.map_err(|error| refusal(error, limits))
}

/// Reads the body within `limits`, in memory of `budget`.
pub(super) async fn read_within(body: Incoming, limits: &Limits, budget: &MemoryBudget) -> Result<Bytes, ApiError> {
    body::read_within(body, limits, budget).await.map_err(|error| refusal(error, limits))
}

/// The answer to a body that was not read.
fn refusal(error: BodyError, limits: &Limits) -> ApiError {
    match error {
        BodyError::TooLarge => {
            let text = format!("The body is larger than {} bytes.", limits.body_bytes);
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", text)
        }
        BodyError::TooSlow => bad_request("The body did not arrive in time."),
        BodyError::Broken => bad_request("The body broke off."),
        BodyError::Busy => {
            let text = "Other bodies take all the memory that there is for them; try again.";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text).header("retry-after", "1")
        }
    }
}

/// Reads the body as a `T`, an object that looks like `example`. An empty body counts as an object without members.
pub(super) async fn json<T: DeserializeOwned>(state: &State, body: Incoming, example: &str) -> Result<T, ApiError> {
    let bytes = read(body, &state.limits).await?;
    let text = if bytes.trim_ascii().is_empty() { &b"{}"[..] } else { &bytes };
    config::read(text).map_err(|error| bad_request(with_example(error.to_string(), example)))
}

/// The reason, with an example of what the body looks like where it is none at all.
fn with_example(why: String, example: &str) -> String {
    match why.strip_prefix("invalid type: ").is_some_and(|rest| rest.ends_with(", expected an object")) {
        true => format!("{why} such as {example}"),
        false => why,
    }
}

/// The number that the parameter `name` of a query has.
pub(super) fn number<T: FromStr>(name: &str, value: &str) -> Result<T, ApiError> {
    value.parse().map_err(|_| bad_request(format!("{name}: must be a number")))
}

/// The answer to an invalid request.
pub(super) fn bad_request(why: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadRequest", why)
}
