//! Client of a running server's admin API, for the sub-commands.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::address::ADMIN_PORT;
use super::target::Target;
use super::{Failure, admin_url, environment, server_args, stale, variables};
use crate::app::{AdminKey, ReadyFile, Variables};
use crate::clock::Timestamp;
use crate::directory::CredentialKind;

/// The time limit of a connection; the request itself has none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do where no server answers.
pub(super) const START_OR_NAME: &str = "start a server with `keyhaven serve`, or name its --ready-file or --data";
/// The text where the admin key is not known.
pub(super) const UNKNOWN_KEY: &str =
    "the admin key is not known here: set KEYHAVEN_ADMIN_KEY, or name the server's --ready-file or --data";

/// Which running server the command is for, and how answers are printed.
#[derive(Debug, Args)]
pub(super) struct AdminClient {
    #[command(flatten)]
    target: Target,

    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// The address and key of an admin API.
struct Endpoint {
    address: String,
    key: Zeroizing<String>,
}

impl AdminClient {
    /// A client of the server `target`.
    pub(super) const fn new(target: Target) -> Self {
        Self { target, json: false }
    }

    /// The ready file of the server, if one is selected or found.
    pub(super) fn ready(&self) -> Result<Option<ReadyFile>, Failure> {
        self.target.is_found().then(|| self.target.ready()).transpose()
    }

    /// The path of the local CA's certificate; that of the data directory when the server that was named is gone.
    pub(super) fn ca_path(&self) -> Result<PathBuf, Failure> {
        self.target.ca(None).or_else(|_| Ok(self.target.data()?.join("certs/ca.pem")))
    }

    /// The CA of the server on this machine as PEM, if it is found. A server elsewhere is trusted as the environment says.
    pub(super) fn ca(&self) -> Option<String> {
        self.target.ca(None).ok().and_then(|path| std::fs::read_to_string(path).ok())
    }

    /// The identity that programs are when they name none: the ready file's, else the system-assigned one, else the only one.
    pub(super) async fn default_identity(&self, ready: Option<&ReadyFile>) -> Result<String, Failure> {
        let answer = self.json_request(Method::GET, "/admin/identities", None).await?;
        let all: Vec<&Value> = answer["identities"].as_array().into_iter().flatten().collect();
        let client = ready.and_then(|ready| ready.env.get("AZURE_CLIENT_ID"));
        let is_clients = |identity: &&&Value| client.is_some_and(|client| identity["clientId"] == client.as_str());
        let found = all.iter().find(is_clients);
        let found = found.or_else(|| all.iter().find(|identity| identity["systemAssigned"] == true));
        let found = found.or(if let [only] = &all[..] { Some(only) } else { None });
        let names: Vec<_> = all.iter().filter_map(|identity| identity["name"].as_str()).collect();
        let none = || format!("no identity is the default one: give --identity NAME ({})", names.join(", "));
        found.and_then(|identity| identity["name"].as_str()).map(str::to_owned).ok_or_else(|| Failure::usage(none()))
    }

    /// A token of the identity called `name`, for vaults.
    pub(super) async fn token(&self, name: &str) -> Result<Zeroizing<String>, Failure> {
        self.token_of(name, &json!({})).await
    }

    /// A token of the identity called `name`, for `resource`.
    pub(super) async fn token_for(&self, name: &str, resource: &str) -> Result<Zeroizing<String>, Failure> {
        self.token_of(name, &json!({"resource": resource})).await
    }

    /// The subscription of the server's tenant, which the resource id of the identity called `name` has.
    pub(super) async fn subscription(&self, name: &str) -> Result<Uuid, Failure> {
        let answer = self.json_request(Method::GET, "/admin/identities", None).await?;
        let all = answer["identities"].as_array().into_iter().flatten();
        let id = all.filter(|one| one["name"] == name).find_map(|one| one["resourceId"].as_str());
        let id = id.and_then(|id| id.strip_prefix("/subscriptions/")?.split('/').next()?.parse().ok());
        id.ok_or_else(|| Failure::usage("the subscription is not known: give --subscription ID"))
    }

