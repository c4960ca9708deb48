//! What opens the definitions in a factory. Under a customer's key its vault unwraps the data key for each read and each write, and
//! nothing of it is kept.

use super::child::{Child, ChildRecord, Definition, SealedSecrets};
use super::customer_key::CustomerKey;
use super::id::{ChildId, FactoryId};
use super::kind::ChildKind;
use super::sealed_secret::{associated_data, open_secret};
use super::{Factory, Management};
use crate::crypto::base64url;
use crate::factory::{self, DataKey, Encryption, Place, Sealed, SystemLayer};
use crate::management::refusal::Refusal;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Revision};

/// The most definitions that are in a factory although it counts as empty, such as those of integration runtimes, when it gets a key:
/// they are sealed in the commit of the key.
const MOST_AT_FIRST: usize = 100;

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

    /// What a commit must do so that the definitions in a factory, which are in the open, and their secrets, which are under its system
    /// key alone, are under `first`, its new data key.
    ///
    /// # Errors
    /// When there are too many of them, or a secret does not open.
    pub(super) async fn sealing_contents(
        &self,
        view: &View,
        id: &FactoryId,
        first: &DataKey,
    ) -> Result<Batch, Refusal> {
        let mut all = Vec::new();
        for kind in ChildKind::ALL {
            for child in self.recorded_children(view, (id, kind), &Opened(None)).await? {
                all.extend(ChildId::parse(id.clone(), kind, &child.name).map(|place| (place, child)));
            }
        }
        if all.len() > MOST_AT_FIRST {
            return Err(Refusal::CustomerKey(factory::Refusal::NotEmpty));
        }
        let layers = self.system_layers(view, id).await?;
        let mut batch = Batch::default();
        for (place, child) in all {
            // A renewal of the system key moves secrets meanwhile, and the key of those that it has not moved goes.
            let revision = view.revision_of(&place.key()).await.map_err(RecordError::from)?.unwrap_or(0);
            let secrets = under_data_key(&place, &child.secrets, (&layers, first)).map_err(Refusal::Sealing)?;
            let record = ChildRecord::sealed(&place, &Child { secrets, ..child }, first)?;
            batch = batch.expect(place.key(), revision).put(place.key(), encode(&record)?);
        }
        Ok(batch)
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
        let Child { name, properties, secrets, etag } = child.clone();
        match opened.data_key() {
            Some(key) => Self::sealed(id, child, key),
            None => Ok(Self { name, properties, sealed: None, secrets, etag }),
        }
    }

    /// The record under `key`.
    fn sealed(id: &ChildId, child: &Child, key: &DataKey) -> Result<Self, Refusal> {
        let Child { name, properties, secrets, etag } = child.clone();
        let sealed = key.seal(&id.associated_data(), &encode(&properties)?).map_err(Refusal::KeyAway)?;
        Ok(Self { name, properties: Definition::new(), sealed: Some(base64url::encode(&sealed)), secrets, etag })
    }

    /// What it is the record of.
    ///
    /// # Errors
    /// When it does not open.
    pub(super) fn open(&self, id: &ChildId, opened: &Opened) -> Result<Child, Refusal> {
        let (name, secrets, etag) = (self.name.clone(), self.secrets.clone(), self.etag);
        let (Some(sealed), Some(key)) = (&self.sealed, opened.data_key()) else {
            return Ok(Child { name, properties: self.properties.clone(), secrets, etag });
        };
        let sealed = base64url::decode(sealed).unwrap_or_default();
        let plain = key.open(&id.associated_data(), &sealed).map_err(Refusal::KeyAway)?;
        let properties = serde_json::from_slice(&plain)
            .map_err(|error| RecordError::Damaged { record: id.to_string(), why: error.to_string() })?;
        Ok(Child { name, properties, secrets, etag })
    }
}

