//! Placeholder credentials: what programs sign in with at this server in the place of real ones, and the files that they lie
//! in. They are good here and worth nothing elsewhere.

mod on_disk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::variables::from_pairs;
use super::{Running, StartError, Variables, failed};
use crate::directory::{ClientSecret, CredentialKind, Directory, IdentityRecord, IdentitySelector, UnknownIdentities};
use crate::doors::admin::{self, ControlError};
use crate::http::BoxFuture;

/// How often the files with federated tokens are looked at: machines sleep, and their timers with them.
const RENEWAL_CHECK: Duration = Duration::from_secs(60);

/// The variable that a program reads a credential of this kind from.
pub const fn variable_of(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::WorkloadIdentity => "AZURE_FEDERATED_TOKEN_FILE",
        CredentialKind::ClientSecret => "AZURE_CLIENT_SECRET",
        CredentialKind::ClientCertificate => "AZURE_CLIENT_CERTIFICATE_PATH",
    }
}

/// The placeholder credentials of one server, each made when it is first asked for. In a data directory they stay good over
/// restarts. Cheap to clone. A bearer credential: deliberately no `Debug`.
#[derive(Clone)]
pub struct PlaceholderCredentials {
    inner: Arc<Inner>,
}

struct Inner {
    directory: Directory,
    unknown_identities: UnknownIdentities,
    dir: PathBuf,
    secret: OnceCell<Zeroizing<String>>,
    certificate: OnceCell<PathBuf>,
}

impl PlaceholderCredentials {
    /// Those whose files lie in `dir`, which need not exist; the ones that are there go on being good.
    pub(super) fn open(
        directory: Directory,
        unknown_identities: UnknownIdentities,
        dir: &Path,
    ) -> Result<Self, StartError> {
        let dir = std::path::absolute(dir).map_err(failed)?;
        let (secret, certificate) = (on_disk::read_secret(&dir), on_disk::read_certificate(&dir));
        if let Some(secret) = &secret {
            directory.accept_placeholder_secret(ClientSecret::new(secret.to_string()));
        }
        let certificate = certificate.map(|(path, der)| {
            directory.accept_placeholder_certificate(der);
            path
        });
        let (secret, certificate) = (OnceCell::new_with(secret), OnceCell::new_with(certificate));
        Ok(Self { inner: Arc::new(Inner { directory, unknown_identities, dir, secret, certificate }) })
    }

    /// A client secret that signs any application in.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn secret(&self) -> Result<Zeroizing<String>, StartError> {
        let secret = self.inner.secret.get_or_try_init(|| async {
            let secret = on_disk::new_secret();
            let (path, text) = (on_disk::secret_path(&self.inner.dir), secret.clone());
            blocking(move || on_disk::write_durably(&path, text.as_bytes())).await?;
            self.inner.directory.accept_placeholder_secret(ClientSecret::new(secret.to_string()));
            Ok::<_, StartError>(secret)
        });
        secret.await.cloned()
    }

    /// A file (PEM) with a certificate that signs any application in, and its key.
    ///
    /// # Errors
    /// When the key cannot be made, or the file not be written.
    pub async fn certificate(&self) -> Result<PathBuf, StartError> {
        let made = self.inner.certificate.get_or_try_init(|| async {
            let path = on_disk::certificate_path(&self.inner.dir);
            let (path, der) = blocking(move || {
                let (der, pem) = on_disk::new_certificate().map_err(failed)?;
                on_disk::write_durably(&path, pem.as_bytes())?;
                Ok((path, der))
            })
            .await?;
            self.inner.directory.accept_placeholder_certificate(der);
            Ok::<_, StartError>(path)
        });
        made.await.cloned()
    }

    /// A file with a federated token of `identity`, which is renewed for as long as the server runs.
    ///
    /// # Errors
    /// When no token can be issued, or the file not be written.
    pub async fn federated_token(&self, identity: &IdentityRecord) -> Result<PathBuf, StartError> {
        let path = on_disk::token_path(&self.inner.dir, identity.client_id);
        let issued = self.inner.directory.federated_token(identity).await.map_err(failed)?;
        let token = Zeroizing::new(issued.access_token);
        blocking(move || on_disk::write_until_stop(&path, token.as_bytes()).map(|()| path)).await
    }

    /// What a program has in its environment to sign in as `identity` with a credential of this kind.
    ///
    /// # Errors
    /// When the credential cannot be made.
    pub async fn variables(&self, identity: &IdentityRecord, kind: CredentialKind) -> Result<Variables, StartError> {
        let value = match kind {
            CredentialKind::WorkloadIdentity => self.federated_token(identity).await?.display().to_string(),
            CredentialKind::ClientSecret => self.secret().await?.to_string(),
            CredentialKind::ClientCertificate => self.certificate().await?.display().to_string(),
        };
        Ok(from_pairs([
            ("AZURE_TENANT_ID", self.inner.directory.tenant_id().to_string()),
            ("AZURE_CLIENT_ID", identity.client_id.to_string()),
            (variable_of(kind), value),
        ]))
    }

    /// Renews the files with federated tokens in time, for ever.
    pub(super) async fn run_renewal(self) {
        loop {
            if let Err(error) = self.renew().await {
                tracing::warn!(%error, "a federated token's file could not be renewed");
            }
            tokio::time::sleep(RENEWAL_CHECK).await;
        }
    }

    /// Writes anew what is half over, or is no token of this server (any more): everything can have been replaced.
    async fn renew(&self) -> Result<(), StartError> {
        let dir = self.inner.dir.clone();
        let found = blocking(move || Ok(on_disk::read_tokens(&dir))).await?;
        for (client_id, token) in found {
            if self.inner.directory.is_fresh_federated_token(&token) {
                continue;
            }
            // A file that was left behind makes no identity: the store may have been reset or replaced meanwhile.
            if let Some(identity) = self.choose(&client_id.to_string(), UnknownIdentities::Reject).await? {
                self.federated_token(&identity).await?;
            }
        }
        Ok(())
    }

    /// The identity of the application `client_id`, made on the spot where unknown ones are.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn identity(&self, client_id: &str) -> Result<Option<Arc<IdentityRecord>>, StartError> {
        self.choose(client_id, self.inner.unknown_identities).await
    }

    async fn choose(
        &self,
        client_id: &str,
        unknown_identities: UnknownIdentities,
    ) -> Result<Option<Arc<IdentityRecord>>, StartError> {
        let chosen = IdentitySelector::ClientId(client_id.to_owned());
        self.inner.directory.select(&chosen, unknown_identities).await.map_err(failed)
    }
}

impl admin::Credentials for PlaceholderCredentials {
    fn variables(
        &self,
        identity: Arc<IdentityRecord>,
        kind: CredentialKind,
    ) -> BoxFuture<Result<Variables, ControlError>> {
        let credentials = self.clone();
        Box::pin(
            async move { credentials.variables(&identity, kind).await.map_err(|error| ControlError::Failed(error.0)) },
        )
    }
}

impl Running {
    /// The placeholder credentials.
    pub const fn credentials(&self) -> &PlaceholderCredentials {
        &self.credentials
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

#[cfg(test)]
mod tests;
