//! One vault, and what is asked of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use ureq::http::{Method, Request};
use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::credential::Credential;
use super::error::Failure;
use super::http_client::{Answer, send};
use super::sign_in::{self, Token};
use super::url::{NotAVault, VaultUrl};

/// The api-version of every request: the latest stable one of the 7 series.
const API_VERSION: &str = "7.6";
/// How often a vault that is too busy is asked in all.
const TRIES: u32 = 4;
/// The longest that is waited before it is asked again; who is told to wait for longer is refused at once.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The wait when the vault names none; it doubles each time, as in the official clients.
const FIRST_WAIT: Duration = Duration::from_millis(800);
/// What stands in a name unchanged.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// A vault, and who asks. Calls from several threads go side by side.
pub struct Vault {
    agent: Agent,
    url: VaultUrl,
    credential: Credential,
    /// The token in use.
    token: Mutex<Option<Arc<Token>>>,
}

impl Vault {
    /// The vault at `url`, as `credential`. Nothing is asked yet.
    ///
    /// # Errors
    /// When `url` is none of a vault.
    pub fn new(agent: Agent, url: &str, credential: Credential) -> Result<Self, NotAVault> {
        Ok(Self::at(agent, url.parse()?, credential))
    }

    /// The vault at `url`, as `credential`. Nothing is asked yet.
    pub fn at(agent: Agent, url: VaultUrl, credential: Credential) -> Self {
        Self { agent, url, credential, token: Mutex::default() }
    }

    /// Where it is.
    pub const fn url(&self) -> &VaultUrl {
        &self.url
    }

    /// The tenant that the vault trusts, asked without showing who asks.
    ///
    /// # Errors
    /// When the vault gives no challenge.
    pub fn tenant(&self) -> Result<String, Failure> {
        Ok(self.challenge()?.tenant)
    }

    /// The answer's body, null when it has none. `path` begins with a slash; the api-version is added.
    ///
    /// A vault that is too busy (429, 503) is asked up to four times; a 401 is answered with a fresh token, once; every other
    /// refusal counts at once.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let answer = self.answer(&method, path, body)?;
        if !(200..300).contains(&answer.status) {
            return Err(Failure::refused(answer.status, &answer.body));
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        let unreadable = |error| Failure::Unreachable(format!("{} answers what is no JSON: {error}", self.url));
        serde_json::from_slice(&answer.body).map_err(unreadable)
    }

    /// All pages of the list at `path`.
    pub(super) fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut all = vec![];
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let mut page = self.call(Method::GET, &path, None)?;
            if let Value::Array(items) = page["value"].take() {
                all.extend(items);
            }
            next =
                page["nextLink"].as_str().filter(|link| !link.is_empty()).map(|link| self.below(link)).transpose()?;
        }
        Ok(all)
    }

    /// What a link of this vault's own asks for. Another vault is not shown this one's token.
    fn below(&self, link: &str) -> Result<String, Failure> {
        match VaultUrl::split(link) {
            Ok((url, rest)) if url == self.url => Ok(rest),
            _ => Err(Failure::Unreachable(format!("a list of {} goes on elsewhere", self.url))),
        }
    }

    fn answer(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let token = self.good_token()?;
        let answer = self.patiently(method, path, body, Some(&token))?;
        if answer.status != 401 || matches!(self.credential, Credential::Bearer(_)) {
            return Ok(answer);
        }
        let token = self.renewed(&answer, &token)?;
        self.patiently(method, path, body, Some(&token))
    }

    fn patiently(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&Token>,
    ) -> Result<Answer, Failure> {
        let mut tries = 1;
        loop {
            let answer = self.once(method, path, body, token)?;
            match wait(&answer, tries) {
                Some(wait) if tries < TRIES => sleep(wait),
                _ => return Ok(answer),
            }
            tries += 1;
        }
    }

    fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&Token>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(versioned(&self.url, path));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.text.as_str()));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Zeroizing::new(body.map(Value::to_string).unwrap_or_default());
        let request =
            request.body(body.as_bytes()).map_err(|error| Failure::Unreachable(format!("{path}: {error}")))?;
        send(&self.agent, request)
    }

    /// The token in use, or the first one.
    fn good_token(&self) -> Result<Arc<Token>, Failure> {
        if let Some(token) = self.held().as_ref().filter(|token| token.is_good()) {
            return Ok(token.clone());
        }
        let token = Arc::new(sign_in::token(&self.agent, &self.credential, &self.challenge()?)?);
        *self.held() = Some(token.clone());
        Ok(token)
    }

    /// A fresh token, after `refused` was: as the answer's own challenge says.
    fn renewed(&self, answer: &Answer, refused: &Arc<Token>) -> Result<Arc<Token>, Failure> {
        self.held().take_if(|held| Arc::ptr_eq(held, refused));
        let challenge = match answer.header(WWW_AUTHENTICATE.as_str()) {
            Some(header) => Challenge::parse(header, &self.url)?,
            None => refused.challenge.clone(),
        };
        let token = Arc::new(sign_in::token(&self.agent, &self.credential, &challenge)?);
        *self.held() = Some(token.clone());
        Ok(token)
    }

    /// What the vault says to somebody without a token.
    fn challenge(&self) -> Result<Challenge, Failure> {
        let answer = self.patiently(&Method::GET, "/keys", None, None)?;
        match answer.header(WWW_AUTHENTICATE.as_str()) {
            Some(header) if answer.status == 401 => Challenge::parse(header, &self.url),
            _ if answer.status >= 300 => Err(Failure::refused(answer.status, &answer.body)),
            _ => Err(Failure::Unreachable(format!("{} asks for no token: it is no vault", self.url))),
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Arc<Token>>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({}, {:?})", self.url, self.credential)
    }
}

