//! Nodes of self-hosted runtimes: they register, say what they are, are limited, removed. Each write expects the runtime's record as it
//! was read; a registration the secrets too, so that an auth key that is regenerated at the same moment registers no node.

use std::net::IpAddr;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::connection::damaged;
use super::host::FactoryHost;
use super::node::{MAX_JOBS, MAX_NODES, NewNode, Node, check};
use super::record::Runtime;
use super::refusal::RuntimeRefusal;
use crate::clock::Timestamp;
use crate::crypto::credential;
use crate::management::Guard;
use crate::management::factory::Management;
use crate::management::factory::id::{ChildId, FactoryId};
use crate::management::factory::kind::ChildKind;
use crate::management::refusal::Refusal;
use crate::node_protocol::{NodeDescription, Registered};
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey};

/// A node that has shown its secret, and its runtime.
pub(crate) struct KnownNode {
    /// The id of its runtime's resource.
    pub runtime: ChildId,
    /// The node.
    pub node: Node,
    /// The other nodes of the runtime.
    pub others: Vec<Node>,
    /// How often the credentials of the runtime were overwritten.
    pub credential_round: u64,
}

impl Management {
    /// The factory whose host this is.
    ///
    /// # Errors
    /// When there is none, or not in this region.
    pub(crate) async fn factory_at(&self, host: &FactoryHost) -> Result<FactoryId, Refusal> {
        let view = self.records.view().await?;
        let no_factory = || Refusal::Runtime(RuntimeRefusal::NoFactoryHere(host.clone()));
        let key = EntryKey::from(format!("factory-name/{}", host.factory));
        let id = self.records.get::<String>(&view, &key).await?.ok_or_else(no_factory)?;
        let id = FactoryId::of_text(&id).ok_or_else(no_factory)?;
        let factory = self.recorded_factory(&view, &id).await?.0.ok_or_else(no_factory)?;
        let own = FactoryHost::parse(&factory.endpoint());
        own.filter(|own| own == host).map(|_| id).ok_or_else(no_factory)
    }

    /// Makes a node of the runtime in `factory` whose auth key is given. A node that registers again takes its own place.
    ///
    /// # Errors
    /// See [`RuntimeRefusal`].
    pub(crate) async fn register_node(
        &self,
        factory: &FactoryId,
        auth_key: &str,
        (description, new): (&NodeDescription, &NewNode),
    ) -> Result<Registered, Refusal> {
        let registering = |view: View| async move {
            let (id, runtime) = self.runtime_of_key(&view, factory, auth_key).await?;
            check(description).map_err(Refusal::Runtime)?;
            room_for(&runtime, description).map_err(Refusal::Runtime)?;
            let is_same = |one: &Node| is_same(one, description);
            let (node, secret) = Node::registered(new, description);
            let former: Vec<Uuid> = runtime.nodes.iter().filter(|one| is_same(one)).map(|one| one.id).collect();
            let answer = (Registered { runtime: runtime.id, node: node.id, secret }, former);
            let batch = self
                .changing_runtime(&view, &id, |runtime| {
                    runtime.nodes.retain(|one| !is_same(one));
                    runtime.nodes.push(node);
                })
                .await?;
            let secrets = id.runtime_secrets_key();
            let last = view.revision_of(&secrets).await.map_err(RecordError::from)?.unwrap_or(0);
            Ok::<_, Refusal>(Change { batch: batch.expect(secrets, last), answer })
        };
        let (registered, former) = self.records.update(registering).await?;
        former.into_iter().for_each(|node| self.connected.forget(node));
        Ok(registered)
    }

    /// The node of `factory` with this id, if `secret` is its own.
    ///
    /// # Errors
    /// When there is no such node with that secret.
    pub(crate) async fn known_node(
        &self,
        factory: &FactoryId,
        runtime: Uuid,
        (node, secret): (Uuid, &str),
    ) -> Result<KnownNode, Refusal> {
        let view = self.records.view().await?;
        let found = self.runtime_with(&view, factory, runtime).await?;
        let unknown = || Refusal::Runtime(RuntimeRefusal::NodeSecret);
        let (id, runtime) = found.ok_or_else(unknown)?;
        let (mut own, others): (Vec<Node>, _) = runtime.nodes.into_iter().partition(|one| one.id == node);
        let node = own.pop().filter(|node| node.has_secret(secret)).ok_or_else(unknown)?;
        Ok(KnownNode { runtime: id, node, others, credential_round: runtime.credential_round })
    }

