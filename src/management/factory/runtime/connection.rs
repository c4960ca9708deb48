//! How those who bring credentials reach a node of a runtime: where it is, what they pin, the key that they encrypt for, and a token for it.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::node::Node;
use super::refusal::RuntimeRefusal;
use super::status::{NodeStatus, RuntimeStatus};
use crate::clock::Timestamp;
use crate::management::Management;
use crate::management::factory::id::ChildId;
use crate::management::refusal::Refusal;
use crate::node_protocol::{ServiceToken, Task, TaskKind};
use crate::records::RecordError;

/// How long a token for a node is good, in seconds (ours).
const TOKEN_SECONDS: i64 = 600;

/// What reaches a node; deliberately no `Debug`.
pub(crate) struct ConnectionInfo {
    /// The node.
    pub node: Node,
    /// A token for it.
    pub service_token: Zeroizing<String>,
}

impl Management {
    /// What reaches the node of a self-hosted runtime that credentials are brought to, with a token that is good from `now`, on the
    /// system clock.
    ///
    /// # Errors
    /// When no node is connected, or remote access is off.
    pub(crate) async fn connection_info(&self, id: &ChildId, now: Timestamp) -> Result<ConnectionInfo, Refusal> {
        let (asked, id) = (id, &self.serving_runtime(id).await?);
        // The other factory's credentials on the node are not for who shares it to see or to remove.
        let only_new = asked.runtime_key() != id.runtime_key();
        let view = self.records.view().await?;
        let status = self.serving_status(id, now).await?;
        let node = destination(&status).map_err(Refusal::Runtime)?.node.clone();
        let (secrets, _) = self.runtime_secrets(&view, id).await?;
        let claims =
            ServiceToken { node: node.id, expires: now.plus_seconds(TOKEN_SECONDS).unix(), reader: None, only_new };
        let service_token = secrets.token(&claims).map_err(|error| damaged(id, &error))?;
        Ok(ConnectionInfo { node, service_token })
    }

    /// The key by which `node` checks tokens that are for it, base64.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn token_key(&self, id: &ChildId, node: &Node) -> Result<Zeroizing<String>, Refusal> {
        let view = self.records.view().await?;
        let (secrets, _) = self.runtime_secrets(&view, id).await?;
        secrets.token_key(node.id).map_err(|error| damaged(id, &error).into())
    }

    /// Has a node of a self-hosted runtime keep `value` as the credential `credential`, sealed under the key of its machine, and the others that
    /// are connected get it from that one.
    ///
    /// # Errors
    /// When no node is connected at `now`, on the system clock, or it cannot.
    pub(crate) async fn encrypt_on_node(
        &self,
        id: &ChildId,
        (credential, value): (&str, Zeroizing<String>),
        (task, now): (Uuid, Timestamp),
    ) -> Result<(), Refusal> {
        let mut status = self.serving_status(&self.serving_runtime(id).await?, now).await?;
        loop {
            let node = status.online_dispatcher().map_err(Refusal::Runtime)?.node.id;
            let kind = TaskKind::Encrypt { credential: credential.to_owned(), value: value.clone() };
            match self.connected.run(node, Task { id: task, kind }).await {
                Ok(()) => break,
                // It was killed, and counts as connected a little longer: another takes its place.
                Err(RuntimeRefusal::NoAnswer) if status.nodes.len() > 1 => {
                    status.nodes.retain(|one| one.node.id != node);
                }
                Err(why) => return Err(Refusal::Runtime(why)),
            }
        }
        self.in_step(&status).await;
        Ok(())
    }
}

pub(super) fn damaged(id: &ChildId, why: &dyn std::fmt::Display) -> RecordError {
    RecordError::Damaged { record: format!("the secrets of integration runtime '{}'", id.name()), why: why.to_string() }
}

/// The node that credentials are brought to: the dispatcher, from which the others have them.
fn destination(status: &RuntimeStatus) -> Result<&NodeStatus, RuntimeRefusal> {
    let node = status.online_dispatcher()?;
    match node.node.description.remote_access {
        true => Ok(node),
        false => Err(RuntimeRefusal::NoRemoteAccess(node.node.description.name.clone())),
    }
}
