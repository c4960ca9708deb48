//! The error of a request to a vault.

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

/// What to do about a CA that is not trusted.
const UNKNOWN_CA: &str = "its certificate is of a CA that is not trusted here; name the file with that CA in SSL_CERT_FILE, in a drill \
     by --ca (a Keyhaven's: keyhaven ca export)";

/// The inner codes of a vault's network rules.
const NETWORK_DENIALS: [&str; 2] = ["ForbiddenByFirewall", "ForbiddenByConnection"];

/// Why a request failed. No variant holds a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The vault, or its token endpoint, refused the request.
    Refused {
        /// The HTTP status.
        status: u16,
        /// `error.code` of the answer, empty if there is none; of a token endpoint its `error`.
        code: String,
        /// `error.innererror.code`, such as `ForbiddenByPolicy`, `KeyDisabled`.
        inner: Option<String>,
        /// The message of the answer.
        message: String,
        /// The permission that the caller lacks, such as `secrets/get`; this server alone says so, in `x-keyhaven-missing`.
        missing: Option<Box<str>>,
        /// A role that has that action, in a vault in which roles decide; in `x-keyhaven-role`.
        role: Option<Box<str>>,
    },
    /// There was no answer, or none that can be parsed.
    NoAnswer(String),
    /// What answers is no vault, or asks for a token that other hosts would accept too.
    NoVault(String),
    /// There was no answer, because the host's certificate is of a CA that is not trusted.
    UnknownCa {
        /// The host, with its port if it is not the usual one.
        host: String,
    },
}

impl RequestError {
    /// Parses the body of an error answer in the service's form: `{"error":{"code","message","innererror"}}`, the
    /// same in `odata.error` of old, or OAuth's `{"error","error_description"}`.
    pub(super) fn refused(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(code) = text(&body["error"]) {
            let message = text(&body["error_description"]).unwrap_or_default();
            return Self::Refused { status, code, inner: None, message, missing: None, role: None };
        }
        let error = &body["error"];
        Self::Refused {
            status,
            code: text(&error["code"]).unwrap_or_default(),
            inner: text(&error["innererror"]["code"]),
            // App Service's errors have their text at the top.
            message: text(&error["message"]).or_else(|| text(&body["message"])).unwrap_or_default(),
            missing: None,
            role: None,
        }
    }

    /// Adds what this server says in headers of its own: the permission that is missing, a role that has it, and which field is
    /// wrong.
    pub(super) fn with_hints(mut self, [permission, has_it, detail]: [Option<&str>; 3]) -> Self {
        if let Self::Refused { missing, role, message, .. } = &mut self {
            *missing = permission.map(Box::from);
            *role = has_it.map(Box::from);
            if let Some(detail) = detail {
                *message = format!("{message} ({detail})");
            }
        }
        self
    }

    /// Marks an error of the token endpoint as such, so that it is not mistaken for one of the vault.
    pub(super) fn of_sign_in(self, endpoint: &str) -> Self {
        match self {
            Self::Refused { status, code, inner, message, missing, role } => {
                let colon = if message.is_empty() { "" } else { ": " };
                let message = format!("no token from {endpoint}{colon}{message}");
                Self::Refused { status, code, inner, message, missing, role }
            }
            Self::NoAnswer(why) => Self::NoAnswer(format!("no token: {why}")),
            Self::NoVault(why) => Self::NoVault(format!("no token: {why}")),
            Self::UnknownCa { host } => Self::NoAnswer(format!("no token: {host}: {UNKNOWN_CA}")),
        }
    }

    /// The HTTP status of a refusal.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::NoAnswer(_) | Self::NoVault(_) | Self::UnknownCa { .. } => None,
        }
    }

    /// The inner code of a refusal.
    pub fn inner(&self) -> Option<&str> {
        match self {
            Self::Refused { inner, .. } => inner.as_deref(),
            Self::NoAnswer(_) | Self::NoVault(_) | Self::UnknownCa { .. } => None,
        }
    }

    /// The permission that the caller lacks, such as `secrets/get`, if the answer names it.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Refused { missing, .. } => missing.as_deref(),
            Self::NoAnswer(_) | Self::NoVault(_) | Self::UnknownCa { .. } => None,
        }
    }

    /// How `identity`, the words for the caller, gets the permission that it lacks, if the answer names one.
    pub fn grant(&self, identity: &str) -> Option<String> {
        if let Self::Refused { missing: Some(action), role: Some(role), .. } = self {
            return Some(format!("missing: {action}: give {identity} a role that has it, such as '{role}'"));
        }
        let (collection, permission) = self.missing()?.split_once('/')?;
        Some(format!(
            "missing: {collection}/{permission}: add \"{permission}\" to \"{collection}\" of {identity} in the vault's \
             accessPolicies"
        ))
    }

    /// Whether a policy or a role denied the caller; not a network rule, nor the state of a key.
    pub fn is_permission_denied(&self) -> bool {
        let is_denial = |inner: &str| inner.starts_with("ForbiddenBy") || inner == "AccessDenied";
        self.status() == Some(403) && self.inner().is_none_or(is_denial) && !self.is_network_denied()
    }

    /// Whether a network rule of the vault denied the caller.
    pub fn is_network_denied(&self) -> bool {
        self.status() == Some(403) && self.inner().is_some_and(|inner| NETWORK_DENIALS.contains(&inner))
    }

    /// The address that the vault saw the request come from, if the refusal names it: that of a firewall does.
    pub fn client_address(&self) -> Option<IpAddr> {
        let Self::Refused { message, .. } = self else { return None };
        let (_, after) = message.split_once("Client address: ")?;
        after.split_whitespace().next()?.parse().ok()
    }
}