    async fn token_of(&self, name: &str, asked: &Value) -> Result<Zeroizing<String>, Failure> {
        let path = format!("/admin/identities/{}/token", path_segment(name));
        match self.json_request(Method::POST, &path, Some(asked)).await?["access_token"].take() {
            Value::String(token) => Ok(Zeroizing::new(token)),
            _ => Err(Failure::failed("the admin API's answer holds no token")),
        }
    }

    /// What the vault clock shows.
    pub(super) async fn vault_clock(&self) -> Result<Timestamp, Failure> {
        let answer = self.json_request(Method::GET, "/admin/clock", None).await?;
        let now = answer["now"].as_str().and_then(Timestamp::parse);
        now.ok_or_else(|| Failure::failed("the admin API's answer holds no time"))
    }

    /// The name of the vault in this shell's variables, when they are the server's.
    pub(super) fn vault_of_shell(&self) -> Option<String> {
        let url = variables::non_empty("KEYHAVEN_VAULT_URL")?;
        environment::vault_of_url(&url).filter(|_| self.target.is_of_environment())
    }

    /// The name of the server's default vault: the ready file's, else the only one.
    pub(super) async fn default_vault(&self) -> Result<String, Failure> {
        if let Some(name) = self.ready()?.and_then(|mut ready| ready.env.remove("KEY_VAULT_NAME")) {
            return Ok(name);
        }
        let answer = self.json_request(Method::GET, "/admin/vaults", None).await?;
        let all = answer["vaults"].as_array().into_iter().flatten();
        let names: Vec<_> = all.filter_map(|vault| vault["name"].as_str()).collect();
        match names[..] {
            [only] => Ok(only.to_owned()),
            _ => Err(Failure::usage(format!("which vault? Give its name ({})", names.join(", ")))),
        }
    }

    /// The client id of the identity called `name`.
    pub(super) async fn client_id(&self, name: &str) -> Result<String, Failure> {
        let all = self.identities().await?;
        match all.iter().find(|(known, _)| known == name) {
            Some((_, client_id)) => Ok(client_id.clone()),
            None => Err(no_identity(name, &all)),
        }
    }

    /// The name of the identity with the client id.
    pub(super) async fn identity_with(&self, client_id: &str) -> Result<String, Failure> {
        let found = self.identities().await?.into_iter().find(|(_, known)| known == client_id);
        found
            .map(|(name, _)| name)
            .ok_or_else(|| Failure::usage("no identity is the default one: give --identity NAME"))
    }

    /// The environment of a program that signs in as the identity `name` with a credential of this kind.
    pub(super) async fn credential(&self, name: &str, kind: CredentialKind) -> Result<Variables, Failure> {
        self.client_id(name).await?;
        let path = format!("/admin/identities/{}/credential", path_segment(name));
        let mut answer = self.json_request(Method::POST, &path, Some(&json!({"kind": kind}))).await?;
        serde_json::from_value(answer["variables"].take()).map_err(Failure::failed)
    }

    /// Has the server write the files again by which programs trust it.
    pub(super) async fn restore_trust_files(&self) -> Result<(), Failure> {
        let written = self.request(Method::POST, "/admin/trust-files", vec![]).await;
        written.map(drop).map_err(|error| {
            let why = "files by which programs trust the server are missing; start it again, which writes them";
            Failure::failed(format!("{why} ({})", error.message))
        })
    }

    /// The name and client id of every identity.
    async fn identities(&self) -> Result<Vec<(String, String)>, Failure> {
        let answer = self.json_request(Method::GET, "/admin/identities", None).await?;
        let text = |identity: &Value, member: &str| identity[member].as_str().unwrap_or_default().to_owned();
        let all = answer["identities"].as_array().into_iter().flatten();
        Ok(all.map(|identity| (text(identity, "name"), text(identity, "clientId"))).collect())
    }