/// `/collection/name`, `/collection/name/version`.
pub(super) fn path(collection: &str, name: &str, version: Option<&str>) -> String {
    let mut path = format!("/{collection}/{}", utf8_percent_encode(name, SEGMENT));
    if let Some(version) = version {
        path.push('/');
        path.extend(utf8_percent_encode(version, SEGMENT));
    }
    path
}

/// The whole URL of a request; a link of the vault's own has its version already.
fn versioned(url: &VaultUrl, path: &str) -> String {
    match path.split_once('?') {
        None => format!("{url}{path}?api-version={API_VERSION}"),
        Some((_, query)) if query.contains("api-version=") => format!("{url}{path}"),
        Some(_) => format!("{url}{path}&api-version={API_VERSION}"),
    }
}

/// How long to wait before a vault that is too busy is asked again; none when it is not, or wants more patience than there is.
fn wait(answer: &Answer, tries: u32) -> Option<Duration> {
    if !matches!(answer.status, 429 | 503) {
        return None;
    }
    let told = answer.header(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok());
    let wait = told.map_or(FIRST_WAIT * 2_u32.pow(tries - 1), Duration::from_secs);
    (wait <= LONGEST_WAIT).then_some(wait)
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderMap;

    use super::*;

    #[test]
    fn names_cannot_lead_elsewhere() {
        assert_eq!(path("keys", "app-1", None), "/keys/app-1");
        assert_eq!(path("keys", "a/../b?c", Some("v 1")), "/keys/a%2F%2E%2E%2Fb%3Fc/v%201");
    }

    #[test]
    fn the_version_is_named_once() {
        let url = "https://a.vault.azure.net".parse().unwrap();
        assert_eq!(versioned(&url, "/keys"), "https://a.vault.azure.net/keys?api-version=7.6");
        assert_eq!(
            versioned(&url, "/keys?maxresults=1"),
            "https://a.vault.azure.net/keys?maxresults=1&api-version=7.6"
        );
        assert_eq!(versioned(&url, "/keys?api-version=7.4&x=1"), "https://a.vault.azure.net/keys?api-version=7.4&x=1");
    }

    #[test]
    fn only_a_busy_vault_is_asked_again_and_not_for_long() {
        let waits = |status, retry_after: Option<&'static str>, tries| {
            let mut headers = HeaderMap::new();
            headers.extend(retry_after.map(|text| (RETRY_AFTER, text.parse().unwrap())));
            wait(&Answer { status, headers, body: Zeroizing::default() }, tries)
        };
        assert_eq!(waits(429, Some("2"), 1), Some(Duration::from_secs(2)));
        assert_eq!(waits(503, None, 2), Some(Duration::from_millis(1600)));
        assert_eq!(waits(429, Some("60"), 1), None);
        for status in [200, 400, 401, 403, 404, 409, 500] {
            assert_eq!(waits(status, Some("1"), 1), None, "{status}");
        }
    }

    #[test]
    fn a_list_that_goes_on_elsewhere_is_not_followed() {
        let vault =
            Vault::new(Agent::new_with_defaults(), "https://a.vault.azure.net/", Credential::bearer("t")).unwrap();
        assert_eq!(vault.below("https://A.vault.azure.net:443/keys?x=1").unwrap(), "/keys?x=1");
        assert!(vault.below("https://b.vault.azure.net/keys").is_err());
        assert!(vault.below("/keys").is_err());
    }
}
