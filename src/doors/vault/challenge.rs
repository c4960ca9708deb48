//! The challenge: the answer to a request without a good token, byte for byte as the clients' parsers need it (one
//! header, quoted values, `, ` between them, one path segment after the login host).

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use uuid::Uuid;

use super::host;
use crate::directory::{ClaimsChallenge, Directory, EndedSession, SessionEnd, TokenRefusal};
use crate::http::authority::Authority;
use crate::http::claims_challenge::insufficient_claims;
use crate::http::error::ApiError;
use crate::http::{ConnectionInfo, Request};
use crate::records::RecordError;

/// The audience of the public cloud.
pub(super) const VAULT: &str = "https://vault.azure.net";
/// The audience of managed HSMs.
pub(super) const MANAGED_HSM: &str = "https://managedhsm.azure.net";
/// The application id of the service, the audience of version 2 tokens.
pub(super) const APP_ID: &str = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093";
/// The message for a request without a token (recorded, golden 061).
pub(super) const MISSING: &str = "AKV10000: Request is missing a Bearer or PoP token.";

/// The text for a token that cannot be read (public: traces of clients of the service).
const UNREADABLE: &str = "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.";

/// The message for a request with a token that has expired (public).
pub(super) const EXPIRED: &str = "[TokenExpired] Error validating token: 'S2S12086'.";

/// The resource that clients ask a token for: the host without its first label, with its port, because Python and Go
/// compare the port too; on `privatelink` names the cloud's own, as the service has it there.
pub(super) fn resource(authority: &Authority) -> String {
    if let Some(host) = host::private_link(authority.host()) {
        return format!("https://{host}");
    }
    authority.parent().map_or_else(|| VAULT.to_owned(), |parent| format!("https://{parent}"))
}

/// The token of a request, if it has one.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The 401 to a token that is refused; the challenge asks for new claims where they would help.
///
/// # Errors
/// When the token could not be checked.
pub(super) fn refused(
    why: TokenRefusal,
    token: &str,
    directory: &Directory,
    authority: &Authority,
    connection: ConnectionInfo,
) -> Result<ApiError, RecordError> {
    let claims = why.claims_challenge();
    let message = message(why, token, directory.issuer())?;
    let error = unauthorized(message, authority, directory.tenant_id(), connection);
    Ok(match claims {
        Some(claims) => asking_for(&claims, error),
        None => error,
    })
}

/// `error`, whose challenge asks for a token with new claims too.
fn asking_for(claims: &ClaimsChallenge, mut error: ApiError) -> ApiError {
    if let Some((_, challenge)) = error.headers.last_mut() {
        challenge.push_str(", ");
        challenge.push_str(&insufficient_claims(claims.description, &claims.claims));
    }
    error
}

/// The 401 with its challenge.
pub(super) fn unauthorized(
    message: String,
    authority: &Authority,
    tenant: Uuid,
    connection: ConnectionInfo,
) -> ApiError {
    let login = if connection.taken_over {
        "login.microsoftonline.com".to_owned()
    } else {
        authority.with_host("login.localhost").to_string()
    };
    let challenge = format!(r#"Bearer authorization="https://{login}/{tenant}", resource="{}""#, resource(authority));
    let mut error = ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
    error.headers.push((WWW_AUTHENTICATE, challenge));
    error
}

/// The service's text for a token that is not accepted; its texts are public knowledge except for those of a bad signature,
/// of a token that is not valid yet and the last four, for which no recording was found.
fn message(why: TokenRefusal, token: &str, issuer: &str) -> Result<String, RecordError> {
    Ok(match why {
        TokenRefusal::Malformed => UNREADABLE.to_owned(),
        TokenRefusal::BadSignature => "Error validating token: its signature does not fit.".to_owned(),
        TokenRefusal::NotYetValid => "[TokenNotYetValid] Error validating token.".to_owned(),
        TokenRefusal::UnknownKey => format!(
            "AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: '{}'.",
            token.split('.').next().unwrap_or_default()
        ),
        TokenRefusal::WrongIssuer(found) => {
            format!("AKV10032: Invalid issuer. Expected one of {issuer}, found {found}.")
        }
        TokenRefusal::WrongAudience(found) => {
            format!("AKV10022: Invalid audience. Expected {VAULT} or {APP_ID}, found: {found}.")
        }
        TokenRefusal::Expired => EXPIRED.to_owned(),
        TokenRefusal::NoSuchIdentity(oid) => {
            format!("Error validating token: the identity with the object id {oid} does not exist.")
        }
        TokenRefusal::SessionEnded(EndedSession { object_id: oid, why: SessionEnd::Revoked, .. }) => {
            format!("Error validating token: the session of the identity with the object id {oid} was revoked.")
        }
        TokenRefusal::SessionEnded(EndedSession { object_id: oid, why: SessionEnd::Disabled, .. }) => {
            format!("Error validating token: the identity with the object id {oid} is disabled.")
        }
        TokenRefusal::Record(error) => return Err(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_the_parent_domain_with_the_port() {
        let of = |text| resource(&Authority::parse(text).unwrap());
        assert_eq!(of("acme.vault.localhost:8443"), "https://vault.localhost:8443");
        assert_eq!(of("acme.vault.azure.net"), "https://vault.azure.net");
        assert_eq!(of("acme.privatelink.vaultcore.azure.net:8443"), VAULT);
        assert_eq!(of("acme.privatelink.vaultcore.azure.cn"), "https://vault.azure.cn");
        assert_eq!(of("acme.privatelink.vaultcore.usgovcloudapi.net"), "https://vault.usgovcloudapi.net");
        assert_eq!(of("acme.privatelink.managedhsm.azure.net"), MANAGED_HSM);
        assert_eq!(of("127.0.0.1:8443"), VAULT);
        assert_eq!(of("localhost:8443"), VAULT);
    }

    fn connection() -> ConnectionInfo {
        let (peer, local) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        ConnectionInfo { peer, local, taken_over: false, is_service: false }
    }

    #[test]
    fn the_longest_host_leaves_the_claims_whole() {
        let host = format!("a.{}.test:65535", ["x".repeat(61).as_str(); 4].join("."));
        let error = unauthorized(String::new(), &Authority::parse(&host).unwrap(), Uuid::nil(), connection());
        let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"9999999999"}}}"#.to_owned();
        let claims = ClaimsChallenge { description: "User session has been revoked", claims };
        let answer = asking_for(&claims, error).into_response();
        let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.ends_with("5OTk5OTk5In19fQ==\""), "{challenge}");
    }

    #[test]
    fn the_challenge_has_the_form_that_every_client_parses() {
        let authority = Authority::parse("acme.vault.localhost:8443").unwrap();
        let error = unauthorized(MISSING.to_owned(), &authority, Uuid::nil(), connection());
        assert_eq!(
            error.headers[0].1,
            "Bearer authorization=\"https://login.localhost:8443/00000000-0000-0000-0000-000000000000\", \
             resource=\"https://vault.localhost:8443\""
        );
    }
}
