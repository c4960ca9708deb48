//! Writes and reads of what is in a factory. Each write expects the last one in the same factory, so that no reference loses what it
//! leads to, and none is left behind when the factory goes.

use super::child::{Child, ChildRecord, Definition, defining, managed_identity};
use super::id::{ChildId, FactoryId};
use super::kind::ChildKind;
use super::opened::Opened;
use super::references::{Reference, references};
use super::{FactoryWrite, Management, check_match};
use crate::management::refusal::Refusal;
use crate::management::stamping;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Revision};

impl Management {
    /// What is called so, if it is there.
    ///
    /// # Errors
    /// When there is no such factory, or its customer's key is away.
    pub(crate) async fn child(&self, id: &ChildId) -> Result<Option<Child>, Refusal> {
        let opened = self.opened(id.factory()).await?;
        let view = self.records.view().await?;
        self.opened_revision(&view, id.factory(), &opened).await?;
        Ok(self.recorded_child(&view, id, &opened).await?.0)
    }

    /// All of one kind in a factory, by name.
    ///
    /// # Errors
    /// When there is no such factory, or its customer's key is away.
    pub(crate) async fn children(&self, factory: &FactoryId, kind: ChildKind) -> Result<Vec<Child>, Refusal> {
        let opened = self.opened(factory).await?;
        let view = self.records.view().await?;
        self.opened_revision(&view, factory, &opened).await?;
        self.recorded_children(&view, (factory, kind), &opened).await
    }

    /// Makes something in a factory, or makes it anew.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn put_child(
        &self,
        id: &ChildId,
        properties: &Definition,
        write: &FactoryWrite,
    ) -> Result<Child, Refusal> {
        let opened = &self.opened(id.factory()).await?;
        let given = &self.given(id, properties, (write, opened)).await?;
        let putting = |view: View| async move {
            let mut batch = self.writing_in(&view, id.factory(), opened).await?;
            let (existing, revision) = self.recorded_child(&view, id, opened).await?;
            check_match(existing.as_ref().map(|one| one.etag), write.if_match.as_deref())?;
            let (properties, secrets) = given.kept(id, existing.as_ref(), opened)?;
            let (named, network) = ((id.kind(), id.name()), write.identity.object_id);
            let properties = defining(named, properties, existing.as_ref(), network)?;
            self.check_references(&view, id.factory(), &properties).await?;
            self.check_credential(&view, id, &properties).await?;
            let name = existing.map_or_else(|| id.name().to_owned(), |existing| existing.name);
            let child = Child { name, properties, secrets, etag: write.etag };
            if let Some(revision) = given.system_keys() {
                batch = batch.expect(id.factory().system_keys_key(), revision);
            }
            let batch = batch.and(self.with_runtime(&view, (id, &child.properties), (write, opened)).await?);
            let record = ChildRecord::sealing(id, &child, opened)?;
            let batch = batch.expect(id.key(), revision).put(id.key(), encode(&record)?);
            Ok(Change { batch, answer: child })
        };
        self.write(&write.guard, putting).await
    }

    /// Deletes something in a factory that nothing refers to. Answers whether it was there.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn delete_child(&self, id: &ChildId, write: &FactoryWrite) -> Result<bool, Refusal> {
        let opened = &self.opened(id.factory()).await?;
        let deleting = |view: View| async move {
            let batch = self.writing_in(&view, id.factory(), opened).await?;
            let (existing, revision) = self.recorded_child(&view, id, opened).await?;
            if existing.is_none() {
                return Ok(Change { batch: Batch::default(), answer: false });
            }
            if let Some(by) = self.referrer(&view, id, opened).await? {
                return Err(Refusal::Referenced { by });
            }
            let batch = batch.and(self.without_runtime(&view, id).await?);
            Ok(Change { batch: batch.expect(id.key(), revision).delete(id.key()), answer: true })
        };
        self.write(&write.guard, deleting).await
    }

    /// The begin of a batch that changes what is in `factory`.
    async fn writing_in(&self, view: &View, factory: &FactoryId, opened: &Opened) -> Result<Batch, Refusal> {
        let revision = self.opened_revision(view, factory, opened).await?;
        Ok(stamping(view, factory.contents_stamp()).await?.expect(factory.key(), revision))
    }

    pub(super) async fn factory_revision(&self, view: &View, factory: &FactoryId) -> Result<Revision, Refusal> {
        let revision = view.revision_of(&factory.key()).await.map_err(RecordError::from)?;
        revision.ok_or_else(|| Refusal::NoFactory(factory.clone()))
    }

    pub(super) async fn recorded_child(
        &self,
        view: &View,
        id: &ChildId,
        opened: &Opened,
    ) -> Result<(Option<Child>, Revision), Refusal> {
        let found = self.records.entry::<ChildRecord>(view, &id.key()).await?;
        let Some((record, revision)) = found else { return Ok((None, 0)) };
        Ok((Some(record.open(id, opened)?), revision))
    }

    pub(super) async fn recorded_children(
        &self,
        view: &View,
        (factory, kind): (&FactoryId, ChildKind),
        opened: &Opened,
    ) -> Result<Vec<Child>, Refusal> {
        let found = self.records.scan::<ChildRecord>(view, &ChildId::keys_of(factory, kind), None, usize::MAX).await?;
        let named = |record: &ChildRecord| ChildId::parse(factory.clone(), kind, &record.name).ok();
        let open = |record: &ChildRecord| Some(record.open(&named(record)?, opened));
        found.iter().filter_map(|record| open(record)).collect()
    }

    async fn check_references(&self, view: &View, factory: &FactoryId, properties: &Definition) -> Result<(), Refusal> {
        for Reference { kind, name } in references(properties) {
            let is_there = match ChildId::parse(factory.clone(), kind, &name) {
                Ok(id) => view.revision_of(&id.key()).await.map_err(RecordError::from)?.is_some(),
                Err(_) => false,
            };
            if !is_there {
                return Err(Refusal::InvalidReference { name });
            }
        }
        Ok(())
    }

    /// Refuses a credential of an identity that its factory does not have (ours: the service has no public text).
    async fn check_credential(&self, view: &View, id: &ChildId, properties: &Definition) -> Result<(), Refusal> {
        let identity = managed_identity(properties).filter(|_| id.kind() == ChildKind::Credential);
        let Some(identity) = identity else { return Ok(()) };
        let factory = self.recorded_factory(view, id.factory()).await?.0;
        let assigned = factory.and_then(|factory| factory.identity).unwrap_or_default();
        match assigned.has_user(identity) {
            true => Ok(()),
            false => Err(Refusal::CredentialIdentity(identity.to_owned())),
        }
    }

    /// The name of what refers to `id`, besides itself.
    async fn referrer(&self, view: &View, id: &ChildId, opened: &Opened) -> Result<Option<String>, Refusal> {
        let leads_here =
            |reference: &Reference| reference.kind == id.kind() && reference.name.eq_ignore_ascii_case(id.name());
        for kind in ChildKind::ALL {
            let all = self.recorded_children(view, (id.factory(), kind), opened).await?;
            let is_itself = |child: &Child| kind == id.kind() && child.name.eq_ignore_ascii_case(id.name());
            let refers = |child: &Child| !is_itself(child) && references(&child.properties).iter().any(leads_here);
            if let Some(found) = all.iter().find(|child| refers(child)) {
                return Ok(Some(found.name.clone()));
            }
        }
        Ok(None)
    }
}
