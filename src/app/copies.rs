//! Copies of vaults for who has the server in its own process.

use super::{Running, StartError, failed};
use crate::clock::Clock;
use crate::config::entry;
use crate::vault::VaultName;

impl Running {
    /// Makes the vault `copy` with all that `source` holds and with its policies; answers its URL. It costs the same whatever
    /// there is to copy.
    ///
    /// # Errors
    /// When there is no vault `source`, or a vault `copy`, or when that cannot be a name.
    pub async fn copy_vault(&self, source: &str, copy: &str) -> Result<String, StartError> {
        let name = |text: &str| VaultName::parse(text).ok_or_else(|| failed(format!("'{text}' is no name of a vault")));
        let (source, copy) = (name(source)?, name(copy)?);
        let absent = || failed(format!("no vault is called '{source}'"));
        let source = self.vaults.find(&source).await.map_err(failed)?.ok_or_else(absent)?;
        let wanted = entry::copy(&copy, &source, b"", self.directory.tenant_id(), &[]).map_err(failed)?;
        let (made, _) = self.vaults.copy_vault(&source, wanted, self.clock.now()).await.map_err(failed)?;
        let port = self.ready.listen.rsplit(':').next().unwrap_or_default();
        Ok(format!("https://{}.vault.localhost:{port}", made.name))
    }
}
