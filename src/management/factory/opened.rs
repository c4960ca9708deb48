//! What opens the definitions in a factory. Under a customer's key its vault unwraps the data key for each read and each write, and
//! nothing of it is kept.

use super::child::{Child, ChildRecord, Definition};
use super::customer_key::CustomerKey;
use super::id::{ChildId, FactoryId};
use super::{Factory, Management};
use crate::crypto::base64url;
use crate::factory::{DataKey, Encryption};
use crate::management::refusal::Refusal;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Revision};

/// The data key of a factory; none of one without a customer's key.
pub(super) struct Opened(Option<DataKey>);

impl Opened {
    /// The data key.
    pub(super) const fn data_key(&self) -> Option<&DataKey> {
        self.0.as_ref()
    }

    /// Whether it opens what is in `factory`: not when that is another one of the same name by now.
    fn is_of(&self, factory: &Factory) -> bool {
        let id = factory.encryption.as_ref().map(|key| key.encryption.data_key.as_str());
        id == self.0.as_ref().map(DataKey::id)
    }
}

impl Management {
    /// Has the data key of a factory unwrapped.
    ///
    /// # Errors
    /// [`Refusal::NoFactory`]; [`Refusal::KeyAway`] when the vault refuses.
    pub(super) async fn opened(&self, id: &FactoryId) -> Result<Opened, Refusal> {
        let view = self.records.view().await?;
        let factory = self.recorded_factory(&view, id).await?.0.ok_or_else(|| Refusal::NoFactory(id.clone()))?;
        let own = factory.own_identity();
        let Some(CustomerKey { encryption, .. }) = factory.encryption else { return Ok(Opened(None)) };
        let (tenant, before) = (self.directory.tenant_id().to_string(), encryption.clone());
        let asking = self.access.run(own, move |vaults| {
            // Ours: a new version is followed by the next read or write. While it cannot be, the one in use counts.
            let latest = encryption.at_latest(vaults, &tenant).unwrap_or_default();
            (latest.as_ref().unwrap_or(&encryption).unwrapped(vaults), latest)
        });
        let (data_key, latest) = asking.await?;
        if let Some(latest) = latest {
            self.follow(id, &before, &latest).await?;
        }
        data_key.map(|key| Opened(Some(key))).map_err(Refusal::KeyAway)
    }

    /// Records that the data key of a factory is under another version of its key, unless something else was done to it meanwhile.
    async fn follow(&self, id: &FactoryId, before: &Encryption, latest: &Encryption) -> Result<(), Refusal> {
        let following = |view: View| async move {
            let (found, revision) = self.recorded_factory(&view, id).await?;
            let Some(mut factory) = found else { return Ok(Change { batch: Batch::default(), answer: () }) };
            match &mut factory.encryption {
                Some(key) if key.encryption == *before => key.encryption = latest.clone(),
                _ => return Ok(Change { batch: Batch::default(), answer: () }),
            }
            let batch = Batch::default().expect(id.key(), revision).put(id.key(), encode(&factory)?);
            Ok::<_, Refusal>(Change { batch, answer: () })
        };
        self.records.update(following).await
    }

    /// The revision of a factory, which `opened` opens.
    ///
    /// # Errors
    /// When there is none, or another one by now.
    pub(super) async fn opened_revision(
        &self,
        view: &View,
        id: &FactoryId,
        opened: &Opened,
    ) -> Result<Revision, Refusal> {
        match self.recorded_factory(view, id).await? {
            (None, _) => Err(Refusal::NoFactory(id.clone())),
            (Some(factory), revision) if opened.is_of(&factory) => Ok(revision),
            _ => Err(RecordError::Busy.into()),
        }
    }
}

impl ChildRecord {
    /// The record of `child`, called `id`.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub(super) fn sealing(id: &ChildId, child: &Child, opened: &Opened) -> Result<Self, Refusal> {
        let Child { name, properties, etag } = child.clone();
        let Some(key) = opened.data_key() else { return Ok(Self { name, properties, sealed: None, etag }) };
        let sealed = key.seal(&id.associated_data(), &encode(&properties)?).map_err(Refusal::KeyAway)?;
        Ok(Self { name, properties: Definition::new(), sealed: Some(base64url::encode(&sealed)), etag })
    }

    /// What it is the record of.
    ///
    /// # Errors
    /// When it does not open.
    pub(super) fn open(&self, id: &ChildId, opened: &Opened) -> Result<Child, Refusal> {
        let (name, etag) = (self.name.clone(), self.etag);
        let (Some(sealed), Some(key)) = (&self.sealed, opened.data_key()) else {
            return Ok(Child { name, properties: self.properties.clone(), etag });
        };
        let sealed = base64url::decode(sealed).unwrap_or_default();
        let plain = key.open(&id.associated_data(), &sealed).map_err(Refusal::KeyAway)?;
        let properties = serde_json::from_slice(&plain)
            .map_err(|error| RecordError::Damaged { record: id.to_string(), why: error.to_string() })?;
        Ok(Child { name, properties, etag })
    }
}
