//! A data factory of the server under drill, as its administrator uses it: by Resource Manager.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::admin::AdminError;
use super::step::StepError;
use crate::remote::{Agent, JsonRequest, Method, RequestError, ask_json, post_json};

/// The version of every request.
const VERSION: &str = "2018-06-01";
/// How long a run may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two looks at it.
const INTERVAL: Duration = Duration::from_millis(20);
/// The code of a refusal to serve a node at its address.
const NOT_SERVED: &str = "PublicNetworkAccessDenied";

/// A factory, or the place for one. Deliberately no `Debug`: it holds a token.
pub(crate) struct ManagedFactory {
    /// The client that reaches the server.
    pub(super) agent: Agent,
    /// The port of the server's vaults.
    pub(super) port: u16,
    /// Its id.
    pub(super) id: String,
    /// Its administrator's token.
    pub(super) token: Zeroizing<String>,
}

/// How a run of a pipeline has ended.
pub(super) struct EndedRun {
    /// `Succeeded`, or another status.
    pub(super) status: String,
    /// What the service says of it.
    pub(super) message: String,
}

impl ManagedFactory {
    /// Asks for what is at `path` below its id: `/pipelines/NAME`.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, RequestError> {
        let Self { port, id, .. } = self;
        let body = Zeroizing::new(body.map(Value::to_string).unwrap_or_default());
        let url = format!("https://arm.localhost:{port}{id}{path}?api-version={VERSION}");
        let request = JsonRequest { url, host: None, bearer: Some(&self.token), body: body.as_bytes() };
        ask_json(&self.agent, method, &request)
    }

    /// Makes what is at `path`, with these properties.
    pub(super) fn put(&self, path: &str, properties: &Value) -> Result<Value, RequestError> {
        self.ask(Method::PUT, path, Some(&json!({"properties": properties})))
    }

    /// Deletes it with all that is in it.
    pub(super) fn delete(&self) -> Result<(), AdminError> {
        self.ask(Method::DELETE, "", None).map(drop).map_err(|error| AdminError::new(error.to_string()))
    }

    /// Runs the pipeline called `name`, and waits for its end.
    pub(super) fn run(&self, name: &str) -> Result<EndedRun, StepError> {
        let begun = self.ask(Method::POST, &format!("/pipelines/{name}/createRun"), Some(&json!({})))?;
        let path = format!("/pipelineruns/{}", begun["runId"].as_str().unwrap_or_default());
        let began = Instant::now();
        loop {
            let run = self.ask(Method::GET, &path, None)?;
            let text = |member: &str| run[member].as_str().unwrap_or_default().to_owned();
            let (status, message) = (text("status"), text("message"));
            match status.as_str() {
                "Queued" | "InProgress" | "Canceling" if began.elapsed() < TIMEOUT => std::thread::sleep(INTERVAL),
                _ => return Ok(EndedRun { status, message }),
            }
        }
    }

    /// Asks at the endpoint `host` of the factory as a node does that has a wrong key, which it is told once it is served at all: none when
    /// it is served, else the refusal.
    pub(super) fn refusal_of_node(&self, host: &str) -> Result<Option<String>, StepError> {
        let node = json!({"name": "probe", "machine": "drill", "version": "0", "host": "127.0.0.1:8060", "remoteAccess": false,
                          "thumbprint": "0".repeat(64), "publicKey": ""});
        let body = json!({"authKey": "none", "node": node}).to_string();
        let url = format!("https://localhost:{}/nodes/v1/register", self.port);
        let request = JsonRequest { url, host: Some(host), bearer: None, body: body.as_bytes() };
        let (status, answer) = post_json(&self.agent, &request)?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let text = |member: &str| answer["error"][member].as_str().unwrap_or_default().to_owned();
        match (status, text("code")) {
            (401, _) => Ok(None),
            (403, code) if code == NOT_SERVED => Ok(Some(text("message"))),
            (status, code) => Err(StepError::unexpected(format!("a node is answered {status} {code}"))),
        }
    }
}
