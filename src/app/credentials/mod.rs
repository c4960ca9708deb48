//! Placeholder credentials: secrets, certificates and federated tokens that replace a program's real ones. This server accepts
//! them; no other service does.

mod on_disk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::error::StartError;
use super::variables::{Variables, from_pairs};
use crate::directory::{ClientSecret, CredentialKind, Directory, IdentityRecord, IdentitySelector, UnknownIdentities};
use crate::doors::admin::{self, ControlError};
use crate::http::BoxFuture;

/// The interval between checks of federated tokens. A timer until expiry would be late after the machine slept.
const RENEWAL_CHECK: Duration = Duration::from_secs(60);

/// The environment variable for a credential of this kind.
pub(crate) const fn variable_of(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::WorkloadIdentity => "AZURE_FEDERATED_TOKEN_FILE",
        CredentialKind::ClientSecret => "AZURE_CLIENT_SECRET",
        CredentialKind::ClientCertificate => "AZURE_CLIENT_CERTIFICATE_PATH",
    }
}

/// The placeholder credentials of one server, each created at first use. In a data directory they stay valid over restarts.
/// Cheap to clone. A bearer credential: deliberately no `Debug`.
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
    /// Opens the directory `dir`, which need not exist; accepts the credentials found there.
    pub(super) fn open(
        directory: Directory,
        unknown_identities: UnknownIdentities,
        dir: &Path,
    ) -> Result<Self, StartError> {
        let dir = std::path::absolute(dir).map_err(StartError::new)?;
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

    /// A client secret that is valid for every application.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn secret(&self) -> Result<Zeroizing<String>, StartError> {
        let secret = self.inner.secret.get_or_try_init(|| async {
            let secret = on_disk::new_secret();
            let (path, text) = (on_disk::secret_path(&self.inner.dir), secret.clone());
            blocking(move || Ok(on_disk::write_durably(&path, text.as_bytes())?)).await?;
            self.inner.directory.accept_placeholder_secret(ClientSecret::new(secret.to_string()));
            Ok::<_, StartError>(secret)
        });
        secret.await.cloned()
    }

    /// A PEM file with a certificate that is valid for every application, and its private key.
    ///
    /// # Errors
    /// When the key cannot be generated or the file not be written.
    pub async fn certificate(&self) -> Result<PathBuf, StartError> {
        let made = self.inner.certificate.get_or_try_init(|| async {
            let path = on_disk::certificate_path(&self.inner.dir);
            let (path, der) = blocking(move || {
                let (der, pem) = on_disk::new_certificate().map_err(StartError::new)?;
                on_disk::write_durably(&path, pem.as_bytes())?;
                Ok((path, der))
            })
            .await?;
            self.inner.directory.accept_placeholder_certificate(der);
            Ok::<_, StartError>(path)
        });
        made.await.cloned()
    }

    /// A file with a federated token of `identity`, renewed while the server runs.
    ///
    /// # Errors
    /// When no token can be issued or the file not be written.
    pub async fn federated_token(&self, identity: &IdentityRecord) -> Result<PathBuf, StartError> {
        let path = on_disk::token_path(&self.inner.dir, identity.client_id);
        let issued = self.inner.directory.federated_credential(identity).await.map_err(StartError::new)?;
        let token = Zeroizing::new(issued.access_token);
        blocking(move || Ok(on_disk::write_until_stop(&path, token.as_bytes()).map(|()| path)?)).await
    }

    /// The environment of a program that signs in as `identity` with a credential of this kind.
    ///
    /// # Errors
    /// When the credential cannot be created.
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

    /// Renews the files with federated tokens; never returns.
    pub(super) async fn run_renewal(self) {
        loop {
            if let Err(error) = self.renew().await {
                tracing::warn!(%error, "a federated token's file could not be renewed");
            }
            tokio::time::sleep(RENEWAL_CHECK).await;
        }
    }

    /// Rewrites tokens past half of their life, and those that a reset or snapshot invalidated.
    async fn renew(&self) -> Result<(), StartError> {
        let dir = self.inner.dir.clone();
        let found = blocking(move || Ok(on_disk::read_tokens(&dir))).await?;
        for (client_id, token) in found {
            if self.inner.directory.is_fresh_federated_token(&token) {
                continue;
            }
            // An old file must not create an identity: a reset or snapshot may have removed it.
            if let Some(identity) = self.choose(&client_id.to_string(), UnknownIdentities::Reject).await? {
                self.federated_token(&identity).await?;
            }
        }
        Ok(())
    }

    /// The identity of the application `client_id`, made on the spot where unknown ones are.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn identity(&self, client_id: &str) -> Result<Option<Arc<IdentityRecord>>, StartError> {
        self.choose(client_id, self.inner.unknown_identities).await
    }

    async fn choose(
        &self,
        client_id: &str,
        unknown_identities: UnknownIdentities,
    ) -> Result<Option<Arc<IdentityRecord>>, StartError> {
        let chosen = IdentitySelector::ClientId(client_id.to_owned());
        self.inner.directory.select(&chosen, unknown_identities).await.map_err(StartError::new)
    }
}

impl admin::Credentials for PlaceholderCredentials {
    fn variables(
        &self,
        identity: Arc<IdentityRecord>,
        kind: CredentialKind,
    ) -> BoxFuture<Result<Variables, ControlError>> {
        let credentials = self.clone();
        Box::pin(async move {
            credentials.variables(&identity, kind).await.map_err(|error| ControlError::Failed(error.into_cause()))
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(StartError::new)?
}

#[cfg(test)]
mod tests;
