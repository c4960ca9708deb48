//! Request bodies that create or update keys.

use hyper::StatusCode;
use serde::Deserialize;

use super::super::api_version::ApiVersion;
use super::super::attributes::{self, AttributesIn};
use super::super::{input, refusal};
use crate::crypto::base64url;
use crate::http::error::ApiError;
use crate::vault::Kind;
use crate::vault::keys::release::{ReleaseDocumentError, ReleasePolicy};
use crate::vault::keys::{KeyOperation, KeySpec, KeySpecError, KeyType, KeyUpdate, NewKey};
use crate::vault::object::Tags;

/// The body of a create.
#[derive(Deserialize)]
pub(super) struct CreateKey {
    kty: Option<String>,
    key_size: Option<u32>,
    crv: Option<String>,
    public_exponent: Option<u64>,
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
    release_policy: Option<ReleasePolicyIn>,
}

impl CreateKey {
    pub(super) fn parse(self, version: ApiVersion) -> Result<(NewKey, KeySpec), ApiError> {
        let mut required = input::Required::default();
        required.check("kty", self.kty.as_ref());
        required.finish()?;
        let kty = key_type(self.kty.as_deref().unwrap_or_default(), version)?;
        let spec = KeySpec::new(kty, self.key_size, self.crv.as_deref(), self.public_exponent).map_err(spec_error)?;
        let described =
            CommonMembers { attributes: self.attributes, tags: self.tags, release_policy: self.release_policy };
        Ok((described.new_key(kty, self.key_ops.as_deref())?, spec))
    }
}

/// The body of an update.
#[derive(Deserialize)]
pub(crate) struct UpdateKey {
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
    release_policy: Option<ReleasePolicyIn>,
}

impl UpdateKey {
    pub(super) fn parse(self) -> Result<KeyUpdate, ApiError> {
        let attributes = self.attributes.unwrap_or_default();
        Ok(KeyUpdate {
            key_ops: self.key_ops.as_deref().map(key_ops).transpose()?,
            attributes: attributes.requested(),
            tags: attributes::tags(self.tags, Kind::Key)?,
            exportable: attributes.exportable,
            release_policy: self.release_policy.map(ReleasePolicyIn::parse).transpose()?,
        })
    }
}

/// The members that the bodies of a create and of an import share.
pub(super) struct CommonMembers {
    pub(super) attributes: Option<AttributesIn>,
    pub(super) tags: Option<Tags>,
    pub(super) release_policy: Option<ReleasePolicyIn>,
}

impl CommonMembers {
    pub(super) fn new_key(self, kty: KeyType, operations: Option<&[String]>) -> Result<NewKey, ApiError> {
        let attributes = self.attributes.unwrap_or_default();
        let operations = operations.map(key_ops).transpose()?;
        Ok(NewKey {
            kty,
            key_ops: operations.filter(|operations| !operations.is_empty()),
            attributes: attributes.requested(),
            tags: attributes::tags(self.tags, Kind::Key)?,
            exportable: attributes.exportable.unwrap_or_default(),
            release_policy: self.release_policy.map(ReleasePolicyIn::parse).transpose()?,
            imported: false,
        })
    }
}

/// A release policy as a caller gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReleasePolicyIn {
    content_type: Option<String>,
    immutable: Option<bool>,
    data: Option<String>,
}

impl ReleasePolicyIn {
    fn parse(self) -> Result<ReleasePolicy, ApiError> {
        let document = self.data.as_deref().and_then(base64url::decode);
        let document = document.ok_or_else(|| input::invalid("release_policy.data: must be base64url"))?;
        ReleasePolicy::new(self.content_type, self.immutable.unwrap_or_default(), &document)
            .map_err(|why| input::invalid(&format!("release_policy: {}", document_error(why))))
    }
}

const fn document_error(why: ReleaseDocumentError) -> &'static str {
    match why {
        ReleaseDocumentError::NotJson => "data is not JSON",
        ReleaseDocumentError::NotAnObject => "data is not a JSON object",
        ReleaseDocumentError::NoVersion => "data has no version",
        ReleaseDocumentError::NoAuthorities => "data has neither anyOf nor allOf",
        ReleaseDocumentError::InsecureAuthority => "an authority of data is not an https URL",
        ReleaseDocumentError::NoConditions => "an authority of data has no conditions",
        ReleaseDocumentError::TooDeep => "conditions of data are nested too deep",
        ReleaseDocumentError::EmptyCondition => "a condition of data has neither a claim nor conditions",
    }
}

/// The type called `name`. Symmetric keys of software are refused in the service's words; symmetric HSM keys are there
/// from 2025-07-01 on, the version that the official SDKs' key clients send (which one has them in premium vaults is
/// not published), and before that, like a word that is no type at all, get golden 065.
pub(super) fn key_type(name: &str, version: ApiVersion) -> Result<KeyType, ApiError> {
    const KNOWN: &str = "kty: use RSA, RSA-HSM, EC, EC-HSM or, from api-version 2025-07-01 on, oct-HSM";
    match KeyType::parse(name) {
        Some(KeyType::OctHsm) if version < ApiVersion::OCT_HSM => Err(input::invalid(KNOWN)),
        Some(kty) => Ok(kty),
        None if name == "oct" => {
            let error = ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", "Invalid kty value: oct");
            Err(error.inner("KeyTypeNotSupported").header("x-keyhaven-detail", "kty: use oct-HSM"))
        }
        None => Err(input::invalid(KNOWN)),
    }
}

fn spec_error(error: KeySpecError) -> ApiError {
    match error {
        KeySpecError::Size { bits, known } => refusal::size_not_supported(bits as usize, known),
        KeySpecError::Curve => input::invalid("crv: use P-256, P-384, P-521, P-256K or SECP256K1"),
        KeySpecError::Exponent => input::invalid("public_exponent: must be odd and from 3 to 2147483647"),
    }
}

fn key_ops(names: &[String]) -> Result<Vec<KeyOperation>, ApiError> {
    let mut operations = Vec::new();
    for name in names {
        let operation = KeyOperation::parse(name).ok_or_else(|| input::invalid("key_ops: not an operation of keys"))?;
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
    Ok(operations)
}
