//! Factories with what belongs to them, by their names alone, which are unique in the world: as the server's own tools see them.

use super::child::Definition;
use super::id::{ChildId, FactoryId};
use super::kind::ChildKind;
use super::network::Connection;
use super::{Factory, Management};
use crate::management::refusal::Refusal;
use crate::records::{RecordError, View};
use crate::store::EntryKey;

/// A factory with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct DescribedFactory {
    /// Its id.
    pub id: FactoryId,
    /// It.
    pub factory: Factory,
    /// The connections of private endpoints to it.
    pub connections: Vec<Connection>,
    /// How many there are of each kind of what is in it.
    pub contents: Vec<(ChildKind, usize)>,
}

impl Management {
    /// The id of the factory called `name`, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn factory_named(&self, name: &str) -> Result<Option<FactoryId>, Refusal> {
        let key = EntryKey::from(format!("factory-name/{}", name.to_ascii_lowercase()));
        let view = self.records.view().await?;
        let found = self.records.entry::<String>(&view, &key).await?;
        Ok(found.and_then(|(id, _)| FactoryId::of_text(&id)))
    }

    /// Every factory, by subscription, group and name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn described_factories(&self) -> Result<Vec<DescribedFactory>, Refusal> {
        let view = self.records.view().await?;
        let mut all = Vec::new();
        for (id, factory) in self.all_factories(&view).await? {
            all.push(self.describing(&view, id, factory).await?);
        }
        Ok(all)
    }

    /// The factory of this id.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn described_factory(&self, id: &FactoryId) -> Result<DescribedFactory, Refusal> {
        let view = self.records.view().await?;
        let found = self.recorded_factory(&view, id).await?.0;
        let factory = found.ok_or_else(|| Refusal::NoFactory(id.clone()))?;
        self.describing(&view, id.clone(), factory).await
    }

    async fn describing(&self, view: &View, id: FactoryId, factory: Factory) -> Result<DescribedFactory, Refusal> {
        let found = self.records.scan::<Connection>(view, &id.connections(), None, usize::MAX).await?;
        let connections = found.iter().map(|connection| connection.as_ref().clone()).collect();
        let mut contents = Vec::new();
        for kind in ChildKind::ALL {
            let keys = view.keys(&ChildId::keys_of(&id, kind), None, usize::MAX).await.map_err(RecordError::from)?;
            contents.push((kind, keys.len()));
        }
        Ok(DescribedFactory { id, factory, connections, contents })
    }
}

impl Factory {
    /// The members of its properties that are shown.
    pub(crate) fn shown_properties(&self) -> Definition {
        let mut properties = self.properties.clone();
        let key = self.encryption.as_ref().and_then(|key| serde_json::to_value(&key.settings).ok());
        properties.extend(key.map(|settings| ("encryption".to_owned(), settings)));
        properties
    }
}
