//! Integration runtimes. Their definitions are children of the factory like others; here is what a self-hosted one has besides: its
//! settings and its secrets, which come into being with it and go with it, each in a record of its own.

mod bounded;
pub(super) mod connected;
mod connection;
pub(super) mod definition;
mod holdings;
mod host;
mod jobs;
mod link;
mod links;
mod node;
mod nodes;
mod record;
pub(crate) mod refusal;
mod secrets;
mod sharing;
mod status;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::child::{Child, Definition};
use super::id::ChildId;
use super::kind::ChildKind;
use super::opened::Opened;
use super::{FactoryWrite, Management};
use crate::clock::Timestamp;
use crate::management::Guard;
use crate::management::refusal::Refusal;
use crate::records::{Change, RecordError, Records, View, encode};
use crate::store::{Batch, EntryKey, Revision};

pub(crate) use connected::ConnectedNodes;
pub(crate) use connection::ConnectionInfo;
pub(crate) use definition::RuntimeKind;
use definition::{kind_of, linked};
pub(crate) use host::{FactoryHost, NODE_DOMAIN};
pub(crate) use jobs::JobSlot;
pub(crate) use node::{MAX_JOBS, MAX_NODES, NewNode, Node};
pub(crate) use nodes::KnownNode;
use record::Runtime;
pub(crate) use record::{Link, RuntimeChange};
pub(crate) use refusal::RuntimeRefusal;
pub(crate) use secrets::{AuthKeys, KeyName};
use secrets::{KeyLabel, RuntimeSecrets, SECRET_BYTES, SECRETS};
pub(crate) use status::{NodeStatus, RuntimeStatus};

/// What a self-hosted runtime is made of; `Debug` shows no secret.
#[derive(Clone)]
pub(crate) struct NewRuntime {
    /// Its id.
    pub id: Uuid,
    /// Fresh bytes of its secrets.
    pub secrets: [Zeroizing<[u8; SECRET_BYTES]>; SECRETS],
}

impl std::fmt::Debug for NewRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewRuntime({})", self.id)
    }
}

impl Management {
    /// The name of a runtime, as it was made, and its kind.
    ///
    /// # Errors
    /// When there is no such factory or runtime.
    pub(crate) async fn runtime_kind(&self, id: &ChildId) -> Result<(String, RuntimeKind), Refusal> {
        let child = self.child(id).await?.ok_or_else(|| Refusal::NoChild(id.clone()))?;
        Ok((child.name, kind_of(&child.properties)))
    }

    /// What a runtime does at `now`, on the system clock. A linked one does what the shared one does, whose name and factory are shown, as at the
    /// service.
    ///
    /// # Errors
    /// When there is no such factory or runtime.
    pub(crate) async fn runtime_status(&self, id: &ChildId, now: Timestamp) -> Result<RuntimeStatus, Refusal> {
        let child = self.child(id).await?.ok_or_else(|| Refusal::NoChild(id.clone()))?;
        let factory = self.factory(id.factory()).await?;
        let (kind, endpoint) = (kind_of(&child.properties), factory.endpoint());
        let of_kind = |kind, own| RuntimeStatus::of((child.name.clone(), factory.name), (kind, endpoint), own, vec![]);
        if kind == RuntimeKind::Managed {
            return Ok(of_kind(kind, None));
        }
        match self.serving_runtime(id).await {
            Ok(serving) => {
                let mut status = self.serving_status(&serving, now).await?;
                if let Some(own) = status.own.as_mut().filter(|_| serving.runtime_key() != id.runtime_key()) {
                    // Ours: with whom else it is shared is its owner's.
                    own.links.retain(|link| link.is_of(id.factory().name(), None));
                }
                Ok(status)
            }
            Err(Refusal::Runtime(_)) => Ok(of_kind(kind, None).denied()),
            Err(other) => Err(other),
        }
    }

    /// What the self-hosted runtime `id` does, which has nodes of its own. Its definition is not read, so that it needs no key.
    pub(super) async fn serving_status(&self, id: &ChildId, now: Timestamp) -> Result<RuntimeStatus, Refusal> {
        let view = self.records.view().await?;
        let (own, _) = self.recorded_runtime(&view, id).await?.ok_or_else(|| Refusal::NoChild(id.clone()))?;
        let factory = self.factory(id.factory()).await?;
        let (name, endpoint) = (own.name.clone(), factory.endpoint());
        let nodes = own.nodes.iter().map(|node| self.node_status(node, now)).collect();
        let mut status = RuntimeStatus::of((name, factory.name), (RuntimeKind::SelfHosted, endpoint), Some(own), nodes);
        let dispatcher = status.dispatcher().map(|node| node.node.id);
        for node in &mut status.nodes {
            node.is_in_sync = dispatcher.is_none_or(|dispatcher| !self.connected.differ(dispatcher, node.node.id));
        }
        Ok(status)
    }

