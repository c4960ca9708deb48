//! An authorized request, and what handlers take from it.

use super::api_version::ApiVersion;
use super::refusal;
use super::target::RequestTarget;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::operation::Operation;
use crate::vault::{Call, Kind, ObjectName, Refusal, Version};

/// An authorized request without its body.
pub(super) struct AuthorizedRequest {
    pub(super) operation: &'static Operation,
    pub(super) params: Params,
    pub(super) target: RequestTarget,
    pub(super) api_version: ApiVersion,
    pub(super) call: Call,
    /// The refusal of a symmetric key: the caller may read the key, and so use the public part of an asymmetric one.
    pub(super) refusal_if_symmetric: Option<Box<ApiError>>,
}

impl AuthorizedRequest {
    /// The object's name in the path.
    pub(super) fn name(&self) -> Result<ObjectName, ApiError> {
        let text = self.params.get("name");
        ObjectName::parse(&text).ok_or_else(|| refusal::invalid_name(&text))
    }

    /// The object's version in the path; none means the latest.
    pub(super) fn version(&self) -> Result<Option<Version>, ApiError> {
        match &*self.params.get("version") {
            "" => Ok(None),
            text => match Version::parse(text) {
                Some(version) => Ok(Some(version)),
                None => Err(refusal::no_such_segment(&self.operation.method, text)),
            },
        }
    }

    /// `https://HOST/keys/NAME`, with the version when one is given.
    pub(super) fn id(&self, kind: Kind, name: &ObjectName, version: Option<&Version>) -> String {
        self.target.id(kind, name, version)
    }

    /// Maps a refusal of the domain to the error on the wire. Some texts name the vault, or an object by its id.
    pub(super) fn error(&self, refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::PublicKeysOnly => {
                let refused = self.refusal_if_symmetric.as_deref().cloned();
                refused.unwrap_or_else(|| refusal::error(Refusal::PublicKeysOnly))
            }
            Refusal::PurgeProtected => refusal::purge_protected(Some(&self.call.vault)),
            Refusal::RestoreConflict { kind, name, version } => {
                refusal::restore_conflict(kind, &self.id(kind, &name, Some(&version)))
            }
            Refusal::Crypto { key, input, algorithm, cause } => {
                let kid = self.id(Kind::Key, &key.name, Some(&key.version));
                refusal::crypto(&kid, &key, input, algorithm, &cause)
            }
            other => refusal::error(other),
        }
    }
}
