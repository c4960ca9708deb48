//! The challenge of a vault: the authority that issues its tokens, and the resource that a token must be for.

use super::error::RequestError;
use super::url::VaultUrl;

/// The `WWW-Authenticate` header of a 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// `https://HOST/TENANT`.
    pub(super) authority: String,
    /// The last segment of the authority.
    pub(super) tenant: String,
    /// The resource that a token must be for: `https://vault.azure.net`.
    pub(super) resource: String,
}

impl Challenge {
    /// Parses `header`, the `WWW-Authenticate` of `vault`.
    ///
    /// # Errors
    /// When it is no challenge of a vault, or asks for a token that other hosts than `vault` would accept.
    pub(super) fn parse(header: &str, vault: &VaultUrl) -> Result<Self, RequestError> {
        let wrong = |why: &str| RequestError::NoVault(format!("the challenge of {vault} {why}"));
        let parameters = header.trim().strip_prefix("Bearer ").ok_or_else(|| wrong("is not of the scheme Bearer"))?;
        let one = |names: [&str; 2]| names.into_iter().find_map(|name| parameter(parameters, name));
        let authority = one(["authorization", "authorization_uri"]).ok_or_else(|| wrong("names no authority"))?;
        let resource = one(["resource", "scope"]).ok_or_else(|| wrong("names no resource"))?;
        let resource = resource.strip_suffix("/.default").unwrap_or(&resource).to_owned();
        let (_, path) = VaultUrl::split(&authority).map_err(|_| wrong("names an authority that is not HTTPS"))?;
        let tenant = path.trim_matches('/').to_owned();
        if tenant.is_empty() || tenant.contains(['/', '?']) {
            return Err(wrong("names no tenant"));
        }
        if !vault.is_below(&resource) {
            return Err(wrong(&format!("asks for a token for {resource}, which would be good elsewhere")));
        }
        Ok(Self { authority: authority.trim_end_matches('/').to_owned(), tenant, resource })
    }
}

/// The value of `name` in `a="b", c="d"`; the quotation marks are optional.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    parameters.split([',', ' ']).find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        let value = value.trim().trim_matches('"');
        (found.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str) -> Result<Challenge, String> {
        let vault = "https://acme.vault.azure.net".parse().unwrap();
        Challenge::parse(header, &vault).map_err(|failure| failure.to_string())
    }

    #[test]
    fn all_forms_of_the_service_are_parsed() {
        let expected = Challenge {
            authority: "https://login.microsoftonline.com/t".to_owned(),
            tenant: "t".to_owned(),
            resource: "https://vault.azure.net".to_owned(),
        };
        for header in [
            r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization_uri="https://login.microsoftonline.com/t/" scope="https://vault.azure.net/.default""#,
            "Bearer authorization=https://login.microsoftonline.com/t,resource=https://vault.azure.net",
        ] {
            assert_eq!(parsed(header), Ok(expected.clone()), "{header}");
        }
    }

    #[test]
    fn a_challenge_that_would_leak_a_credential_is_refused() {
        let cases = [
            ("", "is not of the scheme Bearer"),
            ("Basic realm=x", "is not of the scheme Bearer"),
            (r#"Bearer resource="https://vault.azure.net""#, "names no authority"),
            (r#"Bearer authorization="https://a/t""#, "names no resource"),
            (r#"Bearer authorization="http://a/t", resource="https://vault.azure.net""#, "that is not HTTPS"),
            (r#"Bearer authorization="https://a/", resource="https://vault.azure.net""#, "names no tenant"),
            (r#"Bearer authorization="https://a/t/u", resource="https://vault.azure.net""#, "names no tenant"),
            (r#"Bearer authorization="https://a/t", resource="https://graph.microsoft.com""#, "be good elsewhere"),
        ];
        for (header, why) in cases {
            let failure = parsed(header).unwrap_err();
            assert!(failure.contains(why), "{header}: {failure}");
        }
    }
}