    /// The auth keys of a self-hosted runtime.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn auth_keys(&self, id: &ChildId) -> Result<AuthKeys, Refusal> {
        let view = self.records.view().await?;
        let (runtime, _) = self.self_hosted(&view, id).await?;
        let (secrets, _) = self.runtime_secrets(&view, id).await?;
        self.labelled(&view, id, &runtime, &secrets).await
    }

    /// Replaces an auth key by one of these bytes; the former registers no node from then on.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn regenerate_auth_key(
        &self,
        guard: &Guard,
        id: &ChildId,
        (name, bytes): (KeyName, &Zeroizing<[u8; SECRET_BYTES]>),
    ) -> Result<AuthKeys, Refusal> {
        let regenerating = |view: View| async move {
            let (runtime, revision) = self.self_hosted(&view, id).await?;
            let (mut secrets, last) = self.runtime_secrets(&view, id).await?;
            secrets.replace(name, bytes);
            let batch = Batch::default().expect(id.runtime_key(), revision).expect(id.runtime_secrets_key(), last);
            let answer = self.labelled(&view, id, &runtime, &secrets).await?;
            Ok(Change { batch: batch.put(id.runtime_secrets_key(), encode(&secrets)?), answer })
        };
        self.write(guard, regenerating).await
    }

    /// Changes the settings of a self-hosted runtime; answers its definition.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn change_runtime(
        &self,
        guard: &Guard,
        id: &ChildId,
        change: &RuntimeChange,
    ) -> Result<Child, Refusal> {
        let changing = |view: View| async move {
            let (runtime, revision) = self.self_hosted(&view, id).await?;
            let changed = encode(&change.applied_to(runtime))?;
            let batch = Batch::default().expect(id.runtime_key(), revision).put(id.runtime_key(), changed);
            Ok(Change { batch, answer: () })
        };
        self.write(guard, changing).await?;
        self.child(id).await?.ok_or_else(|| Refusal::NoChild(id.clone()))
    }

    /// What a commit must do besides, so that what is put at `id` has what runtimes of its sort have.
    pub(super) async fn with_runtime(
        &self,
        view: &View,
        (id, definition): (&ChildId, &Definition),
        (write, opened): (&FactoryWrite, &Opened),
    ) -> Result<Batch, Refusal> {
        if id.kind() != ChildKind::IntegrationRuntime || kind_of(definition) != RuntimeKind::SelfHosted {
            return Ok(Batch::default());
        }
        let link = linked(definition).map_err(Refusal::Runtime)?;
        let except = link.as_ref().map(|link| &link.runtime);
        let batch = self.unlinking(view, (id.factory(), Some(id.name())), except).await?;
        match (link, self.recorded_runtime(view, id).await?) {
            (Some(link), own) => {
                if let Some((own, _)) = own.filter(|(own, _)| !own.nodes.is_empty() || !own.links.is_empty()) {
                    return Err(Refusal::Runtime(RuntimeRefusal::HasNodes(own.name)));
                }
                let batch = batch.and(self.without_records(view, id).await?);
                Ok(batch.and(self.linking(view, id, (&link, opened, write.now)).await?))
            }
            (None, Some(_)) => Ok(batch),
            (None, None) => Ok(batch.and(new_records(id, write)?)),
        }
    }

    /// What a commit must do besides, so that nothing is left of the runtime that was at `id`: its records, its links and the roles at it.
    ///
    /// # Errors
    /// When it is shared with others.
    pub(super) async fn without_runtime(&self, view: &View, id: &ChildId) -> Result<Batch, Refusal> {
        if id.kind() != ChildKind::IntegrationRuntime {
            return Ok(Batch::default());
        }
        let own = self.recorded_runtime(view, id).await?;
        if let Some(link) = own.as_ref().and_then(|(own, _)| own.links.first()) {
            // Ours: the service's text for this is not public.
            return Err(Refusal::Referenced { by: format!("{}/{}", link.factory, link.name) });
        }
        let batch = self.without_records(view, id).await?;
        let batch = batch.and(self.unlinking(view, (id.factory(), Some(id.name())), None).await?);
        Ok(batch.and(self.authorization.removing_below(view, &id.scope()).await?))
    }

    /// What a commit must do so that there are no nodes and no secrets at `id`.
    async fn without_records(&self, view: &View, id: &ChildId) -> Result<Batch, RecordError> {
        let mut batch = Batch::default();
        for key in [id.runtime_key(), id.runtime_secrets_key()] {
            if let Some(revision) = view.revision_of(&key).await? {
                batch = batch.expect(key.clone(), revision).delete(key);
            }
        }
        Ok(batch)
    }

    /// What a node does at `now`, on the system clock.
    pub(crate) fn node_status(&self, node: &Node, now: Timestamp) -> NodeStatus {
        let (is_online, seen) = (self.connected.is_connected(node.id, now), self.connected.seen(node.id));
        let (last_seen, address) = seen.unwrap_or((node.started, node.address));
        let jobs = self.connected.jobs(node.id);
        NodeStatus { node: node.clone(), is_online, is_in_sync: true, last_seen, address, jobs }
    }

    /// The settings of the self-hosted runtime at `id`, which must be there.
    async fn self_hosted(&self, view: &View, id: &ChildId) -> Result<(Runtime, Revision), Refusal> {
        if let Some(found) = self.recorded_runtime(view, id).await? {
            return Ok(found);
        }
        self.factory_revision(view, id.factory()).await?;
        match view.revision_of(&id.key()).await.map_err(RecordError::from)? {
            Some(_) => Err(self.without_nodes(id).await),
            None => Err(Refusal::NoChild(id.clone())),
        }
    }

    /// Why the runtime `id`, which is there, has neither nodes nor auth keys.
    async fn without_nodes(&self, id: &ChildId) -> Refusal {
        match self.serving_runtime(id).await {
            Ok(serving) => {
                let (name, runtime) = (id.name().to_owned(), serving.to_string());
                Refusal::Runtime(RuntimeRefusal::Linked { name, runtime })
            }
            Err(why) => why,
        }
    }

    async fn recorded_runtime(&self, view: &View, id: &ChildId) -> Result<Option<(Runtime, Revision)>, RecordError> {
        let found = self.records.entry::<Runtime>(view, &id.runtime_key()).await?;
        Ok(found.map(|(runtime, revision)| (runtime.as_ref().clone(), revision)))
    }

    async fn runtime_secrets(&self, view: &View, id: &ChildId) -> Result<(RuntimeSecrets, Revision), RecordError> {
        let key = id.runtime_secrets_key();
        let revision = view.revision_of(&key).await?.unwrap_or(0);
        Ok((read_secrets(&key, &self.records.bytes(view, &key).await?)?, revision))
    }

    async fn labelled(
        &self,
        view: &View,
        id: &ChildId,
        runtime: &Runtime,
        secrets: &RuntimeSecrets,
    ) -> Result<AuthKeys, Refusal> {
        let factory = self.recorded_factory(view, id.factory()).await?.0;
        let factory = factory.ok_or_else(|| Refusal::NoFactory(id.factory().clone()))?;
        let label = KeyLabel { runtime: runtime.id, factory: &factory.name, endpoint: &factory.endpoint() };
        Ok(secrets.auth_keys(&label))
    }
}

