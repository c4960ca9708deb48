//! Request bodies that set or update secrets.

use serde::Deserialize;

use super::super::api_version::ApiVersion;
use super::super::attributes::{self, AttributesIn};
use super::super::authorized_request::AuthorizedRequest;
use super::super::input;
use crate::http::error::ApiError;
use crate::vault::Kind;
use crate::vault::object::Tags;
use crate::vault::secrets::{MAX_CONTENT_TYPE, MAX_VALUE, NewSecret, SecretUpdate, SecretValue};

/// The body of a set.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetSecret {
    value: Option<SecretValue>,
    content_type: Option<String>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
}

impl SetSecret {
    pub(super) fn parse(self) -> Result<NewSecret, ApiError> {
        let mut required = input::Required::default();
        required.check("value", self.value.as_ref());
        required.finish()?;
        let value = self.value.unwrap_or_default();
        if value.reveal().len() > MAX_VALUE {
            return Err(input::invalid(&format!("value: longer than {MAX_VALUE} bytes")));
        }
        check_type(self.content_type.as_deref())?;
        let attributes = self.attributes.unwrap_or_default().requested();
        let tags = attributes::tags(self.tags, Kind::Secret)?;
        Ok(NewSecret { value, content_type: self.content_type, attributes, tags })
    }
}

/// The body of an update. A value in it is not looked at: an update cannot change it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateSecret {
    content_type: Option<String>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
}

impl UpdateSecret {
    pub(super) fn parse(self) -> Result<SecretUpdate, ApiError> {
        check_type(self.content_type.as_deref())?;
        Ok(SecretUpdate {
            content_type: self.content_type,
            attributes: self.attributes.unwrap_or_default().requested(),
            tags: attributes::tags(self.tags, Kind::Secret)?,
        })
    }
}

fn check_type(kind: Option<&str>) -> Result<(), ApiError> {
    if kind.is_some_and(|kind| kind.chars().count() > MAX_CONTENT_TYPE) {
        return Err(input::invalid(&format!("contentType: longer than {MAX_CONTENT_TYPE} characters")));
    }
    Ok(())
}

/// `outContentType`, from 2025-06-01-preview on, asks for a certificate's secret in another form; any other secret is
/// answered as it is. A form that the service does not have is refused (the OpenAPI's description; no text was found).
pub(super) fn check_out_content_type(request: &AuthorizedRequest) -> Result<(), ApiError> {
    let known = ["application/x-pkcs12", "application/x-pem-file"];
    match request.target.query.get("outContentType").filter(|_| request.api_version >= ApiVersion::OUT_CONTENT_TYPE) {
        Some(wanted) if !known.iter().any(|kind| kind.eq_ignore_ascii_case(wanted)) => {
            Err(input::invalid("outContentType: use application/x-pkcs12 or application/x-pem-file"))
        }
        _ => Ok(()),
    }
}
