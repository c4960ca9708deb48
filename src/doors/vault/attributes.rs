//! Attributes and tags on the wire, in and out.

use serde::{Deserialize, Serialize};

use super::api_version::ApiVersion;
use super::input;
use crate::clock::Timestamp;
use crate::http::error::ApiError;
use crate::vault::keys::{KeyRecord, PublicPart};
use crate::vault::object::{Attributes, AttributesPatch, Tags};
use crate::vault::{Kind, Recovery};

/// The most tags an object has.
const MAX_TAGS: usize = 15;

/// Attributes as a caller gives them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AttributesIn {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    /// Whether the key may be released.
    pub(super) exportable: Option<bool>,
}

impl AttributesIn {
    pub(super) fn requested(&self) -> AttributesPatch {
        AttributesPatch {
            enabled: self.enabled,
            nbf: self.nbf.map(Timestamp::from_unix),
            exp: self.exp.map(Timestamp::from_unix),
        }
    }
}

/// Attributes as they are answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttributesOut {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<Timestamp>,
    created: Timestamp,
    updated: Timestamp,
    recovery_level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recoverable_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hsm_platform: Option<&'static str>,
    #[serde(rename = "key_size", skip_serializing_if = "Option::is_none")]
    key_size: Option<u32>,
}

impl AttributesOut {
    /// What every object shows.
    pub(super) fn new(attributes: &Attributes, recovery: Recovery, version: ApiVersion) -> Self {
        Self {
            enabled: attributes.enabled,
            nbf: attributes.nbf,
            exp: attributes.exp,
            created: attributes.created,
            updated: attributes.updated,
            recovery_level: recovery.level,
            recoverable_days: (version >= ApiVersion::RECOVERABLE_DAYS).then_some(recovery.days),
            exportable: None,
            hsm_platform: None,
            key_size: None,
        }
    }

    /// What a key bundle shows besides: `exportable` from 7.4 on, `hsmPlatform` from 7.5 on ("0" is software, "2" the
    /// service's present HSMs), the bits of a symmetric key from 2026-01-01-preview on.
    pub(super) fn of_key(mut self, key: &KeyRecord, version: ApiVersion) -> Self {
        let shown = if key.exportable { ApiVersion::RELEASE } else { ApiVersion::EXPORTABLE };
        self.exportable = (version >= shown).then_some(key.exportable);
        self.hsm_platform = (version >= ApiVersion::HSM_PLATFORM).then_some(if key.kty.is_hsm() { "2" } else { "0" });
        self.key_size = match key.public {
            PublicPart::Oct { bits } if version >= ApiVersion::KEY_SIZE => Some(bits),
            _ => None,
        };
        self
    }
}

/// Tags within the bounds: 15 of them, names and values of 256 characters for keys and 512 for secrets.
pub(super) fn tags(tags: Option<Tags>, kind: Kind) -> Result<Option<Tags>, ApiError> {
    let longest = match kind {
        Kind::Key => 256,
        Kind::Secret => 512,
    };
    let Some(tags) = tags else { return Ok(None) };
    if tags.len() > MAX_TAGS {
        return Err(input::invalid(&format!("tags: more than {MAX_TAGS}")));
    }
    let too_long = |text: &String| text.chars().count() > longest;
    if tags.iter().any(|(name, value)| too_long(name) || too_long(value)) {
        return Err(input::invalid(&format!("tags: a name or value is longer than {longest} characters")));
    }
    Ok(Some(tags))
}
