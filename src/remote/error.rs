//! Why a request had no success, as facts.

use std::fmt;

use serde_json::Value;

/// Why a request had no success. No variant carries a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The vault, or who gives out its tokens, answered that it will not.
    Refused {
        /// The HTTP status.
        status: u16,
        /// `error.code` of the answer, empty when it has none; of a token endpoint its `error`.
        code: String,
        /// `error.innererror.code`, such as `ForbiddenByPolicy`, `KeyDisabled`.
        inner: Option<String>,
        /// The answer's own words.
        message: String,
    },
    /// There was no answer, or none that can be understood.
    Unreachable(String),
}

impl Failure {
    /// The refusal that an answer's `body` tells, as the service writes it: `{"error":{"code","message","innererror"}}`, the
    /// same in `odata.error` of old, or OAuth's `{"error","error_description"}`.
    pub(super) fn refused(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(code) = text(&body["error"]) {
            let message = text(&body["error_description"]).unwrap_or_default();
            return Self::Refused { status, code, inner: None, message };
        }
        let error = &body["error"];
        Self::Refused {
            status,
            code: text(&error["code"]).unwrap_or_default(),
            inner: text(&error["innererror"]["code"]),
            // App Service's errors have their text at the top.
            message: text(&error["message"]).or_else(|| text(&body["message"])).unwrap_or_default(),
        }
    }

    /// What a request of signing in met with, told so that nobody takes it for the vault's word.
    pub(super) fn of_sign_in(self, endpoint: &str) -> Self {
        match self {
            Self::Refused { status, code, inner, message } => {
                let message = format!("no token from {endpoint}: {message}");
                Self::Refused { status, code, inner, message }
            }
            Self::Unreachable(why) => Self::Unreachable(format!("no token: {why}")),
        }
    }

    /// The HTTP status of a refusal.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unreachable(_) => None,
        }
    }

    /// The inner code of a refusal.
    pub fn inner(&self) -> Option<&str> {
        match self {
            Self::Refused { inner, .. } => inner.as_deref(),
            Self::Unreachable(_) => None,
        }
    }

    /// Whether it was refused because the caller lacks a permission, by a policy, a role or a network rule; not because of
    /// the state of a key.
    pub fn is_lack_of_permission(&self) -> bool {
        let lack = |inner: &str| inner.starts_with("ForbiddenBy") || inner == "AccessDenied";
        self.status() == Some(403) && self.inner().is_none_or(lack)
    }
}

impl fmt::Display for Failure {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, code, inner, message } => {
                write!(f, "{status} {code}")?;
                if let Some(inner) = inner {
                    write!(f, "/{inner}")?;
                }
                let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Self::Unreachable(why) => write!(f, "no answer: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_errors_are_read_with_their_inner_code() {
        let body = br#"{"error":{"code":"Forbidden","message":"Operation wrap is\r\nnot allowed.","innererror":{"code":"KeyDisabled"}}}"#;
        let failure = Failure::refused(403, body);
        assert_eq!(failure.to_string(), "403 Forbidden/KeyDisabled: Operation wrap is not allowed.");
        assert_eq!((failure.status(), failure.inner()), (Some(403), Some("KeyDisabled")));
        assert!(!failure.is_lack_of_permission());
    }

    #[test]
    fn a_lack_of_permission_is_told_from_the_state_of_a_key() {
        let of = |inner: &str| {
            let body = format!(r#"{{"error":{{"code":"Forbidden","message":"","innererror":{{"code":"{inner}"}}}}}}"#);
            Failure::refused(403, body.as_bytes()).is_lack_of_permission()
        };
        assert!(["ForbiddenByPolicy", "ForbiddenByRbac", "ForbiddenByFirewall", "AccessDenied"].into_iter().all(of));
        assert!(!["KeyDisabled", "KeyExpired", "KeyNotYetValid", "KeyOperationForbidden"].into_iter().any(of));
        assert!(!Failure::refused(401, b"").is_lack_of_permission());
    }

    #[test]
    fn other_forms_of_errors_are_read_too() {
        let entra = Failure::refused(401, br#"{"error":"invalid_client","error_description":"AADSTS7000215: no"}"#);
        assert_eq!(entra.to_string(), "401 invalid_client: AADSTS7000215: no");
        let app_service = Failure::refused(400, br#"{"statusCode":400,"message":"No User Assigned"}"#);
        assert_eq!(app_service.to_string(), "400 : No User Assigned");
        assert_eq!(Failure::refused(502, b"<html>").to_string(), "502 ");
    }
}
