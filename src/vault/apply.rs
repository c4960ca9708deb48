//! Applying a configuration: what is missing is created, what exists is left alone, and a difference is reported.

use std::sync::Arc;

use uuid::Uuid;

use super::configured::recording_vault;
use super::keys::{KeyRecord, KeySpec, NewKey};
use super::secrets::NewSecret;
use super::store_key::StoreKey;
use super::{
    Call, Kind, ObjectId, ObjectName, Refusal, Setting, Sku, Vault, VaultName, VaultResource, Vaults, Version, layers,
};
use crate::access::AccessPolicy;
use crate::access::network::NetworkRules;
use crate::clock::Timestamp;
use crate::records::{Change, View, encode};
use crate::resource_id::{ResourceId, SubscriptionId};
use crate::store::Batch;

/// A vault as a configuration wants it.
#[derive(Clone, Debug)]
pub(crate) struct InitialVault {
    /// The name.
    pub name: VaultName,
    /// Further host names, in lower case.
    pub aliases: Vec<String>,
    /// The tier.
    pub sku: Sku,
    /// Days deleted objects can be recovered, 7 to 90.
    pub retention_days: u32,
    /// Whether deleted objects can be recovered at all.
    pub soft_delete: bool,
    /// Whether deleted objects stay until their retention ends.
    pub purge_protection: bool,
    /// Seconds that the service's states in between last.
    pub deletion_delay: u32,
    /// The access policies.
    pub access_policies: Vec<AccessPolicy>,
    /// Whether role assignments decide instead of the access policies.
    pub role_based: bool,
    /// From which addresses it is reached.
    pub network: NetworkRules,
    /// Its subscription; none means the tenant's.
    pub subscription: Option<Uuid>,
    /// Its resource group; none means the default.
    pub resource_group: Option<String>,
    /// Its location; none means the default.
    pub location: Option<String>,
    /// Whether a configuration's file names it: what is made is recorded so.
    pub configured: bool,
    /// Keys to create.
    pub keys: Vec<InitialKey>,
    /// Secrets to set.
    pub secrets: Vec<InitialSecret>,
}

/// A key to create when its name is free.
#[derive(Clone, Debug)]
pub(crate) struct InitialKey {
    /// The name.
    pub name: ObjectName,
    /// Its members.
    pub new: NewKey,
    /// The key to generate.
    pub spec: KeySpec,
}

/// A secret to set when its name is free.
#[derive(Clone, Debug)]
pub(crate) struct InitialSecret {
    /// The name.
    pub name: ObjectName,
    /// Its members.
    pub new: NewSecret,
}

/// The result of applying a vault.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// What was created, for example `vault local` or `key cmk`.
    pub created: Vec<String>,
    /// What exists and differs; it was left alone.
    pub differs: Vec<Difference>,
    /// The objects that were created, each with its version.
    made: Vec<(ObjectId, Version)>,
}

/// Something that exists and differs from the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// A vault.
    Vault {
        /// Its name.
        name: VaultName,
        /// The settings that differ.
        settings: Vec<Setting>,
    },
    /// A key of another type or size, or a secret with another value.
    Object(ObjectId),
    /// An object that is deleted and can be recovered.
    DeletedObject(ObjectId),
}

impl Vaults {
    /// Creates what `initial` lists and does not exist yet.
    ///
    /// # Errors
    /// When a key cannot be generated or the store fails.
    pub(crate) async fn apply(&self, initial: InitialVault, now: Timestamp) -> Result<Applied, Refusal> {
        let mut applied = Applied::default();
        self.create_vault_if_absent(&initial, now, &mut applied).await?;
        let vault = self.find(&initial.name).await?.ok_or(Refusal::Busy)?;
        let call = Call::by_server(vault, now);
        for key in initial.keys {
            self.create_key_if_absent(&call, key, &mut applied).await?;
        }
        for secret in initial.secrets {
            self.create_secret_if_absent(&call, secret, &mut applied).await?;
        }
        if initial.configured {
            self.record_configured(&call.vault, &applied.made).await?;
        }
        Ok(applied)
    }

    pub(super) async fn create_vault_if_absent(
        &self,
        initial: &InitialVault,
        now: Timestamp,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        let wanted = initial.vault(layers::new_id(), now);
        let (want, configured) = (&wanted, initial.configured);
        let create = |view: View| async move { self.creating_vault_if_absent(&view, want, configured).await };
        let (vault, is_created) = self.records().update(create).await?;
        let settings = vault.differences(&wanted);
        if is_created {
            applied.created.push(format!("vault {}", vault.name));
        } else if !settings.is_empty() {
            applied.differs.push(Difference::Vault { name: vault.name.clone(), settings });
        }
        Ok(())
    }

    async fn creating_vault_if_absent(
        &self,
        view: &View,
        wanted: &Vault,
        configured: bool,
    ) -> Result<Change<(Arc<Vault>, bool)>, Refusal> {
        let key = StoreKey::of_vault(&wanted.name);
        if let Some(vault) = self.records().get::<Vault>(view, &key).await? {
            return Ok(Change { batch: Batch::default(), answer: (vault, false) });
        }
        self.refuse_orphaned_layers(view).await?;
        let mut batch = Batch { expect: vec![(key.clone(), 0)], put: vec![(key, encode(wanted)?)], delete: vec![] };
        for alias in &wanted.aliases {
            let key = StoreKey::Alias(alias).to_key();
            // One that is another vault's stays that vault's.
            if view.revision_of(&key).await?.is_none() {
                batch = batch.expect(key.clone(), 0).put(key, encode(&wanted.name)?);
            }
        }
        let batch = if configured { recording_vault(batch, wanted)? } else { batch };
        Ok(Change { batch, answer: (Arc::new(wanted.clone()), true) })
    }

