//! Secrets in the definitions of a factory: taken out before a definition is kept, and sealed beside it under the factory's system key.
//! What is a secret, and what becomes of those that are kept, are the rules of `factory`.

use serde_json::Value;
use uuid::Uuid;

use super::child::{Child, Definition, SealedSecrets};
use super::id::{ChildId, FactoryId};
use super::kind::ChildKind;
use super::opened::Opened;
use super::runtime::definition::{RuntimeKind, kind_of};
use super::{Factory, FactoryWrite, Management};
use crate::factory::{EncryptedCredential, Keeping, Kept, Place, Rules, SystemLayer, Taken, take_out};
use crate::management::refusal::Refusal;
use crate::records::View;
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
    ///
    /// # Errors
    /// [`Refusal::Credential`] for what cannot be taken.
    pub(super) async fn given(
        &self,
        id: &ChildId,
        properties: &Definition,
        write: &FactoryWrite,
    ) -> Result<Given, Refusal> {
        let taken = take_out(rules(id.kind()), Value::Object(properties.clone())).map_err(Refusal::Credential)?;
        let factory = self.factory(id.factory()).await?;
        let layer = match taken.secrets.is_empty() {
            true => None,
            false => Some(self.system_layer(id.factory(), write.now).await?),
        };
        let reference = EncryptedCredential::new(factory.guid(id.factory()), write.identity.client_id);
        Ok(Given { taken, layer, reference })
    }

    /// Refuses new secrets of a linked service that is connected by a self-hosted runtime: a node encrypts them, and none can yet.
    pub(super) async fn check_encrypted(
        &self,
        view: &View,
        id: &ChildId,
        given: &Given,
        opened: &Opened,
    ) -> Result<(), Refusal> {
        let properties = &given.taken.properties;
        let name = properties["connectVia"]["referenceName"].as_str().filter(|_| !given.taken.secrets.is_empty());
        let Some(name) = name.filter(|_| id.kind() == ChildKind::LinkedService) else { return Ok(()) };
        let Ok(runtime) = ChildId::parse(id.factory().clone(), ChildKind::IntegrationRuntime, name) else {
            return Ok(());
        };
        let has_nodes = self.has_nodes(view, &runtime).await?;
        let runtime = self.recorded_child(view, &runtime, opened).await?.0;
        match runtime.filter(|runtime| kind_of(&runtime.properties) == RuntimeKind::SelfHosted) {
            Some(Child { name: runtime, .. }) => Err(Refusal::NotEncrypted {
                id: Box::new(id.clone()),
                properties: properties.clone(),
                runtime,
                has_nodes,
            }),
            None => Ok(()),
        }
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
    /// [`Refusal::Credential`] for asterisks that stand for nothing that is kept.
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

/// What binds a sealed secret to its place.
pub(super) fn associated_data(id: &ChildId, place: &Place) -> String {
    format!("{}{}", id.associated_data(), place.as_str())
}

/// What is a secret in a definition of this kind.
pub(super) fn rules(kind: ChildKind) -> Rules {
    match kind {
        ChildKind::LinkedService => Rules::LinkedService,
        ChildKind::Credential => Rules::Credential,
        _ => Rules::Other,
    }
}
