//! What becomes of an answer: the output of the activity, or its error.

use serde_json::{Map, Value, json};

use super::exchange::Received;
use crate::web_task::{ActivityError, WebTask};

/// The service's number of a call that failed.
pub(crate) const CALL_FAILED: &str = "2108";
/// The service's number of an output that is too long.
pub(crate) const OUTPUT_TOO_LONG: &str = "2001";
/// The longest output of an activity as JSON, in bytes: it is kept in one commit. Ours; the service's own bound is about 4 MB.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;
/// What of an answer's text a message has, in characters.
const SHOWN_OF_ANSWER: usize = 1000;
/// What is shown of what is kept back.
const MASK: &str = "**********";

/// The output of an activity whose call was answered: the members of an object, else `{"Response": TEXT}`; and the headers.
pub(super) fn output(task: &WebTask, received: Received) -> Result<Map<String, Value>, ActivityError> {
    let body = String::from_utf8_lossy(&received.body);
    if received.status == 202 && received.headers.iter().any(|(name, _)| name == "location") {
        return Err(failed(task, "the answer 202 names a Location to ask again, which is not followed here"));
    }
    if !(200..300).contains(&received.status) {
        let body = if task.shows_answer { body.chars().take(SHOWN_OF_ANSWER).collect() } else { MASK.to_owned() };
        let message = format!(
            "Error calling the endpoint '{}'. Response status code: '{}'. More details: Exception message: '{body}'.",
            task.shown_url, received.status
        );
        return Err(ActivityError::new(CALL_FAILED, message));
    }
    let mut output = match serde_json::from_str::<Value>(&body) {
        Ok(Value::Object(members)) => members,
        _ if body.is_empty() => Map::new(),
        _ => Map::from_iter([("Response".to_owned(), json!(body))]),
    };
    let headers: Map<String, Value> = received.headers.into_iter().map(|(name, value)| (name, json!(value))).collect();
    output.insert("ADFWebActivityResponseHeaders".to_owned(), headers.into());
    fits(output)
}

/// The output, unless it is too long to be kept: escapes can make it several times as long as the answer.
///
/// # Errors
/// The service's, for one that is.
pub(crate) fn fits(output: Map<String, Value>) -> Result<Map<String, Value>, ActivityError> {
    match serde_json::to_vec(&output) {
        Ok(bytes) if bytes.len() <= MAX_OUTPUT_BYTES => Ok(output),
        _ => Err(ActivityError::new(OUTPUT_TOO_LONG, "The length of execution output is over limit (1 MB here).")),
    }
}

/// The error of a call that had no answer, because of `why`, which may name the host: it is shown where the host is.
pub(crate) fn not_sent(task: &WebTask, why: &str) -> ActivityError {
    failed(task, if origin(&task.shown_url) == origin(&task.url) { why } else { MASK })
}

/// "Error calling the endpoint 'URL'. …"
pub(super) fn failed(task: &WebTask, why: &str) -> ActivityError {
    ActivityError::new(CALL_FAILED, format!("Error calling the endpoint '{}'. Details: {why}", task.shown_url))
}

/// What is before the path of a URL.
fn origin(url: &str) -> &str {
    url.match_indices('/').nth(2).map_or(url, |(end, _)| &url[..end])
}
