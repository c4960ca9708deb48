//! Signing in: fetches an access token as a challenge demands, for each kind of credential.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use form_urlencoded::Serializer;
use serde_json::Value;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{Request, Uri};
use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::credential::Credential;
use super::error::RequestError;
use super::http_client::is_local;
use super::managed_identity::ManagedIdentity;
use super::token_source::IssuedToken;
use super::transport::Transport;

/// How long before its expiry a token is replaced.
const EXPIRY_MARGIN: Duration = Duration::from_secs(300);

/// An access token: a bearer credential, deliberately no `Debug`.
pub(super) struct Token {
    pub(super) text: Zeroizing<String>,
    /// The challenge that it answers; none of a token from elsewhere.
    pub(super) challenge: Option<Challenge>,
    use_until: Option<Instant>,
}

impl Token {
    /// A token from elsewhere, which answers no challenge and is not renewed.
    pub(super) const fn fixed(text: Zeroizing<String>) -> Self {
        Self { text, challenge: None, use_until: None }
    }

    /// A token that answers `challenge` and is good for `seconds`. One of a shorter lifetime than the margin is used for half of it.
    fn of(text: Zeroizing<String>, seconds: u64, challenge: &Challenge) -> Self {
        let lifetime = Duration::from_secs(seconds.min(86_400));
        let use_for = lifetime.saturating_sub(EXPIRY_MARGIN).max(lifetime / 2);
        Self { text, challenge: Some(challenge.clone()), use_until: Some(Instant::now() + use_for) }
    }

    /// Whether it can still be used.
    pub(super) fn is_usable(&self) -> bool {
        self.use_until.is_none_or(|end| Instant::now() < end)
    }
}

/// Fetches a token for `challenge`.
pub(super) fn fetch_token(
    transport: &Transport,
    credential: &Credential,
    challenge: &Challenge,
) -> Result<Token, RequestError> {
    let request = match credential {
        Credential::Bearer(token) => return Ok(Token::fixed(token.clone())),
        Credential::Issued(source) => {
            let IssuedToken { text, lifetime } = source.token(&challenge.resource)?;
            return Ok(Token::of(text, lifetime, challenge));
        }
        Credential::ClientSecret { client_id, secret, authority } => {
            client_secret_request(client_id, secret, authority.as_deref(), challenge)?
        }
        Credential::AppService { endpoint, header, identity } => {
            let request = managed_identity_request(endpoint, "2019-08-01", "mi_res_id", identity, challenge)?;
            request.header("x-identity-header", header.as_str()).body(Zeroizing::default())
        }
        Credential::Imds { host, identity } => {
            let endpoint = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
            let request = managed_identity_request(&endpoint, "2018-02-01", "msi_res_id", identity, challenge)?;
            request.header("metadata", "true").body(Zeroizing::default())
        }
    };
    let request = request.map_err(|error| unusable(&error))?;
    let endpoint = without_query(request.uri());
    let granted = fetch(transport, request).map_err(|failure| failure.of_sign_in(&endpoint))?;
    parse_token(granted, challenge)
        .ok_or_else(|| RequestError::NoAnswer(format!("the answer of {endpoint} holds no token")))
}

/// A request whose body may hold a secret, wiped when dropped.
type TokenRequest = Result<Request<Zeroizing<Vec<u8>>>, ureq::http::Error>;

fn client_secret_request(
    client_id: &str,
    secret: &str,
    authority: Option<&str>,
    challenge: &Challenge,
) -> Result<TokenRequest, RequestError> {
    let authority = match authority {
        Some(host) => format!("{}/{}", host.trim_end_matches('/'), challenge.tenant),
        None => challenge.authority.clone(),
    };
    if !authority.starts_with("https://") {
        return Err(unusable(&format!("{authority} is not HTTPS, and would be sent a secret")));
    }
    let scope = format!("{}/.default", challenge.resource.trim_end_matches('/'));
    let form = Serializer::new(String::new())
        .extend_pairs([("grant_type", "client_credentials"), ("client_id", client_id)])
        .extend_pairs([("client_secret", secret), ("scope", &scope)])
        .finish();
    let request = Request::post(format!("{authority}/oauth2/v2.0/token"));
    Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Zeroizing::new(form.into_bytes())))
}

