//! With which runtimes of other factories' a runtime is shared: entries of the shared one, which the definition of a linked one makes, or who
//! shares it. They go with the linked runtime, with its factory, or by request.

use super::definition::Linked;
use super::record::{Link, Runtime};
use super::refusal::RuntimeRefusal;
use crate::clock::Timestamp;
use crate::management::Guard;
use crate::management::factory::Management;
use crate::management::factory::id::{ChildId, FactoryId};
use crate::management::factory::opened::Opened;
use crate::management::refusal::Refusal;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey, Revision};

/// The most runtimes that one is shared with (ours: its entries are in one record).
const MAX_LINKS: usize = 200;

impl Management {
    /// Notes that a self-hosted runtime is shared with `link`.
    ///
    /// # Errors
    /// When there is no such runtime, it had no node yet, or has too many links.
    pub(crate) async fn add_link(&self, guard: &Guard, id: &ChildId, link: &Link) -> Result<(), Refusal> {
        let adding = |view: View| async move {
            let (runtime, revision) = self.self_hosted(&view, id).await?;
            Ok(Change { batch: with_link(id, (runtime, revision), link)?, answer: () })
        };
        self.write(guard, adding).await
    }

    /// Removes all links of a self-hosted runtime to runtimes of the factory called `factory`: they cannot use it any more.
    ///
    /// # Errors
    /// When there is no such runtime.
    pub(crate) async fn remove_links(&self, guard: &Guard, id: &ChildId, factory: &str) -> Result<(), Refusal> {
        let removing = |view: View| async move {
            let (mut runtime, revision) = self.self_hosted(&view, id).await?;
            runtime.links.retain(|link| !link.is_of(factory, None));
            let batch = Batch::default().expect(id.runtime_key(), revision).put(id.runtime_key(), encode(&runtime)?);
            Ok(Change { batch, answer: () })
        };
        self.write(guard, removing).await
    }

    /// What a commit must do so that the runtime `id` is the one that `linked` names.
    pub(super) async fn linking(
        &self,
        view: &View,
        id: &ChildId,
        (linked, opened, now): (&Linked, &Opened, Timestamp),
    ) -> Result<Batch, Refusal> {
        let shared = self.shared_runtime(view, id, (linked, opened)).await?;
        if linked.runtime.runtime_key() == id.runtime_key() {
            return Err(Refusal::Runtime(RuntimeRefusal::NotShareable(id.name().to_owned())));
        }
        let factory = self.recorded_factory(view, id.factory()).await?.0;
        let factory = factory.ok_or_else(|| Refusal::NoFactory(id.factory().clone()))?;
        let link = Link {
            name: id.name().to_owned(),
            subscription: id.factory().group().subscription(),
            factory: factory.name,
            location: factory.location,
            created: now,
        };
        with_link(&linked.runtime, shared, &link)
    }

    /// What a commit must do so that no runtime but `except` is shared with `factory` any more, or with its runtime called `name`.
    pub(crate) async fn unlinking(
        &self,
        view: &View,
        (factory, name): (&FactoryId, Option<&str>),
        except: Option<&ChildId>,
    ) -> Result<Batch, RecordError> {
        let [own, _] = factory.runtime_records();
        let except = except.map(ChildId::runtime_key);
        let mut batch = Batch::default();
        for (key, _) in view.keys(&EntryKey::from("runtime/"), None, usize::MAX).await? {
            let is_own = key.as_bytes().starts_with(own.as_bytes());
            let found =
                self.records.entry::<Runtime>(view, &key).await?.filter(|_| !is_own && except.as_ref() != Some(&key));
            let Some((runtime, revision)) = found else { continue };
            if runtime.links.iter().any(|link| link.is_of(factory.name(), name)) {
                let mut runtime = runtime.as_ref().clone();
                runtime.links.retain(|link| !link.is_of(factory.name(), name));
                batch = batch.expect(key.clone(), revision).put(key, encode(&runtime)?);
            }
        }
        Ok(batch)
    }
}

/// What a commit must do so that `runtime` has `link`.
fn with_link(id: &ChildId, (mut runtime, revision): (Runtime, Revision), link: &Link) -> Result<Batch, Refusal> {
    let batch = Batch::default().expect(id.runtime_key(), revision);
    if runtime.nodes.is_empty() {
        return Err(Refusal::Runtime(RuntimeRefusal::NoRegisteredNode(runtime.name)));
    }
    if runtime.links.iter().any(|one| one.is_of(&link.factory, Some(&link.name))) {
        return Ok(batch);
    }
    if runtime.links.len() >= MAX_LINKS {
        return Err(Refusal::Runtime(RuntimeRefusal::TooManyLinks(MAX_LINKS)));
    }
    runtime.links.push(link.clone());
    Ok(batch.put(id.runtime_key(), encode(&runtime)?))
}
