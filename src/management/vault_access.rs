//! Vaults, as resources reach them: over the data plane, as an identity that a resource has.

use std::sync::Arc;

use tokio::sync::Semaphore;
use uuid::Uuid;

use super::refusal::Refusal;
use crate::factory::VaultClients;

/// The most pieces of work at once: each takes a thread while it waits for a vault, whose answer may need one too.
const AT_ONCE: usize = 32;

/// Access to vaults for what resources do in them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct VaultAccess {
    clients: VaultClients,
    permits: Arc<Semaphore>,
}

impl VaultAccess {
    /// Access by `clients`, whose calls block.
    pub(crate) fn new(clients: VaultClients) -> Self {
        Self { clients, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Runs `work` on a thread that may block. It asks vaults as a user-assigned identity that it names by its resource id, else as
    /// the resource's own, whose principal id is `own`. The caller has checked that the resource has the identity.
    ///
    /// # Errors
    /// [`Refusal::Interrupted`] when the server stops.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        own: Option<Uuid>,
        work: impl FnOnce(&VaultClients) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let clients = own.map_or_else(|| self.clients.clone(), |own| self.clients.acting_as(own.to_string()));
        let interrupted = |error: &dyn std::fmt::Display| Refusal::Interrupted(error.to_string());
        let permit = self.permits.clone().acquire_owned().await.map_err(|error| interrupted(&error))?;
        let working = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&clients)
        });
        working.await.map_err(|error| interrupted(&error))
    }
}
