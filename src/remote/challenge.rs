//! The challenge of a vault: who gives out its tokens, and for what.

use super::error::Failure;
use super::url::VaultUrl;

/// What `WWW-Authenticate` of a 401 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// `https://HOST/TENANT`.
    pub(super) authority: String,
    /// The last segment of the authority.
    pub(super) tenant: String,
    /// What a token must be for: `https://vault.azure.net`.
    pub(super) resource: String,
}

impl Challenge {
    /// The challenge that `header` of the answer of `vault` is.
    ///
    /// # Errors
    /// When it is none, or asks for a token that would be good elsewhere than in `vault`.
    pub(super) fn parse(header: &str, vault: &VaultUrl) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::Unreachable(format!("the challenge of {vault} {why}"));
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
        if !vault.lies_below(&resource) {
            return Err(wrong(&format!("asks for a token for {resource}, which would be good elsewhere")));
        }
        Ok(Self { authority: authority.trim_end_matches('/').to_owned(), tenant, resource })
    }
}

/// The value of `name` in `a="b", c="d"`; quotation marks may be missing.
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
    fn the_services_forms_are_read() {
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
    fn what_would_lead_a_credential_elsewhere_is_refused() {
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
