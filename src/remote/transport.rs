//! How the requests of a client get to vaults: over the network, or, where client and vaults are one process, by a function.

use std::fmt;
use std::sync::Arc;

use ureq::Agent;
use ureq::http::Request;

use super::error::RequestError;
use super::http_client::{Answer, send};

/// Answers a request, whose body the caller wipes. Blocks its thread until the answer is there.
type Serve = dyn Fn(Request<&[u8]>) -> Result<Answer, RequestError> + Send + Sync;

/// How requests are sent. Cheap to clone.
#[derive(Clone)]
pub struct Transport(Way);

#[derive(Clone)]
enum Way {
    Network(Agent),
    Within(Arc<Serve>),
}

impl Transport {
    /// Requests that `serve` answers within the process; none of them goes out.
    pub(crate) fn within(
        serve: impl Fn(Request<&[u8]>) -> Result<Answer, RequestError> + Send + Sync + 'static,
    ) -> Self {
        Self(Way::Within(Arc::new(serve)))
    }

    /// Sends `request`, whose body the caller wipes.
    pub(super) fn send(&self, request: Request<&[u8]>) -> Result<Answer, RequestError> {
        match &self.0 {
            Way::Network(agent) => send(agent, request),
            Way::Within(serve) => serve(request),
        }
    }
}

impl From<Agent> for Transport {
    fn from(agent: Agent) -> Self {
        Self(Way::Network(agent))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Network(_) => "Network",
            Way::Within(_) => "Within",
        })
    }
}
