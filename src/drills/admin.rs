//! A client of the admin API of the server under drill.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request, StatusCode, Uri};
use zeroize::Zeroizing;

use super::step::StepError;

/// How long a request may take: one that moves the clock also runs all that falls due.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// The URL and the key of an admin API. Deliberately no `Debug`: it holds a credential.
pub struct AdminEndpoint {
    /// Its URL, such as `http://127.0.0.1:8081`.
    pub url: String,
    /// Its key.
    pub key: Zeroizing<String>,
}

/// Why a request to the admin API failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdminError {
    /// What went wrong, in one line.
    pub(super) text: String,
    /// Whether the API says that there is nothing of that name.
    pub(super) is_not_found: bool,
}

impl AdminError {
    /// The error with this text, of something that is not merely absent.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_not_found: false }
    }
}

/// A client of an admin API.
pub(super) struct AdminClient {
    endpoint: AdminEndpoint,
    agent: Agent,
}

impl AdminClient {
    /// A client of `endpoint`. It uses no proxy, because the API usually listens on this machine, and follows no redirects: the
    /// key is for one host, and the API speaks no HTTPS.
    pub(super) fn new(endpoint: AdminEndpoint) -> Self {
        let config = Agent::config_builder().proxy(None).http_status_as_error(false).max_redirects(0);
        Self { endpoint, agent: config.timeout_global(Some(TIMEOUT)).build().into() }
    }

    /// Makes sure that an admin API answers; returns the port of its server's vaults, if it says that.
    pub(super) fn find_port(&self) -> Result<Option<u16>, AdminError> {
        let url = &self.endpoint.url;
        let absent = |error: &dyn std::fmt::Display| {
            let hint = "start a server with `keyhaven serve`, or give the address of its --admin-listen";
            AdminError::new(format!("the admin API at {url}: {error}; {hint}"))
        };
        let (_, text) = self.exchange(Method::GET, "/admin/status", None).map_err(|error| absent(&error))?;
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        if status["vaults"].is_null() {
            let hint = "give the address of the server's --admin-listen, http://127.0.0.1:8081 by default";
            return Err(AdminError::new(format!("--admin {url}: that is no admin API; {hint}")));
        }
        let listen = status["listen"].as_str().and_then(|listen| listen.rsplit_once(':'));
        Ok(listen.and_then(|(_, port)| port.parse().ok()))
    }

    /// The host that the API is at.
    pub(super) fn host(&self) -> Option<String> {
        let uri: Uri = self.endpoint.url.parse().ok()?;
        uri.host().map(str::to_owned)
    }

    /// Sends a request and returns the answer; null when it has no body.
    pub(super) fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, AdminError> {
        let unreachable =
            |error: &dyn std::fmt::Display| AdminError::new(format!("the admin API at {}: {error}", self.endpoint.url));
        let (status, text) = self.exchange(method, path, body).map_err(|error| unreachable(&error))?;
        let is_not_found = status == StatusCode::NOT_FOUND;
        parse_answer(status, &text).map_err(|why| AdminError { is_not_found, ..unreachable(&why) })
    }

    fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, String), ureq::Error> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint.url.trim_end_matches('/')))
            .header("authorization", format!("Bearer {}", self.endpoint.key.as_str()))
            .body(body)?;
        let mut answer = self.agent.run(request)?;
        let text = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string()?;
        Ok((answer.status(), text))
    }
}

fn parse_answer(status: StatusCode, text: &str) -> Result<Value, String> {
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
        f.write_str(&self.text)
    }
}

impl std::error::Error for AdminError {}

impl From<AdminError> for StepError {
    fn from(error: AdminError) -> Self {
        Self::Unexpected(error.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_body_or_its_error_message() {
        assert_eq!(parse_answer(StatusCode::NO_CONTENT, ""), Ok(Value::Null));
        assert_eq!(parse_answer(StatusCode::OK, "{\"a\":1}"), Ok(serde_json::json!({"a": 1})));
        let refused =
            parse_answer(StatusCode::CONFLICT, r#"{"error":{"code":"Conflict","message":"the clock is real"}}"#);
        assert_eq!(refused, Err("the clock is real".to_owned()));
        assert_eq!(
            parse_answer(StatusCode::BAD_GATEWAY, "<html>"),
            Err("it answers 502 Bad Gateway and no JSON".to_owned())
        );
        assert!(parse_answer(StatusCode::UNAUTHORIZED, "").unwrap_err().contains("set KEYHAVEN_ADMIN_KEY"));
    }
}