    async fn create_key_if_absent(
        &self,
        call: &Call,
        wanted: InitialKey,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        let keys = self.keys(call);
        let id = keys.id(&wanted.name);
        match keys.get(&wanted.name, None).await {
            Ok(found) if !wanted.matches(&found.record) => applied.differs.push(Difference::Object(id)),
            Ok(_) => {}
            Err(Refusal::NotFound { .. }) => {
                let created = keys.create(&wanted.name, wanted.new, wanted.spec).await;
                applied.record(id, created.map(|made| made.version))?;
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    async fn create_secret_if_absent(
        &self,
        call: &Call,
        wanted: InitialSecret,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        let secrets = self.secrets(call);
        let id = secrets.id(&wanted.name);
        match secrets.get_value(&wanted.name, None).await {
            Ok((_, value)) if value != wanted.new.value => applied.differs.push(Difference::Object(id)),
            Ok(_) | Err(Refusal::Disabled { .. }) => {}
            Err(Refusal::NotFound { .. }) => {
                let created = secrets.set(&wanted.name, &wanted.new).await;
                applied.record(id, created.map(|made| made.version))?;
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }
}

impl Applied {
    /// Records what creating an object came to. A deleted object is a difference like any other.
    fn record(&mut self, object: ObjectId, created: Result<Version, Refusal>) -> Result<(), Refusal> {
        match created {
            Ok(version) => {
                self.created.push(object.to_string());
                self.made.push((object, version));
            }
            Err(
                Refusal::DeletedButRecoverable { .. } | Refusal::BeingDeleted { .. } | Refusal::BeingRecovered { .. },
            ) => self.differs.push(Difference::DeletedObject(object)),
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }
}

impl InitialKey {
    /// The key, by kind and name.
    pub(super) fn id(&self) -> ObjectId {
        ObjectId { kind: Kind::Key, name: self.name.clone() }
    }

    /// Whether `key` has the type and the size that are wanted here.
    pub(super) fn matches(&self, key: &KeyRecord) -> bool {
        key.kty == self.new.kty && self.spec.matches(&key.public)
    }
}

impl InitialSecret {
    /// The secret, by kind and name.
    pub(super) fn id(&self) -> ObjectId {
        ObjectId { kind: Kind::Secret, name: self.name.clone() }
    }
}

impl InitialVault {
    /// The keys and secrets to create.
    pub(crate) fn object_ids(&self) -> impl Iterator<Item = ObjectId> {
        self.keys.iter().map(InitialKey::id).chain(self.secrets.iter().map(InitialSecret::id))
    }

    /// A vault of this name and tier; everything else as the service has it when nothing is said.
    pub(crate) fn named(name: VaultName, sku: Sku) -> Self {
        Self {
            name,
            aliases: vec![],
            sku,
            retention_days: 90,
            soft_delete: true,
            purge_protection: false,
            deletion_delay: 0,
            access_policies: vec![],
            role_based: false,
            network: NetworkRules::default(),
            subscription: None,
            resource_group: None,
            location: None,
            configured: false,
            keys: vec![],
            secrets: vec![],
        }
    }

    /// Its place, with the `group` and the `location` where it names none. The subscription of the `tenant` is none of its own.
    pub(crate) fn placed(self, tenant: SubscriptionId, group: Option<&String>, location: Option<&String>) -> Self {
        let subscription = self.subscription.filter(|own| *own != tenant.0);
        let resource_group = self.resource_group.clone().or_else(|| group.cloned());
        let location = self.location.clone().or_else(|| location.cloned());
        Self { subscription, resource_group, location, ..self }
    }

    /// Its id as a resource; in the subscription `tenant` unless it has one of its own.
    pub(crate) fn resource_id(&self, tenant: SubscriptionId) -> ResourceId {
        self.vault(Uuid::nil(), Timestamp::from_unix(0)).resource_id(tenant)
    }

    fn resource(&self, created: Timestamp) -> VaultResource {
        let new = VaultResource::new(created);
        let resource_group = self.resource_group.clone().unwrap_or_else(|| new.resource_group.clone());
        let location = self.location.clone().unwrap_or_else(|| new.location.clone());
        VaultResource { subscription: self.subscription, resource_group, location, ..new }
    }

    /// The vault with this internal id, as it is `created`.
    pub(super) fn vault(&self, id: Uuid, created: Timestamp) -> Vault {
        Vault {
            id,
            name: self.name.clone(),
            resource: self.resource(created),
            aliases: self.aliases.clone(),
            sku: self.sku,
            retention_days: self.retention_days,
            soft_delete: self.soft_delete,
            purge_protection: self.purge_protection,
            deletion_delay: self.deletion_delay,
            access_policies: self.access_policies.clone(),
            role_based: self.role_based,
            network: self.network.clone(),
            upper: None,
            below: vec![],
        }
    }
}