    /// Notes that the program of a node has started at `now`, and what the node is.
    ///
    /// # Errors
    /// When the description cannot be, or the node was removed.
    pub(crate) async fn node_started(
        &self,
        known: &KnownNode,
        (description, address): (&NodeDescription, IpAddr),
        now: Timestamp,
    ) -> Result<(), Refusal> {
        check(description).map_err(Refusal::Runtime)?;
        let noting = |view: View| async move {
            let (id, node) = (&known.runtime, &known.node);
            let (runtime, _) = self.self_hosted(&view, id).await?;
            let is_other = |other: &Node| other.id != node.id && other.is_called(&description.name);
            if runtime.nodes.iter().any(is_other) {
                return Err(Refusal::Runtime(RuntimeRefusal::NodeNameTaken(description.name.clone())));
            }
            if !runtime.nodes.iter().any(|one| one.id == node.id) {
                return Err(Refusal::Runtime(RuntimeRefusal::NodeSecret));
            }
            let change = |runtime: &mut Runtime| {
                for one in runtime.nodes.iter_mut().filter(|one| one.id == node.id) {
                    one.description = description.clone();
                    (one.started, one.address) = (now, address);
                }
            };
            Ok(Change { batch: self.changing_runtime(&view, id, change).await?, answer: () })
        };
        self.records.update(noting).await
    }

    /// The node called `name` of a self-hosted runtime.
    ///
    /// # Errors
    /// When there is no such runtime or node.
    pub(crate) async fn node(&self, id: &ChildId, name: &str) -> Result<Node, Refusal> {
        let view = self.records.view().await?;
        let (runtime, _) = self.self_hosted(&view, id).await?;
        let found = runtime.nodes.into_iter().find(|node| node.is_called(name));
        found.ok_or_else(|| Refusal::Runtime(RuntimeRefusal::NoNode(name.to_owned())))
    }

    /// Limits how many activities a node runs at once.
    ///
    /// # Errors
    /// When there is no such node, or the limit is none that a node can have.
    pub(crate) async fn limit_node(
        &self,
        guard: &Guard,
        id: &ChildId,
        name: &str,
        limit: u32,
    ) -> Result<Node, Refusal> {
        if !(1..=MAX_JOBS).contains(&limit) {
            return Err(Refusal::Runtime(RuntimeRefusal::JobsLimit(limit)));
        }
        let limiting = |view: View| async move {
            let (runtime, _) = self.self_hosted(&view, id).await?;
            let found = runtime.nodes.into_iter().find(|node| node.is_called(name));
            let node = found.ok_or_else(|| Refusal::Runtime(RuntimeRefusal::NoNode(name.to_owned())))?;
            let mut node = node;
            node.concurrent_jobs_limit = Some(limit);
            let answer = node.clone();
            let change = |runtime: &mut Runtime| {
                if let Some(one) = runtime.nodes.iter_mut().find(|one| one.id == node.id) {
                    *one = node;
                }
            };
            Ok(Change { batch: self.changing_runtime(&view, id, change).await?, answer })
        };
        self.write(guard, limiting).await
    }

    /// Removes a node; a connected one gets the task to stop, and the tokens that it was given for other nodes count no more there.
    /// Answers whether there was one.
    ///
    /// # Errors
    /// When there is no such runtime.
    pub(crate) async fn remove_node(&self, guard: &Guard, id: &ChildId, name: &str) -> Result<bool, Refusal> {
        let removing = |view: View| async move {
            let (runtime, _) = self.self_hosted(&view, id).await?;
            let (removed, others): (Vec<Node>, _) = runtime.nodes.into_iter().partition(|node| node.is_called(name));
            let Some(node) = removed.first().map(|node| node.id) else {
                return Ok(Change { batch: Batch::default(), answer: None });
            };
            let change = |runtime: &mut Runtime| runtime.nodes.retain(|one| one.id != node);
            let batch = self.changing_runtime(&view, id, change).await?;
            Ok(Change { batch: self.revoking_tokens(&view, id, batch).await?, answer: Some((node, others)) })
        };
        let removed = self.write(guard, removing).await?;
        if let Some((node, others)) = &removed {
            self.connected.forget(*node);
            // They get the new key now.
            self.connected.state().wake(others);
        }
        Ok(removed.is_some())
    }

