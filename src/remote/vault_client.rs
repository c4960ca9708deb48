//! A client of one vault: requests with retries and a cached token.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;

use serde_json::Value;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::http::{Method, Request};
use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::credential::Credential;
use super::error::RequestError;
use super::http_client::Answer;
use super::ids;
use super::path::with_api_version;
use super::retry::retry_delay;
use super::sign_in::{self, Token};
use super::transport::Transport;
use super::url::{NotAVault, VaultUrl};

/// The header in which this server names the permission that a caller lacks.
const MISSING_HEADER: &str = "x-keyhaven-missing";
/// The header in which it names a role that has that permission, where roles decide.
const ROLE_HEADER: &str = "x-keyhaven-role";
/// The header in which it says which field of a request is wrong; the service names none.
const DETAIL_HEADER: &str = "x-keyhaven-detail";

/// A client of one vault, with the credential it uses. Calls from several threads run concurrently.
pub struct VaultClient {
    transport: Transport,
    url: VaultUrl,
    /// The URL that ids are given instead of this one's.
    ids_at: Option<VaultUrl>,
    credential: Credential,
    /// The cached token.
    token: Mutex<Option<Arc<Token>>>,
}

impl VaultClient {
    /// A client of the vault at `url`; sends no request.
    ///
    /// # Errors
    /// When `url` is no URL of a vault.
    pub fn new(transport: impl Into<Transport>, url: &str, credential: Credential) -> Result<Self, NotAVault> {
        Ok(Self::at(transport, url.parse()?, credential))
    }

    /// A client of the vault at `url`; sends no request.
    pub fn at(transport: impl Into<Transport>, url: VaultUrl, credential: Credential) -> Self {
        Self { transport: transport.into(), url, ids_at: None, credential, token: Mutex::default() }
    }

    /// This client, whose answers have ids at `url`: the one by which other programs know the vault.
    pub(crate) fn with_ids_at(self, url: VaultUrl) -> Self {
        Self { ids_at: Some(url), ..self }
    }

    /// Its URL.
    pub const fn url(&self) -> &VaultUrl {
        &self.url
    }

    /// Signs in, so that later requests find a token.
    ///
    /// # Errors
    /// When there is no token to be had.
    pub fn sign_in(&self) -> Result<(), RequestError> {
        self.current_token().map(drop)
    }

    /// The tenant of the vault, from the challenge to a request without a token.
    ///
    /// # Errors
    /// When the vault answers no challenge.
    pub fn tenant(&self) -> Result<String, RequestError> {
        Ok(self.challenge()?.tenant)
    }

    /// Sends a request and returns the body of the answer, null if it has none. `path` begins with a slash; the api-version is
    /// added.
    ///
    /// A busy vault (429, 503) is tried up to four times; after a 401 the request is repeated once with a new token; every other
    /// error is returned at once.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, RequestError> {
        let answer = self.answer(&method, path, body)?;
        if !(200..300).contains(&answer.status) {
            let refused = RequestError::refused(answer.status, &answer.body);
            return Err(
                refused.with_hints([MISSING_HEADER, ROLE_HEADER, DETAIL_HEADER].map(|name| answer.header(name)))
            );
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        let unreadable = |error| RequestError::NoAnswer(format!("{} answers what is no JSON: {error}", self.url));
        let mut body = serde_json::from_slice(&answer.body).map_err(unreadable)?;
        if let Some(url) = &self.ids_at {
            ids::moved(&mut body, &self.url, url);
        }
        Ok(body)
    }