impl fmt::Display for RequestError {
    /// Writes one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, code, inner, message, .. } => {
                write!(f, "{status}")?;
                if !code.is_empty() {
                    write!(f, " {code}")?;
                }
                if let Some(inner) = inner {
                    write!(f, "/{inner}")?;
                }
                let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Self::NoAnswer(why) | Self::NoVault(why) => write!(f, "no answer: {why}"),
            Self::UnknownCa { host } => write!(f, "no answer: {host}: {UNKNOWN_CA}"),
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn service_errors_are_parsed_with_their_inner_code() {
        let body = br#"{"error":{"code":"Forbidden","message":"Operation wrap is\r\nnot allowed.","innererror":{"code":"KeyDisabled"}}}"#;
        let failure = RequestError::refused(403, body);
        assert_eq!(failure.to_string(), "403 Forbidden/KeyDisabled: Operation wrap is not allowed.");
        assert_eq!((failure.status(), failure.inner()), (Some(403), Some("KeyDisabled")));
        assert!(!failure.is_permission_denied());
    }

    #[test]
    fn a_refused_sign_in_names_its_endpoint_and_has_no_blanks_to_spare() {
        let of = |body: &[u8]| RequestError::refused(401, body).of_sign_in("http://here/token").to_string();
        assert_eq!(of(b""), "401: no token from http://here/token");
        assert_eq!(of(br#"{"message":"no"}"#), "401: no token from http://here/token: no");
    }

    #[test]
    fn a_missing_permission_is_named_with_what_grants_it() {
        let refused = RequestError::refused(403, b"").with_hints([Some("keys/create"), None, None]);
        let expected =
            "missing: keys/create: add \"create\" to \"keys\" of identity 'app' in the vault's accessPolicies";
        assert_eq!(refused.grant("identity 'app'").as_deref(), Some(expected));
        assert_eq!(RequestError::refused(403, b"").grant("identity 'app'"), None);
        let action = Some("Microsoft.KeyVault/vaults/keys/read");
        let refused = RequestError::refused(403, b"").with_hints([action, Some("Key Vault Reader"), None]);
        let expected = "missing: Microsoft.KeyVault/vaults/keys/read: give identity 'app' a role that has it, such as 'Key Vault Reader'";
        assert_eq!(refused.grant("identity 'app'").as_deref(), Some(expected));
    }

    #[test]
    fn a_denied_permission_is_not_a_key_state() {
        let of = |inner: &str| {
            let body = format!(r#"{{"error":{{"code":"Forbidden","message":"","innererror":{{"code":"{inner}"}}}}}}"#);
            RequestError::refused(403, body.as_bytes()).is_permission_denied()
        };
        assert!(["ForbiddenByPolicy", "ForbiddenByRbac", "AccessDenied"].into_iter().all(of));
        assert!(!["ForbiddenByFirewall", "ForbiddenByConnection"].into_iter().any(of));
        assert!(!["KeyDisabled", "KeyExpired", "KeyNotYetValid", "KeyOperationForbidden"].into_iter().any(of));
        assert!(!RequestError::refused(401, b"").is_permission_denied());
    }

    #[test]
    fn a_firewall_names_the_address_that_it_shuts_out() {
        let of = |message: &str, inner: &str| {
            let body = json!({"error": {"code": "Forbidden", "message": message, "innererror": {"code": inner}}});
            let failure = RequestError::refused(403, body.to_string().as_bytes());
            (failure.is_network_denied(), failure.client_address().map(|address| address.to_string()))
        };
        let message = "Client address is not authorized and caller is not a trusted service.\r\nClient address: ::1\r\nCaller: appid=a";
        assert_eq!(of(message, "ForbiddenByFirewall"), (true, Some("::1".to_owned())));
        assert_eq!(of("Public network access is disabled", "ForbiddenByConnection"), (true, None));
        assert_eq!(of("", "ForbiddenByRbac"), (false, None));
    }

    #[test]
    fn other_error_forms_are_parsed() {
        let entra =
            RequestError::refused(401, br#"{"error":"invalid_client","error_description":"AADSTS7000215: no"}"#);
        assert_eq!(entra.to_string(), "401 invalid_client: AADSTS7000215: no");
        let app_service = RequestError::refused(400, br#"{"statusCode":400,"message":"No User Assigned"}"#);
        assert_eq!(app_service.to_string(), "400: No User Assigned");
        assert_eq!(RequestError::refused(502, b"<html>").to_string(), "502");
    }
}
