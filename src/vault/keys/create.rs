//! Creating a key, or a new version of one: the slow work first, then one commit.

use super::release::{self, ReleasePolicy};
use super::{
    Attributes, AttributesPatch, FoundVersion, KeyOperation, KeyRecord, KeySpec, KeyType, Keys, Objects, PublicPart,
    Tags,
};
use crate::crypto::{Key, Material};
use crate::vault::{Call, ObjectName, Refusal, Sku};

/// The members of a new key, generated or imported.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    /// The type.
    pub kty: KeyType,
    /// What it may be used for; the type's default when left out.
    pub key_ops: Option<Vec<KeyOperation>>,
    /// Attributes given.
    pub attributes: AttributesPatch,
    /// Tags, if any.
    pub tags: Option<Tags>,
    /// Whether it may be released.
    pub exportable: bool,
    /// The release policy.
    pub release_policy: Option<ReleasePolicy>,
    /// Whether it is imported.
    pub imported: bool,
}

impl Objects<'_, Keys> {
    /// Creates a key, or a new version when the name is in use.
    ///
    /// # Errors
    /// When the vault's sku does not have the type, when the type does not have an operation, when the key is exportable and
    /// has no release policy or the reverse, when too much waits, or when the store fails.
    pub(crate) async fn create(
        &self,
        name: &ObjectName,
        new: NewKey,
        spec: KeySpec,
    ) -> Result<FoundVersion<KeyRecord>, Refusal> {
        new.check(self.call)?;
        let (key, material) = self.generate(spec).await?;
        self.add_key(name, new, key, material).await
    }

    pub(super) async fn generate(&self, spec: KeySpec) -> Result<(Key, Material), Refusal> {
        let pool = &self.vaults.inner.pool;
        let made = match spec {
            KeySpec::Rsa { .. } => pool.generate(move || spec.generate()).await?,
            KeySpec::Ec(_) => pool.run(move || spec.generate()).await?,
            KeySpec::Oct(_) => spec.generate(),
        };
        made.map_err(|error| Refusal::Internal(error.to_string()))
    }

    pub(super) async fn add_key(
        &self,
        name: &ObjectName,
        new: NewKey,
        key: Key,
        material: Material,
    ) -> Result<FoundVersion<KeyRecord>, Refusal> {
        let record = new.record(&key, self.call);
        self.add(name, &record, &material).await
    }
}

impl NewKey {
    /// A key of this type, everything else as the service has it when nothing is said.
    pub(crate) fn of(kty: KeyType) -> Self {
        let attributes = AttributesPatch::default();
        let (exportable, imported) = (false, false);
        Self { kty, key_ops: None, attributes, tags: None, exportable, release_policy: None, imported }
    }

    /// Checks the members before a key is generated.
    pub(super) fn check(&self, call: &Call) -> Result<(), Refusal> {
        if self.kty.is_hsm() && call.vault.sku == Sku::Standard {
            return Err(Refusal::NeedsPremium { kty: self.kty.name() });
        }
        self.kty.check(self.key_ops.as_deref().unwrap_or_default()).map_err(Refusal::Operations)?;
        release::check(self.exportable, self.release_policy.as_ref())
    }

    fn record(self, key: &Key, call: &Call) -> KeyRecord {
        KeyRecord {
            kty: self.kty,
            key_ops: self.key_ops.unwrap_or_else(|| self.kty.default_operations().to_vec()),
            public: PublicPart::of(key.public()),
            attributes: Attributes::new(self.attributes, call.now),
            tags: self.tags,
            exportable: self.exportable,
            release_policy: self.release_policy,
            imported: self.imported,
        }
    }
}
