//! The service's own runtime: vaults are asked within the process, as the factory's identity.

use zeroize::Zeroizing;

use super::execute::Execution;
use crate::activity::{Received, Runtime, Sending, Waiting};
use crate::factory::{Reference, Secrets};
use crate::remote::{RequestError, VaultUrl};
use crate::web_task::Store;

/// The service's own runtime, for an activity of this run.
pub(super) struct OnService<'r>(pub(super) &'r Execution);

impl Runtime for OnService<'_> {
    fn secret<'w>(
        &'w self,
        store: &'w Store,
        reference: &'w Reference,
    ) -> Waiting<'w, Result<Zeroizing<String>, RequestError>> {
        let (url, identity, asked) = (store.url.clone(), store.identity.clone(), reference.clone());
        let asking = self.0.management.access.run(self.0.own, move |clients| {
            let url: VaultUrl = url.parse().map_err(|_| RequestError::NoAnswer("it has no vault's URL".to_owned()))?;
            let vault = clients.vault(&url, identity.as_deref());
            vault.secret(&asked.secret, asked.version.as_deref()).map(|secret| secret.value)
        });
        Box::pin(
            async move { asking.await.unwrap_or_else(|refusal| Err(RequestError::NoAnswer(format!("{refusal:?}")))) },
        )
    }

    fn credential<'w>(&'w self, _: &'w str) -> Waiting<'w, Result<Secrets, String>> {
        Box::pin(async { Err("its credential is on a node of its runtime, which alone can use it".to_owned()) })
    }

    fn send(&self, request: Sending) -> Waiting<'_, Result<Received, String>> {
        self.0.management.runs.outside().send(request)
    }
}
