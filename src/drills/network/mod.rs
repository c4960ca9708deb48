//! The drill *network*: the way between a data factory of the server and its node. Public access goes off and private link on; a credential
//! that lay on the node is moved into the vault.

mod endpoint;
mod node_process;
mod steps;

use std::sync::Arc;

use zeroize::Zeroizing;

use super::capability::Capability;
use super::environment::{Environment, PlannedFactory};
use super::step::StepPlan;
use crate::random;
use endpoint::Endpoint;
use node_process::NodeProcess;

pub(super) struct State {
    environment: Arc<Environment>,
    planned: Option<PlannedFactory>,
    node: Option<NodeProcess>,
    /// The host that the node asks for.
    host: String,
    endpoint: Option<Endpoint>,
    /// The credential that lies on the node, and the one in the vault.
    credentials: [Zeroizing<String>; 2],
}

const NODE: &[Capability] = &[Capability::Node];

pub(super) const STEPS: &[StepPlan<State>] = &[
    StepPlan {
        name: "make-factory",
        done: "a data factory is made by Resource Manager, with an identity that may read the vault's secrets, and the vault is linked",
        expected: "it is there, and its public access is on",
        depends_on: &[],
        needs: NODE,
        run: State::make_factory,
    },
    StepPlan {
        name: "register-node",
        done: "it gets a self-hosted integration runtime, whose key a node on this machine registers with",
        expected: "the runtime is Online with that node",
        depends_on: &["make-factory"],
        needs: NODE,
        run: State::register_node,
    },
    StepPlan {
        name: "credential-on-node",
        done: "a linked service that the runtime connects brings its password, and a pipeline sends it to an endpoint by the node",
        expected: "the definition shows a reference in place of the password, which reaches the endpoint",
        depends_on: &["register-node"],
        needs: NODE,
        run: State::credential_on_node,
    },
    StepPlan {
        name: "public-access-off",
        done: "the factory's public access is switched off",
        expected: "its endpoint for nodes refuses this machine's address; Resource Manager answers as before",
        depends_on: &["register-node"],
        needs: NODE,
        run: State::public_access_off,
    },
    StepPlan {
        name: "private-link",
        done: "a private endpoint with this machine's address is connected, and then approved",
        expected: "nodes are refused while the connection is pending, and served once it is approved",
        depends_on: &["public-access-off"],
        needs: NODE,
        run: State::private_link,
    },
    StepPlan {
        name: "outside-vault",
        done: "the pipeline runs as before, with a credential outside of a vault",
        expected: "the run fails and names the linked service; nothing reaches the endpoint",
        depends_on: &["credential-on-node", "private-link"],
        needs: NODE,
        run: State::outside_vault,
    },
    StepPlan {
        name: "own-runtime",
        done: "a linked service with a password of its own is used on the service's own runtime",
        expected: "private link does not concern it: the run succeeds, and the password reaches the endpoint",
        depends_on: &["public-access-off"],
        needs: NODE,
        run: State::own_runtime,
    },
    StepPlan {
        name: "move-to-vault",
        done: "the credential is stored in the vault, and the linked service refers to it",
        expected: "the definition has no credential any more; the run succeeds, and what the vault has reaches the endpoint",
        depends_on: &["outside-vault"],
        needs: NODE,
        run: State::move_to_vault,
    },
    StepPlan {
        name: "reject-connection",
        done: "the private endpoint's connection is rejected",
        expected: "nodes are refused from the next request on",
        depends_on: &["private-link"],
        needs: NODE,
        run: State::reject_connection,
    },
    StepPlan {
        name: "public-access-on",
        done: "the factory's public access is switched on again",
        expected: "nodes are served with the next request",
        depends_on: &["public-access-off"],
        needs: NODE,
        run: State::public_access_on,
    },
];

impl State {
    pub(super) fn new(environment: &Arc<Environment>) -> Self {
        Self {
            environment: environment.clone(),
            planned: None,
            node: None,
            host: String::new(),
            endpoint: None,
            credentials: [random::secret_hex::<16>(), random::secret_hex::<16>()],
        }
    }
}
