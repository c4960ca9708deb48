//! The admin API of the server under drill: what pulls the levers.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request, StatusCode};
use zeroize::Zeroizing;

use super::step::Wrong;

/// How long the admin API may take: a clock that is moved does all that falls due meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Where an admin API is, and the key to it; so it has no `Debug`.
pub struct AdminDoor {
    /// Its URL, such as `http://127.0.0.1:8081`.
    pub url: String,
    /// Its key.
    pub key: Zeroizing<String>,
}

/// Why the admin API did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdminError(pub(super) String);

/// The admin API as a client sees it.
pub(super) struct Admin {
    door: AdminDoor,
    agent: Agent,
}

impl Admin {
    /// The API behind `door`; no proxy is used, since it listens on this machine as a rule.
    pub(super) fn new(door: AdminDoor) -> Self {
        let config = Agent::config_builder().proxy(None).http_status_as_error(false);
        Self { door, agent: config.timeout_global(Some(PATIENCE)).build().into() }
    }

    /// The answer to a request; null when it has no body.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, AdminError> {
        let unreachable =
            |error: &dyn std::fmt::Display| AdminError(format!("the admin API at {}: {error}", self.door.url));
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.door.url.trim_end_matches('/')))
            .header("authorization", format!("Bearer {}", self.door.key.as_str()))
            .body(body)
            .map_err(|error| unreachable(&error))?;
        let mut answer = self.agent.run(request).map_err(|error| unreachable(&error))?;
        let text =
            answer.body_mut().with_config().limit(LARGEST).read_to_string().map_err(|error| unreachable(&error))?;
        read(answer.status(), &text).map_err(|why| unreachable(&why))
    }
}

fn read(status: StatusCode, text: &str) -> Result<Value, String> {
    if status == StatusCode::UNAUTHORIZED {
        return Err(
            "it has another key: set KEYHAVEN_ADMIN_KEY, or name the server's --ready-file or --data".to_owned()
        );
    }
    let value = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(text) };
    let value: Value = value.map_err(|_| format!("it answers {status} and no JSON"))?;
    if status.is_success() {
        return Ok(value);
    }
    Err(value["error"]["message"].as_str().map_or_else(|| format!("it answers {status}"), str::to_owned))
}

impl std::fmt::Display for AdminError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AdminError {}

impl From<AdminError> for Wrong {
    fn from(error: AdminError) -> Self {
        Self::Seen(error.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_body_or_why_there_is_none() {
        assert_eq!(read(StatusCode::NO_CONTENT, ""), Ok(Value::Null));
        assert_eq!(read(StatusCode::OK, "{\"a\":1}"), Ok(serde_json::json!({"a": 1})));
        let refused = read(StatusCode::CONFLICT, r#"{"error":{"code":"Conflict","message":"the clock is real"}}"#);
        assert_eq!(refused, Err("the clock is real".to_owned()));
        assert_eq!(read(StatusCode::BAD_GATEWAY, "<html>"), Err("it answers 502 Bad Gateway and no JSON".to_owned()));
        assert!(read(StatusCode::UNAUTHORIZED, "").unwrap_err().contains("set KEYHAVEN_ADMIN_KEY"));
    }
}
