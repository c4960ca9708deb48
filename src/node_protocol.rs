//! What the nodes of self-hosted integration runtimes and the service say to each other: JSON over HTTPS, below a path with the
//! version. Ours: what the service's own nodes say is not public. It knows neither the service nor a node.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::web_task::{Ended, WebTask};

/// Where a node registers.
pub(crate) const REGISTER: &str = "/nodes/v1/register";
/// The first segment of the paths at a node's own listener.
pub(crate) const HOST_SERVICE: &str = "HostServiceRemote.svc";
/// The segment below it of its credentials.
pub(crate) const CREDENTIALS: &str = "credentials";
/// The segment below it of all of them, for another node of the runtime.
pub(crate) const SHARED: &str = "shared";
/// How long a node's request for work is held while there is none, in seconds.
pub(crate) const POLL_SECONDS: u64 = 20;
/// How long after its last request a node counts as connected, in seconds: two of them may be lost.
pub(crate) const CONNECTED_SECONDS: i64 = 60;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeDescription {
    /// Its name, which no other node of the runtime has.
    pub name: String,
    /// The name of its machine.
    pub machine: String,
    /// The version of its program.
    pub version: String,
    /// Where its own HTTPS listener is for others, `HOST:PORT`.
    pub host: String,
    /// Whether others than the service may reach it there.
    pub remote_access: bool,
    /// SHA-256 of its listener's certificate, in upper-case hex.
    pub thumbprint: String,
    /// The key that credentials are encrypted for, a SubjectPublicKeyInfo (DER) in base64.
    pub public_key: String,
}

/// The body of a registration; deliberately no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Registration {
    /// An auth key of the runtime.
    pub auth_key: Zeroizing<String>,
    /// The node.
    pub node: NodeDescription,
}

/// The answer to a registration; deliberately no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registered {
    /// The id of the runtime, which is in the paths of later requests.
    pub runtime: Uuid,
    /// The id of the node.
    pub node: Uuid,
    /// Its secret, shown this once: `Authorization: Bearer NODE.SECRET`.
    pub secret: Zeroizing<String>,
}

/// A node's request for work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Poll {
    /// What the node is, in the first request after a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<NodeDescription>,
    /// With that, the activities that it runs: what else it was given never reached it, or ended with its program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<Uuid>,
    /// What is the same on nodes with the same credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

/// That a node has other credentials than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Announcement {
    /// What is the same on nodes with the same credentials.
    pub credentials: String,
}

/// What a node is given to do; deliberately no `Debug`.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Work {
    /// The tasks, in their order; none when there were none in time.
    pub tasks: Vec<Task>,
    /// The key by which the node checks tokens that are for it, base64; none for a node that is to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_key: Option<Zeroizing<String>>,
    /// The number of the last overwriting of credentials: 0 before the first.
    #[serde(default)]
    pub round: u64,
    /// The nodes whose credentials the node is to get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Peer>,
}

/// Another node of the runtime, which gives its credentials; deliberately no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Peer {
    /// Its id.
    pub node: Uuid,
    /// Its name.
    pub name: String,
    /// The URL of its listener, which ends in a slash.
    pub uri: String,
    /// SHA-256 of its listener's certificate, in upper-case hex.
    pub thumbprint: String,
    /// A token for it that names the node that asks.
    pub token: Zeroizing<String>,
}

/// A task; deliberately no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its id, for the result.
    pub id: Uuid,
    /// What is to be done.
    #[serde(flatten)]
    pub kind: TaskKind,
}

/// What is to be done; deliberately no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum TaskKind {
    /// The node was removed from its runtime: it ends. The service expects no result.
    Stop,
    /// Keep a credential, sealed under the key of the node's machine.
    Encrypt {
        /// Its id.
        credential: String,
        /// Its value.
        value: Zeroizing<String>,
    },
    /// Make the credentials of the node the only ones of the runtime: the others get them.
    Overwrite {
        /// The number of this overwriting.
        round: u64,
    },
    /// Run a Web activity.
    #[serde(rename_all = "camelCase")]
    Call {
        /// The activity.
        call: Box<WebTask>,
        /// Whether the service answers what is called, in the cloud's place.
        at_server: bool,
        /// The listeners of the service that the node must never ask.
        listeners: Vec<SocketAddr>,
    },
    /// End the task of this id, whose result is not wanted any more. The service expects none.
    Cancel,
}

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskResult {
    /// The task.
    pub task: Uuid,
    /// Why it could not be done; none when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is the same on nodes with the same credentials, after the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// What an activity gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Ended>,
}

impl TaskResult {
    /// The result of a task that was done.
    pub(crate) fn of(task: Uuid) -> Self {
        Self { task, error: None, credentials: None, activity: None }
    }
}

/// What a token of the service for a node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceToken {
    /// The node that it is for.
    pub node: Uuid,
    /// When it ends, in Unix seconds of the system clock.
    pub expires: i64,
    /// The node that gets all credentials by it, and may do nothing else; none of one who brings credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<Reader>,
    /// Whether it brings new credentials alone, and neither sees nor changes those that are there: of who shares the node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_new: bool,
}

/// A node that gets the credentials of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Reader {
    /// Its id.
    pub node: Uuid,
    /// The key that they are encrypted for, a SubjectPublicKeyInfo (DER) in base64: of no use to who has stolen the token.
    pub public_key: String,
}

/// Where a node of `runtime` asks for work.
pub(crate) fn poll_path(runtime: Uuid) -> String {
    format!("/nodes/v1/runtimes/{runtime}/poll")
}

/// Where a node of `runtime` says that it has other credentials than before.
pub(crate) fn credentials_path(runtime: Uuid) -> String {
    format!("/nodes/v1/runtimes/{runtime}/credentials")
}

/// Where a node of `runtime` says what became of a task.
pub(crate) fn results_path(runtime: Uuid) -> String {
    format!("/nodes/v1/runtimes/{runtime}/results")
}
