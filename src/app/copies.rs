//! Vault copies for embedders, without the admin API.

use super::error::StartError;
use super::running::Running;
use crate::clock::Clock;
use crate::config::Identities;
use crate::config::entry::{self, ParseContext};
use crate::vault::VaultName;

/// A copy names none: its policies are those of the source.
const NO_IDENTITIES: Identities<'static> = Identities { all: &[], default: None };

impl Running {
    /// Copies the vault `source`, with its content and policies, to the new vault `copy`; returns the URL. The cost does not
    /// depend on the size of the vault.
    ///
    /// # Errors
    /// When `source` does not exist, `copy` exists, or a name is malformed.
    pub(crate) async fn copy_vault(&self, source: &str, copy: &str) -> Result<String, StartError> {
        let name = |text: &str| {
            VaultName::parse(text).ok_or_else(|| StartError::new(format!("'{text}' is no name of a vault")))
        };
        let (source, copy) = (name(source)?, name(copy)?);
        let absent = || StartError::new(format!("no vault is called '{source}'"));
        let source = self.vaults.find(&source).await?.ok_or_else(absent)?;
        let tenant = self.directory.tenant();
        let context = ParseContext { tenant, identities: NO_IDENTITIES, roles: &[] };
        let wanted = entry::copy(&copy, &source, b"", context).map_err(StartError::new)?;
        let (made, _) = self.vaults.copy_vault(&source, wanted.vault, self.clock.now()).await?;
        let (from, to) = (source.scope(tenant.subscription), made.scope(tenant.subscription));
        self.authorization.copy_scope(&from, &to).await.map_err(StartError::new)?;
        let port = self.ready.listen.rsplit(':').next().unwrap_or_default();
        Ok(format!("https://{}.vault.localhost:{port}", made.name))
    }
}
