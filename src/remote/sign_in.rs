//! Tokens: fetched as a challenge says, and forgotten before they expire.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use form_urlencoded::Serializer;
use serde_json::Value;
use ureq::Agent;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{Request, Uri};
use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::credential::{Credential, Which};
use super::error::Failure;
use super::http_client::{is_local, send};

/// How long before its end a token is not used any more.
const EARLY: Duration = Duration::from_secs(300);

/// A token. It has no `Debug`.
pub(super) struct Token {
    pub(super) text: Zeroizing<String>,
    /// Whom and what it is of.
    pub(super) challenge: Challenge,
    good_until: Option<Instant>,
}

impl Token {
    /// Whether it can still be used.
    pub(super) fn is_good(&self) -> bool {
        self.good_until.is_none_or(|end| Instant::now() < end)
    }
}

/// A fresh token for what `challenge` asks.
pub(super) fn token(agent: &Agent, credential: &Credential, challenge: &Challenge) -> Result<Token, Failure> {
    let request = match credential {
        Credential::Bearer(token) => {
            return Ok(Token { text: token.clone(), challenge: challenge.clone(), good_until: None });
        }
        Credential::Secret { client_id, secret, authority } => {
            by_secret(client_id, secret, authority.as_deref(), challenge)?
        }
        Credential::AppService { endpoint, header, which } => {
            let request = managed(endpoint, "2019-08-01", "mi_res_id", which, challenge)?;
            request.header("x-identity-header", header.as_str()).body(Zeroizing::default())
        }
        Credential::Imds { host, which } => {
            let endpoint = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
            let request = managed(&endpoint, "2018-02-01", "msi_res_id", which, challenge)?;
            request.header("metadata", "true").body(Zeroizing::default())
        }
    };
    let request = request.map_err(|error| unusable(&error))?;
    let endpoint = shown(request.uri());
    let granted = fetched(agent, request).map_err(|failure| failure.of_sign_in(&endpoint))?;
    read(granted, challenge).ok_or_else(|| Failure::Unreachable(format!("the answer of {endpoint} holds no token")))
}

/// A request whose body may hold a secret.
type Ready = Result<Request<Zeroizing<Vec<u8>>>, ureq::http::Error>;

fn by_secret(client_id: &str, secret: &str, authority: Option<&str>, challenge: &Challenge) -> Result<Ready, Failure> {
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

fn managed(
    endpoint: &str,
    version: &str,
    resource_id: &str,
    which: &Which,
    challenge: &Challenge,
) -> Result<ureq::http::request::Builder, Failure> {
    let host: Uri = endpoint.parse().map_err(|error| unusable(&error))?;
    if !host.host().is_some_and(is_near) && host.scheme_str() != Some("https") {
        return Err(unusable(&format!("{endpoint} is neither HTTPS nor on this machine or its link")));
    }
    let mut query = Serializer::new(String::new());
    query.append_pair("api-version", version).append_pair("resource", &challenge.resource);
    match which {
        Which::System => {}
        Which::ClientId(id) => drop(query.append_pair("client_id", id)),
        Which::ResourceId(id) => drop(query.append_pair(resource_id, id)),
    }
    Ok(Request::get(format!("{endpoint}?{}", query.finish())))
}

/// Whether plain HTTP to `host` stays on this machine or its link.
fn is_near(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    is_local(host)
        || match address {
            Ok(IpAddr::V4(address)) => address.is_link_local(),
            Ok(IpAddr::V6(address)) => address.is_unicast_link_local(),
            Err(_) => false,
        }
}

fn fetched(agent: &Agent, request: Request<Zeroizing<Vec<u8>>>) -> Result<Value, Failure> {
    let (parts, body) = request.into_parts();
    let answer = send(agent, Request::from_parts(parts, body.as_slice()))?;
    if answer.status != 200 {
        return Err(Failure::refused(answer.status, &answer.body));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| Failure::Unreachable(format!("an answer that is no JSON: {error}")))
}

/// Managed identities write numbers as text.
fn read(mut granted: Value, challenge: &Challenge) -> Option<Token> {
    let text = Zeroizing::new(match granted["access_token"].take() {
        Value::String(text) if !text.is_empty() => text,
        _ => return None,
    });
    let seconds = &granted["expires_in"];
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()).unwrap_or_default();
    let lifetime = Duration::from_secs(seconds.min(86_400));
    // A token that is short-lived from the start is used for half of its life.
    let use_for = lifetime.saturating_sub(EARLY).max(lifetime / 2);
    Some(Token { text, challenge: challenge.clone(), good_until: Some(Instant::now() + use_for) })
}

/// The endpoint without its query.
fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

fn unusable(why: &dyn Display) -> Failure {
    Failure::Unreachable(format!("the credential cannot be used: {why}"))
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
    fn a_secret_goes_where_the_challenge_says_or_where_it_belongs() {
        let sent = |authority| by_secret("c", "s&", authority, &challenge()).map(Result::unwrap);
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
    fn a_managed_identity_is_asked_for_nearby_or_over_https() {
        let uri = |endpoint: &str, which: Which| {
            let request = managed(endpoint, "1", "mi_res_id", &which, &challenge());
            request.map(|request| request.body(()).unwrap().uri().to_string())
        };
        let asked = "?api-version=1&resource=https%3A%2F%2Fvault.azure.net";
        assert_eq!(uri("http://127.0.0.1:1/x", Which::System).unwrap(), format!("http://127.0.0.1:1/x{asked}"));
        let chosen = uri("http://169.254.169.254/x", Which::ResourceId("/s".to_owned())).unwrap();
        assert_eq!(chosen, format!("http://169.254.169.254/x{asked}&mi_res_id=%2Fs"));
        assert!(uri("http://identity.example/x", Which::System).is_err());
        assert!(uri("https://identity.example/x", Which::ClientId("c".to_owned())).unwrap().ends_with("&client_id=c"));
    }

    #[test]
    fn a_token_is_forgotten_before_it_expires() {
        let lives = |granted: Value| {
            let token = read(granted, &challenge()).unwrap();
            token.good_until.unwrap().saturating_duration_since(Instant::now()).as_secs_f64().round()
        };
        assert!((lives(json!({"access_token": "t", "expires_in": 3600})) - 3300.0).abs() < 1.5);
        assert!((lives(json!({"access_token": "t", "expires_in": "60"})) - 30.0).abs() < 1.5);
        assert!(!read(json!({"access_token": "t"}), &challenge()).unwrap().is_good());
        assert!(read(json!({"access_token": ""}), &challenge()).is_none());
    }
}
