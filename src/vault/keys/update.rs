//! Updates of a key version.

use super::release::{self, ReleasePolicy};
use super::{AttributesPatch, KeyOperation, KeyRecord, Tags};
use crate::clock::Timestamp;
use crate::vault::Refusal;

/// An update of a key version; what is left out stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyUpdate {
    /// What it may be used for. An empty list changes nothing: the Java SDK sends one with every update.
    pub key_ops: Option<Vec<KeyOperation>>,
    /// Attributes given.
    pub attributes: AttributesPatch,
    /// Replaces all tags.
    pub tags: Option<Tags>,
    /// Whether the key may be released; must be what it is.
    pub exportable: Option<bool>,
    /// Replaces the release policy.
    pub release_policy: Option<ReleasePolicy>,
}

impl KeyUpdate {
    /// The version's record after this update at `now`.
    ///
    /// # Errors
    /// [`Refusal::Operations`] when the key's type does not have an operation; [`Refusal::Release`] when the release
    /// policy cannot be changed so.
    pub(super) fn apply(&self, current: &KeyRecord, now: Timestamp) -> Result<KeyRecord, Refusal> {
        let given = self.key_ops.as_ref().filter(|operations| !operations.is_empty());
        current.kty.check(given.map_or(&[], Vec::as_slice)).map_err(Refusal::Operations)?;
        let key_ops = given.unwrap_or(&current.key_ops);
        let policy = (current.exportable, current.release_policy.as_ref());
        Ok(KeyRecord {
            key_ops: key_ops.clone(),
            attributes: current.attributes.patched(self.attributes, now),
            tags: self.tags.clone().or_else(|| current.tags.clone()),
            release_policy: release::changed(policy, self.exportable, self.release_policy.as_ref())?,
            ..current.clone()
        })
    }
}
