//! The node's side of the protocol: it registers and asks for work, at the host that its auth key names. Blocks its thread.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::auth_key::AuthKey;
use super::error::NodeError;
use super::identity::Membership;
use crate::node_protocol::{
    Announcement, NodeDescription, Poll, REGISTER, Registered, Registration, TaskResult, Work, credentials_path,
    poll_path, results_path,
};
use crate::remote::{Agent, JsonRequest, RequestError, post_json};

/// The service as a node reaches it.
#[derive(Clone)]
pub(crate) struct Service {
    agent: Agent,
    /// Where it is reached: a URL without a path; none for the endpoint's own name.
    server: Option<String>,
}

/// What became of a request for work.
pub(crate) enum Polled {
    /// Work, or none yet.
    Work(Work),
    /// The node is none any more.
    Removed,
    /// The service could not be asked, or cannot answer now; why.
    Unavailable(String),
}

impl Service {
    /// The service that `agent` reaches at `server`, else at the endpoint's own name.
    pub(crate) fn new(agent: Agent, server: Option<String>) -> Self {
        Self { agent, server: server.map(|url| url.trim_end_matches('/').to_owned()) }
    }

    /// Registers a node by `key`.
    ///
    /// # Errors
    /// When it is refused, or there is no answer.
    pub(crate) fn register(&self, key: &AuthKey, node: NodeDescription) -> Result<Membership, NodeError> {
        let name = node.name.clone();
        let body = Registration { auth_key: Zeroizing::new(key.text().to_owned()), node };
        let (status, answer) =
            self.post(key.endpoint(), REGISTER, None, &body).map_err(|error| NodeError::Refused(error.to_string()))?;
        let registered: Registered = match status {
            200 => parsed(&answer).map_err(NodeError::Refused)?,
            status => return Err(NodeError::Refused(refusal(status, &answer))),
        };
        Ok(Membership::of(&name, key.endpoint(), registered))
    }

    /// Asks for work; says what the node is that has just started, or has lost the service meanwhile, and which credentials it has.
    pub(crate) fn poll(&self, membership: &Membership, poll: &Poll) -> Polled {
        let (path, bearer) = (poll_path(membership.runtime), membership.credential());
        match self.post(&membership.endpoint, &path, Some(&bearer), poll) {
            Ok((200, answer)) => parsed(&answer).map_or_else(Polled::Unavailable, Polled::Work),
            Ok((401, _)) => Polled::Removed,
            Ok((status, answer)) => Polled::Unavailable(refusal(status, &answer)),
            Err(error) => Polled::Unavailable(error.to_string()),
        }
    }

    /// Says what became of a task; answers the status, if there is an answer.
    pub(crate) fn answer(&self, membership: &Membership, result: &TaskResult) -> Option<u16> {
        let (path, bearer) = (results_path(membership.runtime), membership.credential());
        let sent = self.post(&membership.endpoint, &path, Some(&bearer), result);
        if !matches!(sent, Ok((204, _))) {
            tracing::warn!(task = %result.task, "the result of a task did not reach the service");
        }
        sent.ok().map(|(status, _)| status)
    }

    /// Says that the node has other credentials than before. What does not reach the service it learns by the next request for work.
    pub(crate) fn announce(&self, membership: &Membership, credentials: String) {
        let (path, bearer) = (credentials_path(membership.runtime), membership.credential());
        let sent = self.post(&membership.endpoint, &path, Some(&bearer), &Announcement { credentials });
        if !matches!(sent, Ok((204, _))) {
            tracing::debug!("the service does not know yet that credentials have changed");
        }
    }

    fn post<T: Serialize>(
        &self,
        endpoint: &str,
        path: &str,
        bearer: Option<&str>,
        body: &T,
    ) -> Result<(u16, Zeroizing<Vec<u8>>), RequestError> {
        let body = serde_json::to_vec(body).map_err(|error| RequestError::NoAnswer(error.to_string()))?;
        let (body, own) = (Zeroizing::new(body), format!("https://{endpoint}"));
        let server = self.server.as_deref().unwrap_or(&own);
        let request = JsonRequest { url: format!("{server}{path}"), host: Some(endpoint), bearer, body: &body };
        post_json(&self.agent, &request)
    }
}

fn parsed<T: DeserializeOwned>(answer: &[u8]) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|_| "the answer is not what the service answers to nodes".to_owned())
}

/// What a refusal says.
fn refusal(status: u16, answer: &[u8]) -> String {
    let body: Value = serde_json::from_slice(answer).unwrap_or_default();
    match body["error"]["message"].as_str() {
        Some(text) => format!("{text} ({status})"),
        None => format!("the answer was {status}"),
    }
}
