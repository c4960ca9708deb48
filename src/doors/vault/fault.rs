//! Requests that go wrong on purpose: a fault rule has picked one, and it fails or waits as the rule says.

use hyper::StatusCode;

use super::{Routed, Service, challenge, refusal};
use crate::faults::Fault;
use crate::http::error::ApiError;
use crate::http::{CutConnection, Response, body};
use crate::trail::Trail;

impl Service {
    /// The fault that a rule has for a request. Rules are about operations of vaults, so they pick no request that was not
    /// routed to one.
    pub(super) fn fault(&self, routed: &Routed) -> Option<Fault> {
        let faults = &self.state.faults;
        let route = routed.route.as_ref().ok().filter(|_| faults.is_active())?;
        faults.pick(routed.resolved.vault().name.as_str(), route.operation.name)
    }

    /// Answers a request as `fault` says.
    pub(super) async fn run_with(&self, fault: Fault, routed: Routed, trail: &mut Trail) -> Result<Response, ApiError> {
        match fault {
            Fault::Delay(pause) => {
                tokio::time::sleep(pause).await;
                // The vault may have changed meanwhile.
                let resolved = self.state.resolve(&routed.target.authority).await?;
                self.run(Routed { resolved, ..routed }, trail).await
            }
            Fault::CutBefore => Ok(cut(body::empty(StatusCode::OK))),
            Fault::CutAfter => Ok(cut(self.run(routed, trail).await.unwrap_or_else(ApiError::into_response))),
            Fault::Status { status, retry_after } => Err(refusal::failure(status, retry_after)),
            Fault::TokenExpired => {
                let tenant = self.state.directory.tenant_id();
                let (authority, connection) = (&routed.target.authority, routed.connection);
                Err(challenge::unauthorized(challenge::EXPIRED.to_owned(), authority, tenant, connection))
            }
        }
    }
}

fn cut(mut answer: Response) -> Response {
    answer.extensions_mut().insert(CutConnection);
    answer
}
