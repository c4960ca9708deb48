//! What an activity needs of the runtime that it is run on.

use std::future::Future;
use std::pin::Pin;

use zeroize::Zeroizing;

use super::exchange::{Received, Sending};
use crate::factory::{Reference, Secrets};
use crate::remote::RequestError;
use crate::web_task::Store;

/// An answer that is not there yet.
pub(crate) type Waiting<'w, T> = Pin<Box<dyn Future<Output = T> + Send + 'w>>;

/// A runtime. It never asks link-local addresses, nor the server's own admin, identity and proxy listeners.
pub(crate) trait Runtime: Send + Sync {
    /// The value of a secret in the vault `store`, as that vault's identity.
    fn secret<'w>(
        &'w self,
        store: &'w Store,
        reference: &'w Reference,
    ) -> Waiting<'w, Result<Zeroizing<String>, RequestError>>;

    /// The secrets behind an `encryptedCredential`, by their places; a sentence without an end where they are not here.
    fn credential<'w>(&'w self, reference: &'w str) -> Waiting<'w, Result<Secrets, String>>;

    /// Sends a request. A sentence without an end says why there is no answer.
    fn send(&self, request: Sending) -> Waiting<'_, Result<Received, String>>;
}