/// Secrets that are under a system key alone, under `first` too.
fn under_data_key(
    id: &ChildId,
    secrets: &SealedSecrets,
    (layers, first): (&[SystemLayer], &DataKey),
) -> Result<SealedSecrets, factory::Refusal> {
    let sealed = |(place, sealed): (&Place, &Sealed)| {
        let (layer, plain) = open_secret(id, (place, sealed), (layers, None))?;
        Ok((place.clone(), layer.seal(Some(first), &associated_data(id, place), &plain)?))
    };
    secrets.iter().map(sealed).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;
    use zeroize::Zeroizing;

    use super::*;
    use crate::clock::Timestamp;
    use crate::management::factory::{
        Definition, FactoryDefinition, FactoryWrite, IdentityDefinition, KeySettings, NewIdentity,
    };
    use crate::management::{GroupId, Management, tests::management};
    use crate::remote::{Answer, Credential, RequestError, Transport};
    use crate::resource_id::DEFAULT_RESOURCE_GROUP;

    /// A vault whose key `cmk` wraps nothing: what it wraps is the same.
    fn vault(request: &ureq::http::Request<&[u8]>) -> (u16, Value) {
        let kid = "https://safe.vault.azure.net/keys/cmk/1";
        match (request.headers().contains_key("authorization"), request.uri().path()) {
            (false, _) => (401, Value::Null),
            (true, "/keys/cmk") => {
                (200, json!({"key": {"kid": kid, "kty": "RSA"}, "attributes": {"recoveryLevel": "Recoverable"}}))
            }
            _ => {
                let asked: Value = serde_json::from_slice(request.body()).unwrap();
                (200, json!({"kid": kid, "value": asked["value"]}))
            }
        }
    }

    fn with_vault() -> Management {
        let challenge = format!(
            r#"Bearer authorization="https://login.microsoftonline.com/{}", resource="https://vault.azure.net""#,
            Uuid::from_u128(1)
        );
        let transport = Transport::within(move |request| {
            let (status, body) = vault(&request);
            let headers = [("www-authenticate".parse().unwrap(), challenge.parse().unwrap())].into_iter().collect();
            Ok::<_, RequestError>(Answer { status, headers, body: Zeroizing::new(body.to_string().into_bytes()) })
        });
        management(factory::VaultClients::new(transport, Credential::bearer("t")))
    }

    async fn write(management: &Management) -> FactoryWrite {
        FactoryWrite {
            guard: management.authorization.current().await.unwrap().guard,
            if_match: None,
            etag: Uuid::from_u128(7),
            identity: NewIdentity { object_id: Uuid::from_u128(8), client_id: Uuid::from_u128(9) },
            runtime: None,
            now: Timestamp::from_unix(0),
            system_now: Timestamp::from_unix(0),
        }
    }

    fn wanted(encryption: Option<KeySettings>) -> FactoryDefinition {
        let identity = Some(IdentityDefinition { system: true, ..IdentityDefinition::default() });
        FactoryDefinition { location: "x".to_owned(), tags: None, identity, encryption, properties: Definition::new() }
    }

    #[tokio::test]
    async fn records_show_name_and_etag_alone_also_of_what_was_there_before_the_key() {
        let management = with_vault();
        let group = GroupId::parse(Uuid::from_u128(2), DEFAULT_RESOURCE_GROUP).unwrap();
        let id = FactoryId::parse(group, "acme").unwrap();
        let place = |kind, name: &str| ChildId::parse(id.clone(), kind, name).unwrap();
        let runtime = place(ChildKind::IntegrationRuntime, "before");
        let pipeline = place(ChildKind::Pipeline, "after");
        let write = write(&management).await;
        management.put_factory(&id, &wanted(None), &write).await.unwrap();
        let definition = |text: &str| json!({"type": "Managed", "description": text}).as_object().cloned().unwrap();
        management.put_child(&runtime, &definition("plain text"), &write).await.unwrap();
        let settings = json!({"vaultBaseUrl": "https://safe.vault.azure.net", "keyName": "cmk"});
        let settings = serde_json::from_value(settings).unwrap();
        management.put_factory(&id, &wanted(Some(settings)), &write).await.unwrap();
        management.put_child(&pipeline, &definition("plain text"), &write).await.unwrap();

        for place in [&runtime, &pipeline] {
            let view = management.records.view().await.unwrap();
            let record: Value =
                serde_json::from_slice(&management.records.bytes(&view, &place.key()).await.unwrap()).unwrap();
            let members: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["etag", "name", "sealed"], "{place}");
            let read = management.child(place).await.unwrap().unwrap();
            assert_eq!(read.properties, definition("plain text"), "{place}");
        }
        // A record opens in its own place alone.
        let view = management.records.view().await.unwrap();
        let opened = management.opened(&id).await.unwrap();
        let record = management.records.get::<ChildRecord>(&view, &pipeline.key()).await.unwrap().unwrap();
        assert!(record.open(&pipeline, &opened).is_ok());
        assert!(record.open(&place(ChildKind::Pipeline, "other"), &opened).is_err());
        assert!(record.open(&place(ChildKind::Dataset, "after"), &opened).is_err());
    }

    #[tokio::test]
    async fn secrets_that_were_there_before_the_key_are_under_it_too() {
        let management = with_vault();
        let group = GroupId::parse(Uuid::from_u128(2), DEFAULT_RESOURCE_GROUP).unwrap();
        let id = FactoryId::parse(group, "acme").unwrap();
        let runtime = ChildId::parse(id.clone(), ChildKind::IntegrationRuntime, "before").unwrap();
        let write = write(&management).await;
        management.put_factory(&id, &wanted(None), &write).await.unwrap();
        let password = json!({"type": "SecureString", "value": "S3KRET"});
        let definition = json!({"type": "Managed", "typeProperties": {"catalogAdminPassword": password}});
        management.put_child(&runtime, definition.as_object().unwrap(), &write).await.unwrap();
        let is_under_key = async || {
            let view = management.records.view().await.unwrap();
            let record = management.records.get::<ChildRecord>(&view, &runtime.key()).await.unwrap().unwrap();
            let secrets = serde_json::to_value(&record.secrets).unwrap();
            let all: Vec<_> = secrets.as_object().unwrap().values().map(|one| one["dataKey"].is_string()).collect();
            (all.len() == 1).then(|| all[0])
        };
        assert_eq!(is_under_key().await, Some(false));
        let settings = json!({"vaultBaseUrl": "https://safe.vault.azure.net", "keyName": "cmk"});
        let settings = serde_json::from_value(settings).unwrap();
        management.put_factory(&id, &wanted(Some(settings)), &write).await.unwrap();
        assert_eq!(is_under_key().await, Some(true));
        let resolved = management.resolved(&runtime).await.unwrap().unwrap();
        assert!(resolved.properties.0 == definition, "it opens with both keys");
    }
}
