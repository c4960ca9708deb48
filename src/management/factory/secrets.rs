//! Secrets in the definitions of a factory: taken out before a definition is kept, and sealed beside it under the factory's system key.
//! What is a secret, and what becomes of those that are kept, are the rules of `factory`.

use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::child::{Child, Definition, SealedSecrets};
use super::id::{ChildId, FactoryId};
use super::kind::ChildKind;
use super::opened::Opened;
use super::runtime::definition::{RuntimeKind, kind_of};
use super::sealed_secret::associated_data;
use super::{Factory, FactoryWrite, Management};
use crate::factory::{self, EncryptedCredential, Keeping, Kept, Rules, SystemLayer, Taken, take_out};
use crate::management::refusal::Refusal;
use crate::store::Revision;

/// A definition that is to be kept, its secrets taken out. Deliberately no `Debug`.
pub(super) struct Given {
    taken: Taken,
    /// What new secrets are sealed under, and the revision of the factory's system keys.
    layer: Option<(SystemLayer, Revision)>,
    /// The reference to new secrets.
    reference: EncryptedCredential,
}

impl Management {
    /// Takes the secrets out of `properties`, which are to be kept at `id`. Makes the factory's system key when the first ones come.
    /// Those of a linked service that is connected by a self-hosted runtime are encrypted on its node, and not kept here.
    ///
    /// # Errors
    /// [`Refusal::Credential`] for what cannot be taken; [`Refusal::NotEncrypted`] when no node takes it.
    pub(super) async fn given(
        &self,
        id: &ChildId,
        properties: &Definition,
        (write, opened): (&FactoryWrite, &Opened),
    ) -> Result<Given, Refusal> {
        let taken = take_out(rules(id.kind()), Value::Object(properties.clone())).map_err(Refusal::Credential)?;
        let factory = self.factory(id.factory()).await?;
        let reference = EncryptedCredential::new(factory.guid(id.factory()), write.identity.client_id);
        let layer = match self.encrypting_runtime(id, &taken, opened).await? {
            Some(runtime) => {
                self.encrypt(id, &runtime, (&taken, &reference), write).await?;
                None
            }
            None if taken.secrets.is_empty() => None,
            None => Some(self.system_layer(id.factory(), write.now).await?),
        };
        Ok(Given { taken, layer, reference })
    }

    /// The self-hosted runtime that a linked service with new secrets is connected by.
    async fn encrypting_runtime(
        &self,
        id: &ChildId,
        taken: &Taken,
        opened: &Opened,
    ) -> Result<Option<ChildId>, Refusal> {
        let name = taken.properties["connectVia"]["referenceName"].as_str().filter(|_| !taken.secrets.is_empty());
        let Some(name) = name.filter(|_| id.kind() == ChildKind::LinkedService) else { return Ok(None) };
        let Ok(runtime) = ChildId::parse(id.factory().clone(), ChildKind::IntegrationRuntime, name) else {
            return Ok(None);
        };
        let view = self.records.view().await?;
        let found = self.recorded_child(&view, &runtime, opened).await?.0;
        let own = found.filter(|found| kind_of(&found.properties) == RuntimeKind::SelfHosted);
        Ok(own.map(|found| runtime.spelt(&found.name)))
    }

    /// Has a node of `runtime` keep the secrets that were taken out, by their reference. Nothing is kept here before it has.
    async fn encrypt(
        &self,
        id: &ChildId,
        runtime: &ChildId,
        (taken, reference): (&Taken, &EncryptedCredential),
        write: &FactoryWrite,
    ) -> Result<(), Refusal> {
        let unwritable = |error: serde_json::Error| Refusal::Sealing(factory::Refusal::Failed(error.to_string()));
        let value = Zeroizing::new(serde_json::to_string(&taken.secrets).map_err(unwritable)?);
        let task = (write.identity.object_id, write.system_now);
        let encrypted = self.encrypt_on_node(runtime, (&reference.to_string(), value), task).await;
        encrypted.map_err(|refusal| match refusal {
            Refusal::Runtime(why) => Refusal::NotEncrypted {
                id: Box::new(id.clone()),
                properties: taken.properties.clone(),
                runtime: runtime.name().to_owned(),
                why,
            },
            other => other,
        })
    }
}

impl Given {
    /// The revision of the system keys that new secrets are sealed under.
    pub(super) fn system_keys(&self) -> Option<Revision> {
        self.layer.as_ref().map(|(_, revision)| *revision)
    }

    /// The definition as it is shown, and its secrets, in place of `existing`.
    ///
    /// # Errors
    /// [`Refusal::Credential`] for a mask in the place of a secret that is not kept.
    pub(super) fn kept(
        &self,
        id: &ChildId,
        existing: Option<&Child>,
        opened: &Opened,
    ) -> Result<(Definition, SealedSecrets), Refusal> {
        let before = existing.map(|child| (Value::Object(child.properties.clone()), &child.secrets));
        let before = before.as_ref().map(|(properties, sealed)| Kept { properties, sealed });
        let taken = self.taken.clone();
        let keeping = match id.kind() {
            ChildKind::LinkedService => taken.keeping(before, || self.reference.clone()),
            _ => taken.keeping_by_place(before),
        };
        let Keeping { properties, secrets, mut sealed } = keeping.map_err(Refusal::Credential)?;
        if let Some((layer, _)) = &self.layer {
            for (place, text) in &secrets {
                let one = layer.seal(opened.data_key(), &associated_data(id, place), text.as_bytes());
                sealed.insert(place.clone(), one.map_err(Refusal::Sealing)?);
            }
        }
        let Value::Object(properties) = properties else { return Ok((Definition::new(), sealed)) };
        Ok((properties, sealed))
    }
}

impl Factory {
    /// The id that references to credentials name it by (ours: the service's is not shown elsewhere either).
    fn guid(&self, id: &FactoryId) -> Uuid {
        let of = format!("{id}/{}", self.created).to_ascii_lowercase();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, of.as_bytes())
    }
}

/// What is a secret in a definition of this kind.
pub(super) fn rules(kind: ChildKind) -> Rules {
    match kind {
        ChildKind::LinkedService => Rules::LinkedService,
        ChildKind::Credential => Rules::Credential,
        _ => Rules::Other,
    }
}