    /// `batch`, with which the tokens that nodes of the runtime were given for each other count no more.
    async fn revoking_tokens(&self, view: &View, id: &ChildId, batch: Batch) -> Result<Batch, Refusal> {
        let (mut secrets, last) = self.runtime_secrets(view, id).await?;
        secrets.revoke_tokens().map_err(|error| damaged(id, &error))?;
        Ok(batch.expect(id.runtime_secrets_key(), last).put(id.runtime_secrets_key(), encode(&secrets)?))
    }

    /// The runtime that `auth_key` is a key of. Which one it names, and whether that is there, shows in no time and in no text.
    async fn runtime_of_key(
        &self,
        view: &View,
        factory: &FactoryId,
        auth_key: &str,
    ) -> Result<(ChildId, Runtime), Refusal> {
        let refused = || Refusal::Runtime(RuntimeRefusal::AuthKey);
        let named = auth_key.strip_prefix("IR@").and_then(|rest| rest.split('@').next());
        let named = named.and_then(|id| Uuid::parse_str(id).ok()).ok_or_else(refused)?;
        let (id, runtime) = self.runtime_with(view, factory, named).await?.ok_or_else(refused)?;
        let (secrets, _) = self.runtime_secrets(view, &id).await?;
        let keys = self.labelled(view, &id, &runtime, &secrets).await?;
        let is = |key: &Zeroizing<String>| credential::matches(auth_key.as_bytes(), key.as_bytes());
        let (first, second) = (is(&keys.first), is(&keys.second));
        if first | second { Ok((id, runtime)) } else { Err(refused()) }
    }

    /// The self-hosted runtime of `factory` with this id.
    async fn runtime_with(
        &self,
        view: &View,
        factory: &FactoryId,
        id: Uuid,
    ) -> Result<Option<(ChildId, Runtime)>, RecordError> {
        let [records, _] = factory.runtime_records();
        let all = self.records.scan::<Runtime>(view, &records, None, usize::MAX).await?;
        let found = all.iter().find(|runtime| runtime.id == id);
        Ok(found.and_then(|runtime| {
            let id = ChildId::parse(factory.clone(), ChildKind::IntegrationRuntime, &runtime.name).ok()?;
            Some((id, runtime.as_ref().clone()))
        }))
    }

    pub(super) async fn changing_runtime(
        &self,
        view: &View,
        id: &ChildId,
        change: impl FnOnce(&mut Runtime) + Send,
    ) -> Result<Batch, Refusal> {
        let (mut runtime, revision) = self.self_hosted(view, id).await?;
        change(&mut runtime);
        Ok(Batch::default().expect(id.runtime_key(), revision).put(id.runtime_key(), encode(&runtime)?))
    }
}

/// Whether it is the same node that registers again: one that was killed before it had kept the answer.
fn is_same(node: &Node, description: &NodeDescription) -> bool {
    node.is_called(&description.name) && node.description.public_key == description.public_key
}

/// Whether a node that describes itself so may join the others.
fn room_for(runtime: &Runtime, description: &NodeDescription) -> Result<(), RuntimeRefusal> {
    let nodes: Vec<&Node> = runtime.nodes.iter().filter(|node| !is_same(node, description)).collect();
    if nodes.iter().any(|node| node.is_called(&description.name)) {
        return Err(RuntimeRefusal::NodeNameTaken(description.name.clone()));
    }
    if nodes.len() >= MAX_NODES {
        return Err(RuntimeRefusal::TooManyNodes);
    }
    match nodes.iter().all(|node| node.description.remote_access) {
        true => Ok(()),
        false => Err(RuntimeRefusal::RemoteAccessOff),
    }
}
