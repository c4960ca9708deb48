//! Requests that go wrong on purpose: a fault rule has picked one, and it fails or waits as the rule says.

use super::{Door, Routed, challenge, refusal};
use crate::faults::Fault;
use crate::http::error::ApiError;
use crate::http::{CutConnection, Response};

impl Door {
    /// The fault that a rule has for a request. Rules are about operations of vaults, so they pick no request that was not
    /// routed to one.
    pub(super) fn fault(&self, routed: &Routed) -> Option<Fault> {
        let faults = &self.state.faults;
        let route = routed.route.as_ref().ok().filter(|_| faults.is_active())?;
        faults.pick(routed.resolved.vault().name.as_str(), route.operation.name)
    }

    /// Delays or refuses a request as `fault` says. One that is cut before anything is done is refused, and its answer cut.
    pub(super) async fn inject(&self, fault: Fault, routed: &mut Routed) -> Result<(), ApiError> {
        match fault {
            Fault::Delay(pause) => {
                tokio::time::sleep(pause).await;
                // The vault may have changed meanwhile.
                routed.resolved = self.state.resolve(&routed.target.authority).await?;
                Ok(())
            }
            Fault::CutBefore => Err(refusal::failure(500, None)),
            Fault::CutAfter => Ok(()),
            Fault::Status { status, retry_after } => Err(refusal::failure(status, retry_after)),
            Fault::TokenExpired => {
                let tenant = self.state.directory.tenant_id();
                let (authority, connection) = (&routed.target.authority, routed.connection);
                Err(challenge::unauthorized(challenge::EXPIRED.to_owned(), authority, tenant, connection))
            }
        }
    }
}

/// Marks an answer that is not sent, if `fault` says so.
pub(super) fn cut(fault: Option<Fault>, answer: &mut Response) {
    if matches!(fault, Some(Fault::CutBefore | Fault::CutAfter)) {
        answer.extensions_mut().insert(CutConnection);
    }
}
