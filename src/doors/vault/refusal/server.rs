//! Failures of the server as a whole.

use hyper::StatusCode;

use crate::http::error::ApiError;

/// Recorded without Retry-After; clients wait less with one, so it is sent.
pub(super) fn busy() -> ApiError {
    failure(429, Some(1))
}

/// A failure of the service as a whole: 429, 503 or 500, with the seconds to wait for `Retry-After`. The text of 429
/// is recorded; those of the others are ASP.NET's reason phrases.
pub(crate) fn failure(status: u16, retry_after: Option<u32>) -> ApiError {
    let error = match status {
        429 => {
            let text = "Request was not processed because too many requests were received. Reason: \
                        VaultRequestTypeLimitReached";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", text)
        }
        503 => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Service Unavailable"),
        _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "Internal Server Error"),
    };
    match retry_after {
        Some(seconds) => error.header("retry-after", seconds.to_string()),
        None => error,
    }
}

/// The cause goes to the log, never to the wire.
pub(super) fn internal(why: &str) -> ApiError {
    tracing::error!(why, "a request failed");
    let text = "An internal error occurred; the server's log says which.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
}

/// Damage was found in the store while it was in use. What is damaged goes to the log: it may name other objects.
pub(super) fn writes_stopped(why: &str) -> ApiError {
    tracing::error!(why, "a request was refused, because damage was found in the store");
    let text = "Nothing is written any more, because damage was found in the server's store; reads go on. Stop the \
                server, see what is damaged with keyhaven check DIR, and restore a copy of the data directory.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
}
