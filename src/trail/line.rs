//! The trail as one line of text: `IDENTITY OPERATION VAULT/OBJECT STATUS [missing PERMISSION | CODE [asked NAME]] DURATION ID`, with `-`
//! for what is not known. Of a host that is not here the line has the door that was asked in place of the operation.

use std::borrow::Cow;
use std::fmt;

use super::Trail;

/// The longest name that a line shows, in characters.
const MAX_NAME: usize = 127;

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caller = self.caller.name();
        let door = if self.asked.is_some() { self.door } else { "-" };
        let operation = self.operation.map_or(door, |operation| operation.name);
        write!(f, "{} {operation} ", Printable(caller.as_deref().unwrap_or("-")))?;
        match (&self.vault, self.object()) {
            (Some(vault), Some(object)) => write!(f, "{vault}/{}", Printable(&object))?,
            (Some(vault), None) => write!(f, "{vault}")?,
            (None, object) => write!(f, "{}", Printable(object.as_deref().unwrap_or("-")))?,
        }
        write!(f, " {}", self.status.as_u16())?;
        match (self.missing, &self.error) {
            (Some(permission), _) => write!(f, " missing {permission}")?,
            (None, Some(code)) => write!(f, " {code}")?,
            (None, None) => {}
        }
        if let Some(name) = &self.asked {
            write!(f, " asked {name}")?;
        }
        write!(f, " {:.1} ms ", self.duration.as_secs_f64() * 1000.0)?;
        match self.request_id {
            Some(id) => write!(f, "{id}"),
            None => f.write_str("-"),
        }
    }
}

/// A name from outside on a line of the log: anything but visible ASCII becomes `?`, so that no client can forge a line.
pub(crate) struct Printable<'a>(pub &'a str);

impl<'a> Printable<'a> {
    /// What is shown of it.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        if self.0.len() <= MAX_NAME && self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Cow::Borrowed(self.0);
        }
        let shown = |c: char| if c.is_ascii_graphic() { c } else { '?' };
        self.0.chars().take(MAX_NAME).map(shown).collect()
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Missing;
    use std::time::Duration;

    use hyper::{Method, StatusCode};
    use uuid::Uuid;

    use super::*;
    use crate::http::error::ApiError;
    use crate::http::routes::{Lookup, Routes};
    use crate::operation::{Operation, Permission};
    use crate::trail::AskedFor;
    use crate::vault::VaultName;

    const GET: Permission = Permission::secrets("get", "secrets/getSecret/action");
    static SECRET_GET: Operation =
        Operation { name: "SecretGet", method: Method::GET, path: "/secrets/{name}", permission: GET };

    fn trail(path: &str) -> Trail {
        let mut trail = Trail::new("vault");
        let routes = Routes::new(vec![(&SECRET_GET, ())]);
        if let Lookup::Found(operation, (), params) = routes.find(&Method::GET, &path.parse().unwrap()) {
            trail.route(operation, &params);
        }
        trail.vault = VaultName::parse("shop");
        trail.request_id = Some(Uuid::from_u128(7));
        trail.duration = Duration::from_micros(312);
        trail
    }

    #[test]
    fn a_refused_request_names_the_missing_permission() {
        let mut refused = trail("/secrets/api-key?api-version=7.4");
        refused.missing = Some(Missing::Permission(GET));
        let answer = ApiError::new(StatusCode::FORBIDDEN, "Forbidden", "No.").into_response();
        let line = refused.finish(answer).trail.to_string();
        assert_eq!(
            line,
            "- SecretGet shop/api-key 403 missing secrets/get 0.3 ms 00000000-0000-0000-0000-000000000007"
        );
    }

    #[test]
    fn an_error_is_named_by_its_code_and_the_unknown_by_hyphens() {
        let answer = ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", "No.").into_response();
        assert_eq!(Trail::new("admin").finish(answer).trail.to_string(), "- - - 400 BadParameter 0.0 ms -");
    }

    #[test]
    fn what_was_asked_for_and_is_not_here_is_named_and_cannot_forge_a_line() {
        let refused = |name: &str| {
            let answer = ApiError::new(StatusCode::FORBIDDEN, "Forbidden", "No.").into_response();
            Trail::new("admin").finish(AskedFor::new(name).attach(answer)).trail.to_string()
        };
        assert_eq!(refused("evil.example"), "- admin - 403 Forbidden asked evil.example 0.0 ms -");
        assert_eq!(refused("a\n200 b"), "- admin - 403 Forbidden asked a?200?b 0.0 ms -");
        assert!(refused(&"x".repeat(5000)).len() < 200);
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let line = trail("/secrets/a%0A200%20owner%E2%80%A8").to_string();
        assert!(line.starts_with("- SecretGet shop/a?200?owner? 200 "), "{line}");
        let long = trail(&format!("/secrets/{}", "x".repeat(5000))).to_string();
        assert!(long.len() < 250, "{}", long.len());
    }
}
