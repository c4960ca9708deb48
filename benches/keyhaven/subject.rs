//! The server under load: with data on disk, two keys, and a token to use them.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Target, request};
use crate::process::Process;
use crate::server::{Keeping, Server, token};
use crate::{Outcome, tls};

/// The RSA-2048 key.
pub(crate) const KEY: &str = "rsa2048";
/// The RSA-4096 key.
pub(crate) const LARGE_KEY: &str = "rsa4096";
/// The key on P-256.
pub(crate) const EC_KEY: &str = "p256";
/// The symmetric key of 256 bits.
pub(crate) const AES_KEY: &str = "aes256";
/// Keys in the vault that is listed.
const LISTED: usize = 1000;
/// 32 bytes in base64url: a key to wrap, or a digest to sign.
pub(crate) const BYTES: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// The server under load.
#[derive(Debug)]
pub(crate) struct Subject {
    server: Server,
    /// Where it answers.
    pub(crate) target: Target,
    token: String,
    home: TempDir,
}

impl Subject {
    /// Starts a server with the keys that are measured. It logs no requests.
    pub(crate) async fn start(binary: &Path) -> Outcome<Self> {
        Self::start_logging(binary, "warn").await
    }

    /// The same, with a log of this level.
    pub(crate) async fn start_logging(binary: &Path, level: &str) -> Outcome<Self> {
        Self::start_with(binary, tempfile::tempdir()?, &["--log-level", level]).await
    }

    /// Starts a server whose one vault is `vault`, an entry of a configuration's `vaults`; it audits into the file `audit` of its
    /// directory, if one is named.
    pub(crate) async fn start_with_vault(binary: &Path, vault: Value, audit: Option<&str>) -> Outcome<Self> {
        let home = tempfile::tempdir()?;
        let config = home.path().join("config.json");
        let identity = json!({"name": "default", "systemAssigned": true});
        std::fs::write(&config, json!({"identities": [identity], "vaults": [vault]}).to_string())?;
        let config = config.display().to_string();
        let audit = audit.map(|name| home.path().join(name).display().to_string());
        let mut options = vec!["--log-level", "warn", "--config", &config];
        options.extend(audit.iter().flat_map(|file| ["--audit", file]));
        Self::start_with(binary, home, &options).await
    }

    async fn start_with(binary: &Path, home: TempDir, options: &[&str]) -> Outcome<Self> {
        eprintln!("starting a server and making its keys");
        let mut server = Server::spawn_with(binary, home.path(), Keeping::Data, options)?;
        let ready = server.ready()?;
        let target = Target { address: server.address, config: tls::trusting(&ready.ca)? };
        let subject = Self { token: token(&ready)?, server, target, home };
        subject.create(KEY, r#"{"kty":"RSA","key_size":2048}"#).await?;
        subject.create(LARGE_KEY, r#"{"kty":"RSA","key_size":4096}"#).await?;
        subject.create(EC_KEY, r#"{"kty":"EC-HSM","crv":"P-256"}"#).await?;
        subject.create(AES_KEY, r#"{"kty":"oct-HSM","key_size":256}"#).await?;
        Ok(subject)
    }

    /// The server's process.
    pub(crate) fn process(&self) -> Process {
        self.server.process()
    }

    /// A path for a file that lives as long as the server.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A request that reads the key `name`.
    pub(crate) fn get(&self, name: &str) -> String {
        self.request("GET", &format!("/keys/{name}"), "")
    }

    /// A request that reads the secret `name`.
    pub(crate) fn get_secret(&self, name: &str) -> String {
        self.request("GET", &format!("/secrets/{name}"), "")
    }

    /// A request that does `operation` with the key `name` on `value`.
    pub(crate) fn operate(&self, name: &str, operation: &str, alg: &str, value: &str) -> String {
        let body = format!(r#"{{"alg":"{alg}","value":"{value}"}}"#);
        self.request("POST", &format!("/keys/{name}/{operation}"), &body)
    }

    /// A request that unwraps what the key `name` has wrapped.
    pub(crate) async fn unwrap(&self, name: &str) -> Outcome<String> {
        #[derive(Deserialize)]
        struct Wrapped {
            value: String,
        }
        let mut connection = self.target.connect().await?;
        let answer = connection.ask(&self.operate(name, "wrapkey", "RSA-OAEP-256", BYTES)).await?;
        let wrapped: Wrapped = serde_json::from_str(answer.body)?;
        Ok(self.operate(name, "unwrapkey", "RSA-OAEP-256", &wrapped.value))
    }

    /// A request that makes a new version of a secret.
    pub(crate) fn set_secret(&self, name: &str) -> String {
        let body = format!(r#"{{"value":"{}"}}"#, BYTES.repeat(4));
        self.request("PUT", &format!("/secrets/{name}"), &body)
    }

    /// Requests for the first and for the last whole page of a list, once the vault has [`LISTED`] keys more.
    pub(crate) async fn pages(&self) -> Outcome<(String, String)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            next_link: Option<String>,
        }
        let mut connection = self.target.connect().await?;
        for number in 0..LISTED {
            let path = format!("/keys/z-listed-{number}/create");
            connection.ask(&self.request("POST", &path, r#"{"kty":"EC"}"#)).await?;
        }
        let first = self.request("GET", "/keys", "");
        let (mut last, mut next) = (first.clone(), first.clone());
        loop {
            let page: Page = serde_json::from_str(connection.ask(&next).await?.body)?;
            let Some(link) = page.next_link else { return Ok((first, last)) };
            let path = link.splitn(4, '/').nth(3).ok_or("a link without a path")?;
            last = std::mem::replace(&mut next, request("GET", &format!("/{path}"), &self.token, ""));
        }
    }

    async fn create(&self, name: &str, body: &str) -> Outcome<()> {
        let request = self.request("POST", &format!("/keys/{name}/create"), body);
        self.target.connect().await?.ask(&request).await.map(drop)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        request(method, &format!("{path}?api-version=2025-07-01"), &self.token, body)
    }
}
