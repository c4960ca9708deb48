//! The end of a Bearer challenge that asks for a token with other claims (continuous access evaluation).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `error="insufficient_claims", error_description="…", claims="…"`, with `claims`, a JSON document, in base64. Clients split a
/// challenge at commas and blanks, and pairs at the first `=` or all of them, so `description` has neither commas nor `=`.
pub(crate) fn insufficient_claims(description: &str, claims: &str) -> String {
    let claims = STANDARD.encode(claims);
    format!(r#"error="insufficient_claims", error_description="{description}", claims="{claims}""#)
}