    /// Sends a request and returns the response body; an error status becomes the command's failure.
    pub(super) async fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, Failure> {
        let endpoint = self.endpoint()?;
        let unreachable = |error: &dyn std::fmt::Display| {
            let remedy = stale::remedy(START_OR_NAME);
            Failure::failed(format!("no server answers at {}: {error}; {remedy}", endpoint.address))
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {}", endpoint.key.as_str()))
            .body(Full::new(Bytes::from(body)))
            .map_err(Failure::failed)?;
        let (status, bytes) = send(&endpoint.address, request).await.map_err(|error| unreachable(&error))?;
        if status.is_success() { Ok(bytes) } else { Err(refusal(status, &bytes)) }
    }

    /// Sends a request and returns the response as JSON; null when the body is empty.
    pub(super) async fn json_request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let bytes = self.request(method, path, body).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| Failure::failed(format!("an answer that is no JSON: {error}")))
    }

    /// Prints `answer` as JSON with `--json`, else `line`.
    pub(super) fn print(&self, answer: &Value, line: &str) {
        let text = if self.json { format!("{answer:#}") } else { line.to_owned() };
        if !text.is_empty() {
            // A closed stdout is no failure: the request has succeeded.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// Finds the admin API: from the variables that `run` sets, else the ready file, else the default address and data directory.
    fn endpoint(&self) -> Result<Endpoint, Failure> {
        if !self.target.is_named()
            && variables::path(stale::READY_FILE).is_none()
            && let (Some(url), Some(key)) =
                (variables::non_empty("KEYHAVEN_ADMIN_URL"), variables::non_empty("KEYHAVEN_ADMIN_KEY"))
        {
            let url =
                admin_url::parse(&url).map_err(|why| Failure::usage(format!("KEYHAVEN_ADMIN_URL {}: {why}", *url)))?;
            return Ok(Endpoint { address: url.trim_start_matches("http://").to_owned(), key });
        }
        if self.target.is_found() {
            let ready = self.target.ready()?;
            let off = || Failure::failed("the server's admin API is switched off (--admin-listen)");
            return Ok(Endpoint { address: ready.admin.ok_or_else(off)?, key: Zeroizing::new(ready.admin_key) });
        }
        let key = match variables::non_empty("KEYHAVEN_ADMIN_KEY") {
            Some(key) => key,
            None => kept_admin_key()?,
        };
        Ok(Endpoint { address: format!("127.0.0.1:{ADMIN_PORT}"), key })
    }
}

fn no_identity(name: &str, all: &[(String, String)]) -> Failure {
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    Failure::usage(format!("--identity {name}: no identity is called so; there are {}", names.join(", ")))
}

/// Percent-encodes a name as one segment of a path.
pub(super) fn path_segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Sends `request` to the plain-HTTP listener at `address` (`HOST:PORT`), with a `Host` that every listener accepts; returns
/// status and body.
pub(super) async fn send(
    address: &str,
    mut request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    Ok((answer.status(), answer.into_body().collect().await?.to_bytes()))
}

/// Reads the admin key of the default data directory.
fn kept_admin_key() -> Result<Zeroizing<String>, Failure> {
    let data = server_args::data_dir(None).map_err(|_| Failure::usage(UNKNOWN_KEY))?;
    let key = AdminKey::read(&data);
    let remedy = stale::remedy(START_OR_NAME);
    let absent = |error| Failure::failed(format!("no running server found ({error}); {remedy}"));
    key.map(|key| Zeroizing::new(key.text().to_owned())).map_err(absent)
}

/// The failure for an error response.
fn refusal(status: StatusCode, bytes: &[u8]) -> Failure {
    if status == StatusCode::UNAUTHORIZED {
        return Failure::failed(
            "the server has another admin key: name its --ready-file or --data, or set KEYHAVEN_ADMIN_KEY",
        );
    }
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    match body["error"]["message"].as_str() {
        Some(message) => Failure::failed(message),
        None => Failure::failed(format!("the server answers {status}")),
    }
}
