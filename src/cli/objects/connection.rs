//! A vault of the running server, asked as any client asks it: over HTTPS, with a token of an identity.

use std::sync::Arc;

use super::{Kind, VaultArgs, is_not_found, list_of, name_of};
use crate::app::{ReadyFile, vault_of_host};
use crate::cli::Failure;
use crate::cli::address::VAULTS_PORT;
use crate::cli::known_vaults::KnownVaults;
use crate::config::did_you_mean;
use crate::remote::{Credential, RequestError, TrustStore, VaultClient, VaultUrl};

/// A vault, and the identity that asks it.
pub(crate) struct Connection {
    vault: Arc<VaultClient>,
    identity: String,
    known: KnownVaults,
}

impl Connection {
    /// Finds the server, and gets a token of the identity from its admin API.
    pub(super) async fn open(args: &VaultArgs) -> Result<Self, Failure> {
        let ready = args.client.ready()?;
        let url = url(args, ready.as_ref()).await?;
        let known = KnownVaults::of(&args.client).await?;
        let identity = match &args.identity {
            Some(name) => args.client.client_id(name).await.map(|_| name.clone())?,
            None => args.client.default_identity(ready.as_ref()).await?,
        };
        let token = args.client.token(&identity).await?;
        let credential = Credential::Bearer(token);
        let ca = args.client.ca();
        let agent = tokio::task::spawn_blocking(move || trusting(ca.as_deref())).await.map_err(Failure::failed)??;
        let cloud_url = cloud_url(&url, ready.as_ref());
        let vault = VaultClient::at(agent, url, credential);
        let vault = cloud_url.into_iter().fold(vault, VaultClient::with_ids_at);
        Ok(Self { vault: Arc::new(vault), identity, known })
    }

    /// Fails when the server has no such vault. Of another name, such as an alias, the vault itself says so.
    pub(super) fn expect_it_is_there(&self) -> Result<(), Failure> {
        vault_of_host(self.vault.url().host()).map_or(Ok(()), |name| self.known.expect(&name))
    }

    /// The server's other vaults, in words after a semicolon.
    pub(super) fn other_vaults(&self) -> String {
        self.known.besides(&self.name())
    }

    /// The vault's name, or its host when it is asked by another name.
    pub(crate) fn name(&self) -> String {
        let host = self.vault.url().host();
        vault_of_host(host).unwrap_or_else(|| host.to_owned())
    }

    /// Asks the vault on a thread that may block.
    ///
    /// # Errors
    /// The vault's refusal, with what would grant the permission that is missing.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&VaultClient) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.try_ask(question).await?.map_err(|error| self.failure(&error))
    }

    /// Asks for the object called `object`.
    ///
    /// # Errors
    /// As [`Connection::ask`]; of an object that is not there, which vault was asked, names like it, and the other vaults.
    pub(crate) async fn ask_for<T: Send + 'static>(
        &self,
        (kind, object): (Kind, &str),
        question: impl FnOnce(&VaultClient, &str) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, Failure> {
        let name = object.to_owned();
        match self.try_ask(move |vault| question(vault, &name)).await? {
            Err(error) if is_not_found(kind, &error) => {
                let listed = self.try_ask(move |vault| list_of(kind, vault)).await?.unwrap_or_default();
                let names: Vec<_> = listed.iter().map(name_of).collect();
                let like = did_you_mean(object, names.iter().map(String::as_str));
                Err(Failure::failed(format!("{error}; asked: vault {}{like}{}", self.name(), self.other_vaults())))
            }
            answered => answered.map_err(|error| self.failure(&error)),
        }
    }

    /// As [`Connection::ask`], for an answer that the command can do without: why it is not there is a value.
    pub(crate) async fn try_ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&VaultClient) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<Result<T, RequestError>, Failure> {
        let vault = self.vault.clone();
        tokio::task::spawn_blocking(move || question(&vault)).await.map_err(Failure::failed)
    }

    fn failure(&self, error: &RequestError) -> Failure {
        match error.grant(&format!("identity '{}'", self.identity)) {
            Some(grant) => Failure::failed(format!("{error}; {grant}, or ask as another with --identity NAME")),
            None => Failure::failed(error),
        }
    }
}

fn trusting(ca: Option<&str>) -> Result<crate::remote::Agent, Failure> {
    let trusted = TrustStore::default();
    let trusted = match ca {
        Some(pem) => trusted.with_pem(pem).map_err(Failure::failed)?,
        None => trusted,
    };
    Ok(trusted.agent())
}

/// The URL of the vault at this server. A cloud's name leads to this server's vault of that name, as through the takeover: no
/// request ever leaves for Azure.
async fn url(args: &VaultArgs, ready: Option<&ReadyFile>) -> Result<VaultUrl, Failure> {
    let Some(text) = &args.vault else {
        return match args.client.vault_of_shell() {
            Some(name) => local(&name, ready),
            None => local(&args.client.default_vault().await?, ready),
        };
    };
    if !text.contains("://") {
        return local(text, ready);
    }
    let url: VaultUrl = text.parse().map_err(|why| Failure::usage(format!("--vault {text}: {why}")))?;
    let host = url.host();
    match vault_of_host(host) {
        Some(name) if !is_elsewhere(&url, ready) => local(&name, ready),
        Some(_) => Err(Failure::usage(format!(
            "--vault {text}: the server found answers at port {}, and its tokens are good there alone; name the other's \
             --ready-file or --data",
            port(ready)
        ))),
        None => Ok(url),
    }
}

/// The URL of the vault in the cloud, where a proxy leads to it: the one that programs in this shell use.
fn cloud_url(url: &VaultUrl, ready: Option<&ReadyFile>) -> Option<VaultUrl> {
    ready?.proxy.as_ref()?;
    let name = vault_of_host(url.host())?;
    format!("https://{name}.vault.azure.net").parse().ok()
}

/// Whether a name below `localhost` has another port than the server.
fn is_elsewhere(url: &VaultUrl, ready: Option<&ReadyFile>) -> bool {
    let given = url.authority().rsplit_once(':').map(|(_, port)| port);
    given.is_some_and(|given| given != port(ready).as_str()) && url.host().ends_with(".localhost")
}

fn local(name: &str, ready: Option<&ReadyFile>) -> Result<VaultUrl, Failure> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let url = format!("https://{name}.vault.localhost:{}", port(ready));
    let wrong = || Failure::usage(format!("--vault {name}: neither the name nor the URL of a vault"));
    url.parse().ok().filter(|_| is_name).ok_or_else(wrong)
}

/// The port of the vaults.
fn port(ready: Option<&ReadyFile>) -> String {
    let listen = ready.and_then(|ready| ready.listen.rsplit_once(':'));
    listen.map_or_else(|| VAULTS_PORT.to_string(), |(_, port)| port.to_owned())
}