/// What a commit must do so that there is a new runtime at `id`, if the write may make one.
fn new_records(id: &ChildId, write: &FactoryWrite) -> Result<Batch, RecordError> {
    let Some(new) = &write.runtime else { return Ok(Batch::default()) };
    let runtime = Runtime {
        name: id.name().to_owned(),
        id: new.id,
        created: write.now,
        auto_update: true,
        update_delay: None,
        nodes: vec![],
        credential_round: 0,
        links: vec![],
    };
    let batch = Batch::default().expect(id.runtime_key(), 0).put(id.runtime_key(), encode(&runtime)?);
    let secrets = encode(&RuntimeSecrets::of(&new.secrets))?;
    Ok(batch.expect(id.runtime_secrets_key(), 0).put(id.runtime_secrets_key(), secrets))
}

/// Checks that what there is of runtimes in `records` can be read.
pub(crate) async fn check_runtimes(records: &Records, view: &View) -> Result<(), RecordError> {
    records.scan::<Runtime>(view, &EntryKey::from("runtime/"), None, usize::MAX).await?;
    for (key, _) in view.keys(&EntryKey::from("runtime-keys/"), None, usize::MAX).await? {
        read_secrets(&key, &records.bytes(view, &key).await?)?;
    }
    Ok(())
}

fn read_secrets(key: &EntryKey, bytes: &[u8]) -> Result<RuntimeSecrets, RecordError> {
    serde_json::from_slice(bytes).map_err(|_| RecordError::Damaged {
        record: String::from_utf8_lossy(key.as_bytes()).into_owned(),
        why: "the secrets of an integration runtime cannot be read".to_owned(),
    })
}
