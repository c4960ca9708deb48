//! Secrets: versioned values of up to 25,600 bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::backup::BackupError;
use super::object::{Attributes, AttributesPatch, FoundVersion, NoPolicy, ObjectKind, Objects, Tags, VersionRecord};
use super::{Kind, ObjectName, Refusal, Vault, Version};
use crate::clock::Timestamp;
use crate::records::View;

/// The largest value in bytes of UTF-8 (about-secrets: 25 KB).
pub(crate) const MAX_VALUE: usize = 25_600;
/// The longest content type in characters.
pub(crate) const MAX_CONTENT_TYPE: usize = 255;

/// Secrets, as a kind of object.
pub(crate) enum Secrets {}

/// One version of a secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretRecord {
    /// The content type of the value, in the caller's words.
    pub content_type: Option<String>,
    /// Whether the secret may be read; `nbf` and `exp` inform only.
    pub attributes: Attributes,
    /// The tags, if any were ever set.
    pub tags: Option<Tags>,
    /// The version before this one; none for the first. It is stored so that a read does not have to search for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Version>,
}

/// A secret's value: wiped when dropped; its `Debug` shows nothing.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// The value itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

/// A new version of a secret.
#[derive(Clone, Debug)]
pub(crate) struct NewSecret {
    /// The value.
    pub value: SecretValue,
    /// The content type of the value, in the caller's words.
    pub content_type: Option<String>,
    /// Attributes given.
    pub attributes: AttributesPatch,
    /// Tags, if any.
    pub tags: Option<Tags>,
}

/// An update of a secret's version; what is left out stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretUpdate {
    /// The content type of the value, in the caller's words.
    pub content_type: Option<String>,
    /// Attributes given.
    pub attributes: AttributesPatch,
    /// Replaces all tags.
    pub tags: Option<Tags>,
}

impl VersionRecord for SecretRecord {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn with_previous(self, previous: Option<&Version>) -> Self {
        Self { previous: previous.cloned(), ..self }
    }
}

impl ObjectKind for Secrets {
    const KIND: Kind = Kind::Secret;
    const BACKUP_FORM: &'static [u8] = b")AzureKeyVaultSecretBackupV1.microsoft.com";

    type Record = SecretRecord;
    type Update = SecretUpdate;
    type Policy = NoPolicy;

    fn updated(record: &SecretRecord, update: &SecretUpdate, now: Timestamp) -> Result<SecretRecord, Refusal> {
        Ok(SecretRecord {
            content_type: update.content_type.clone().or_else(|| record.content_type.clone()),
            attributes: record.attributes.patched(update.attributes, now),
            tags: update.tags.clone().or_else(|| record.tags.clone()),
            previous: record.previous.clone(),
        })
    }

    fn check_restored(_: &Vault, _: &SecretRecord, material: &[u8]) -> Result<(), Refusal> {
        let fits = material.len() <= MAX_VALUE && std::str::from_utf8(material).is_ok();
        if fits { Ok(()) } else { Err(Refusal::BadBackup(BackupError::MaterialMismatch)) }
    }

    async fn renew_when_due(_: &Objects<'_, Self>, _: &ObjectName, _: Timestamp) -> Result<bool, Refusal> {
        Ok(false)
    }
}

impl Objects<'_, Secrets> {
    /// Creates a secret, or a new version when the name is in use.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn set(&self, name: &ObjectName, new: &NewSecret) -> Result<FoundVersion<SecretRecord>, Refusal> {
        let record = SecretRecord {
            content_type: new.content_type.clone(),
            attributes: Attributes::new(new.attributes, self.call.now),
            tags: new.tags.clone(),
            previous: None,
        };
        let material = Zeroizing::new(new.value.reveal().as_bytes().to_vec());
        self.add(name, &record, &material).await
    }

    /// A version of a secret with its value, the latest when none is named. `nbf` and `exp` do not matter here: the
    /// service answers before and after them alike.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Disabled`] when that version is disabled; what the store reports.
    pub(crate) async fn get_value(
        &self,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<(FoundVersion<SecretRecord>, SecretValue), Refusal> {
        let view = self.vaults.records().view().await?;
        let found = self.find(&view, name, version).await?;
        if !found.record.attributes.enabled {
            return Err(Refusal::Disabled { kind: Kind::Secret, operation: "get" });
        }
        let value = self.value_of(&view, &found).await?;
        Ok((found, value))
    }

    /// The latest version of a secret with its value; a disabled one too.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; what the store reports.
    pub(super) async fn latest(&self, name: &ObjectName) -> Result<(FoundVersion<SecretRecord>, SecretValue), Refusal> {
        let view = self.vaults.records().view().await?;
        let found = self.find(&view, name, None).await?;
        let value = self.value_of(&view, &found).await?;
        Ok((found, value))
    }

    async fn value_of(&self, view: &View, found: &FoundVersion<SecretRecord>) -> Result<SecretValue, Refusal> {
        let material = self.material(view, &found.name, &found.version).await?;
        let value = std::str::from_utf8(&material).map_err(|error| Refusal::Damaged {
            record: format!("the value of secret {}/{}", found.name, found.version),
            why: error.to_string(),
        })?;
        Ok(SecretValue::from(value.to_owned()))
    }
}
