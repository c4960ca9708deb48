//! Secrets: versioned values of up to 25,600 bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::object::{Attributes, AttributesPatch, DeletedObject, Found, Objects, Page, PageRequest, Tags, Versioned};
use super::{Call, Kind, ObjectName, Refusal, Vaults, Version};

/// The largest value in bytes of UTF-8 (about-secrets: 25 KB).
pub const MAX_VALUE: usize = 25_600;
/// The longest content type in characters.
pub const MAX_CONTENT_TYPE: usize = 255;

/// One version of a secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// What the value is, in the caller's words.
    pub content_type: Option<String>,
    /// Whether the secret may be read; `nbf` and `exp` inform only.
    pub attributes: Attributes,
    /// The tags, if any were ever set.
    pub tags: Option<Tags>,
    /// The version made before this one; none for the first, and for versions whose records were written before this was
    /// kept. It is kept so that a read does not have to look for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Version>,
}

impl Versioned for SecretRecord {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn rotates(&self) -> bool {
        false
    }

    fn with_previous(self, previous: Option<&Version>) -> Self {
        Self { previous: previous.cloned(), ..self }
    }
}

/// A secret's value: wiped when dropped, and shown by nothing.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// The value itself.
    pub fn reveal(&self) -> &str {
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

/// What a new version of a secret shall be.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// The value.
    pub value: SecretValue,
    /// What the value is, in the caller's words.
    pub content_type: Option<String>,
    /// Attributes given.
    pub attributes: AttributesPatch,
    /// Tags, if any.
    pub tags: Option<Tags>,
}

/// What shall change of a secret's version; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct SecretChange {
    /// What the value is, in the caller's words.
    pub content_type: Option<String>,
    /// Attributes given.
    pub attributes: AttributesPatch,
    /// Replaces all tags.
    pub tags: Option<Tags>,
}

impl SecretChange {
    fn apply(&self, current: &SecretRecord, call: &Call) -> SecretRecord {
        SecretRecord {
            content_type: self.content_type.clone().or_else(|| current.content_type.clone()),
            attributes: current.attributes.patched(self.attributes, call.now),
            tags: self.tags.clone().or_else(|| current.tags.clone()),
            previous: current.previous.clone(),
        }
    }
}

impl Vaults {
    /// Makes a secret, or a new version when the name is in use.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn set_secret(
        &self,
        call: &Call,
        name: &ObjectName,
        new: &NewSecret,
    ) -> Result<Found<SecretRecord>, Refusal> {
        let record = SecretRecord {
            content_type: new.content_type.clone(),
            attributes: Attributes::new(new.attributes, call.now),
            tags: new.tags.clone(),
            previous: None,
        };
        let material = Zeroizing::new(new.value.reveal().as_bytes().to_vec());
        self.secrets(call).add(name, &record, &material).await
    }

    /// A version of a secret with its value, the latest when none is named. `nbf` and `exp` do not matter here: the
    /// service answers before and after them alike.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Disabled`] when that version is disabled; what the store reports.
    pub async fn secret(
        &self,
        call: &Call,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<(Found<SecretRecord>, SecretValue), Refusal> {
        let view = self.records().view().await?;
        let secrets = self.secrets(call);
        let found: Found<SecretRecord> = secrets.find(&view, name, version).await?;
        if !found.record.attributes.enabled {
            return Err(Refusal::Disabled { kind: Kind::Secret, operation: "get" });
        }
        let material = secrets.material(&view, &found.name, &found.version).await?;
        let value = std::str::from_utf8(&material).map_err(|error| Refusal::Damaged {
            record: format!("the value of secret {}/{}", found.name, found.version),
            why: error.to_string(),
        })?;
        let value = SecretValue::from(value.to_owned());
        Ok((found, value))
    }

    /// Changes a version of a secret, the latest when none is named; never its value.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; what the store reports.
    pub async fn update_secret(
        &self,
        call: &Call,
        name: &ObjectName,
        version: Option<&Version>,
        change: &SecretChange,
    ) -> Result<Found<SecretRecord>, Refusal> {
        self.secrets(call).change(name, version, |current| Ok(change.apply(current, call))).await
    }

    /// A page of the vault's secrets, each with its latest version.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn list_secrets(&self, call: &Call, page: &PageRequest) -> Result<Page<Found<SecretRecord>>, Refusal> {
        let view = self.records().view().await?;
        self.secrets(call).list(&view, page).await
    }

    /// A page of a secret's versions.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn list_secret_versions(
        &self,
        call: &Call,
        name: &ObjectName,
        page: &PageRequest,
    ) -> Result<Page<Found<SecretRecord>>, Refusal> {
        let view = self.records().view().await?;
        self.secrets(call).versions(&view, name, page).await
    }

    /// Deletes a secret with all its versions.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::BeingRecovered`]; what the store reports.
    pub async fn delete_secret(&self, call: &Call, name: &ObjectName) -> Result<DeletedObject<SecretRecord>, Refusal> {
        self.secrets(call).delete(name).await
    }

    /// A deleted secret, without its value.
    ///
    /// # Errors
    /// [`Refusal::DeletedNotFound`]; [`Refusal::NoSoftDelete`]; what the store reports.
    pub async fn deleted_secret(&self, call: &Call, name: &ObjectName) -> Result<DeletedObject<SecretRecord>, Refusal> {
        let view = self.records().view().await?;
        self.secrets(call).find_deleted(&view, name).await
    }

    /// A page of the vault's deleted secrets.
    ///
    /// # Errors
    /// [`Refusal::NoSoftDelete`]; what the store reports.
    pub async fn list_deleted_secrets(
        &self,
        call: &Call,
        page: &PageRequest,
    ) -> Result<Page<DeletedObject<SecretRecord>>, Refusal> {
        let view = self.records().view().await?;
        self.secrets(call).list_deleted(&view, page).await
    }

    /// Brings a deleted secret back with all its versions.
    ///
    /// # Errors
    /// As [`Vaults::recover_key`].
    pub async fn recover_secret(&self, call: &Call, name: &ObjectName) -> Result<Found<SecretRecord>, Refusal> {
        self.secrets(call).recover(name).await
    }

    /// Takes a deleted secret away for good.
    ///
    /// # Errors
    /// As [`Vaults::purge_key`].
    pub async fn purge_secret(&self, call: &Call, name: &ObjectName) -> Result<(), Refusal> {
        self.secrets(call).purge(name).await
    }

    fn secrets<'a>(&'a self, call: &'a Call) -> Objects<'a> {
        self.objects(call, Kind::Secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_before_has_no_previous_version_and_gets_none() {
        let text = r#"{"content_type":null,"attributes":{"enabled":true,"nbf":null,"exp":null,"created":1,"updated":1},"tags":null}"#;
        let record: SecretRecord = serde_json::from_str(text).unwrap();
        assert_eq!(record.previous, None);
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
    }
}