    /// Reads all pages of the list at `path`.
    pub(super) fn list(&self, path: &str) -> Result<Vec<Value>, RequestError> {
        let mut all = vec![];
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let mut page = self.call(Method::GET, &path, None)?;
            if let Value::Array(items) = page["value"].take() {
                all.extend(items);
            }
            next = page["nextLink"]
                .as_str()
                .filter(|link| !link.is_empty())
                .map(|link| self.path_in_vault(link))
                .transpose()?;
        }
        Ok(all)
    }

    /// Path and query of a link, which must be in this vault: no other host gets its token.
    fn path_in_vault(&self, link: &str) -> Result<String, RequestError> {
        match VaultUrl::split(link) {
            Ok((url, rest)) if url == self.url => Ok(rest),
            _ => Err(RequestError::NoAnswer(format!("a list of {} goes on elsewhere", self.url))),
        }
    }

    fn answer(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer, RequestError> {
        let token = self.current_token()?;
        let answer = self.send_with_retries(method, path, body, Some(&token))?;
        if answer.status != 401 || matches!(self.credential, Credential::Bearer(_)) {
            return Ok(answer);
        }
        let token = self.refresh_token(&answer, &token)?;
        self.send_with_retries(method, path, body, Some(&token))
    }

    fn send_with_retries(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&Token>,
    ) -> Result<Answer, RequestError> {
        let mut attempt = 1;
        loop {
            let answer = self.send_once(method, path, body, token)?;
            match retry_delay(&answer, attempt) {
                Some(delay) => sleep(delay),
                None => return Ok(answer),
            }
            attempt += 1;
        }
    }

    fn send_once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&Token>,
    ) -> Result<Answer, RequestError> {
        let mut request = Request::builder().method(method).uri(with_api_version(&self.url, path));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.text.as_str()));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Zeroizing::new(body.map(Value::to_string).unwrap_or_default());
        let request =
            request.body(body.as_bytes()).map_err(|error| RequestError::NoAnswer(format!("{path}: {error}")))?;
        self.transport.send(request)
    }

    /// The cached token, or a new one.
    fn current_token(&self) -> Result<Arc<Token>, RequestError> {
        if let Some(token) = self.lock_token().as_ref().filter(|token| token.is_usable()) {
            return Ok(token.clone());
        }
        let token = Arc::new(match &self.credential {
            Credential::Bearer(text) => Token::fixed(text.clone()),
            credential => sign_in::fetch_token(&self.transport, credential, &self.challenge()?)?,
        });
        *self.lock_token() = Some(token.clone());
        Ok(token)
    }

    /// Replaces `refused` by a new token for the challenge of `answer`.
    fn refresh_token(&self, answer: &Answer, refused: &Arc<Token>) -> Result<Arc<Token>, RequestError> {
        self.lock_token().take_if(|held| Arc::ptr_eq(held, refused));
        let challenge = match (answer.header(WWW_AUTHENTICATE.as_str()), &refused.challenge) {
            (Some(header), _) => Challenge::parse(header, &self.url)?,
            (None, Some(former)) => former.clone(),
            (None, None) => self.challenge()?,
        };
        let token = Arc::new(sign_in::fetch_token(&self.transport, &self.credential, &challenge)?);
        *self.lock_token() = Some(token.clone());
        Ok(token)
    }

    /// The challenge of the vault to a request without a token.
    fn challenge(&self) -> Result<Challenge, RequestError> {
        let answer = self.send_with_retries(&Method::GET, "/keys", None, None)?;
        match answer.header(WWW_AUTHENTICATE.as_str()) {
            Some(header) if answer.status == 401 => Challenge::parse(header, &self.url),
            _ if answer.status >= 300 => Err(RequestError::refused(answer.status, &answer.body)),
            _ => Err(RequestError::NoVault(format!("{} asks for no token: it is no vault", self.url))),
        }
    }

    fn lock_token(&self) -> std::sync::MutexGuard<'_, Option<Arc<Token>>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for VaultClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultClient({}, {:?})", self.url, self.credential)
    }
}

#[cfg(test)]
mod tests {
    use ureq::Agent;

    use super::*;

    #[test]
    fn a_link_to_another_host_is_not_followed() {
        let vault = VaultClient::new(Agent::new_with_defaults(), "https://a.vault.azure.net/", Credential::bearer("t"))
            .unwrap();
        assert_eq!(vault.path_in_vault("https://A.vault.azure.net:443/keys?x=1").unwrap(), "/keys?x=1");
        assert!(vault.path_in_vault("https://b.vault.azure.net/keys").is_err());
        assert!(vault.path_in_vault("/keys").is_err());
    }
}