fn managed_identity_request(
    endpoint: &str,
    version: &str,
    resource_id: &str,
    identity: &ManagedIdentity,
    challenge: &Challenge,
) -> Result<ureq::http::request::Builder, RequestError> {
    let host: Uri = endpoint.parse().map_err(|error| unusable(&error))?;
    if !host.host().is_some_and(is_local_or_link_local) && host.scheme_str() != Some("https") {
        return Err(unusable(&format!("{endpoint} is neither HTTPS nor on this machine or its link")));
    }
    let mut query = Serializer::new(String::new());
    query.append_pair("api-version", version).append_pair("resource", &challenge.resource);
    match identity {
        ManagedIdentity::SystemAssigned => {}
        ManagedIdentity::ClientId(id) => drop(query.append_pair("client_id", id)),
        ManagedIdentity::ResourceId(id) => drop(query.append_pair(resource_id, id)),
    }
    Ok(Request::get(format!("{endpoint}?{}", query.finish())))
}

/// Whether plain HTTP to `host` stays on this machine or its link: no router forwards it.
fn is_local_or_link_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    is_local(host)
        || match address {
            Ok(IpAddr::V4(address)) => address.is_link_local(),
            Ok(IpAddr::V6(address)) => address.is_unicast_link_local(),
            Err(_) => false,
        }
}

fn fetch(transport: &Transport, request: Request<Zeroizing<Vec<u8>>>) -> Result<Value, RequestError> {
    let (parts, body) = request.into_parts();
    let answer = transport.send(Request::from_parts(parts, body.as_slice()))?;
    if answer.status != 200 {
        return Err(RequestError::refused(answer.status, &answer.body));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| RequestError::NoAnswer(format!("an answer that is no JSON: {error}")))
}

/// Parses the answer of a token endpoint. Managed identities write numbers as text.
fn parse_token(mut granted: Value, challenge: &Challenge) -> Option<Token> {
    let text = Zeroizing::new(match granted["access_token"].take() {
        Value::String(text) if !text.is_empty() => text,
        _ => return None,
    });
    let seconds = &granted["expires_in"];
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()).unwrap_or_default();
    Some(Token::of(text, seconds, challenge))
}

/// The URL of an endpoint without its query.
fn without_query(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

fn unusable(why: &dyn Display) -> RequestError {
    RequestError::NoAnswer(format!("the credential cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn challenge() -> Challenge {
        let vault = "https://a.vault.azure.net".parse().unwrap();
        Challenge::parse(r#"Bearer authorization="https://login/t", resource="https://vault.azure.net""#, &vault)
            .unwrap()
    }

    #[test]
    fn a_secret_is_sent_to_the_challenges_authority_or_to_its_own() {
        let sent = |authority| client_secret_request("c", "s&", authority, &challenge()).map(Result::unwrap);
        let request = sent(None).unwrap();
        assert_eq!(request.uri(), "https://login/t/oauth2/v2.0/token");
        assert_eq!(
            String::from_utf8_lossy(request.body()),
            "grant_type=client_credentials&client_id=c&client_secret=s%26&scope=https%3A%2F%2Fvault.azure.net%2F.default"
        );
        assert_eq!(sent(Some("https://own/")).unwrap().uri(), "https://own/t/oauth2/v2.0/token");
        assert!(sent(Some("http://own")).is_err());
    }

    #[test]
    fn a_managed_identity_endpoint_is_local_or_https() {
        let uri = |endpoint: &str, identity: ManagedIdentity| {
            let request = managed_identity_request(endpoint, "1", "mi_res_id", &identity, &challenge());
            request.map(|request| request.body(()).unwrap().uri().to_string())
        };
        let asked = "?api-version=1&resource=https%3A%2F%2Fvault.azure.net";
        assert_eq!(
            uri("http://127.0.0.1:1/x", ManagedIdentity::SystemAssigned).unwrap(),
            format!("http://127.0.0.1:1/x{asked}")
        );
        let selected = uri("http://169.254.169.254/x", ManagedIdentity::ResourceId("/s".to_owned())).unwrap();
        assert_eq!(selected, format!("http://169.254.169.254/x{asked}&mi_res_id=%2Fs"));
        assert!(uri("http://identity.example/x", ManagedIdentity::SystemAssigned).is_err());
        assert!(
            uri("https://identity.example/x", ManagedIdentity::ClientId("c".to_owned()))
                .unwrap()
                .ends_with("&client_id=c")
        );
    }

    #[test]
    fn a_token_is_replaced_before_it_expires() {
        let used_for = |granted: Value| {
            let token = parse_token(granted, &challenge()).unwrap();
            token.use_until.unwrap().saturating_duration_since(Instant::now()).as_secs_f64().round()
        };
        assert!((used_for(json!({"access_token": "t", "expires_in": 3600})) - 3300.0).abs() < 1.5);
        assert!((used_for(json!({"access_token": "t", "expires_in": "60"})) - 30.0).abs() < 1.5);
        assert!(!parse_token(json!({"access_token": "t"}), &challenge()).unwrap().is_usable());
        assert!(parse_token(json!({"access_token": ""}), &challenge()).is_none());
    }
}
