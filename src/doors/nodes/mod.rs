//! What nodes of self-hosted integration runtimes reach at the host of their factory: they register, ask for work, and say what became of it. The protocol is ours (`node_protocol`).

mod refusal;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::AUTHORIZATION;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{BoxFuture, ConnectionInfo, Incoming, Request, Response, body};
use crate::management::{ConnectedNodes, FactoryHost, FactoryId, KnownNode, Management, NODE_DOMAIN, NewNode};
use crate::node_protocol::{Announcement, POLL_SECONDS, Poll, REGISTER, Registration, TaskKind, TaskResult, Work};
use crate::operation::Operation;
use crate::random::{self, Random};
use crate::trail::{Answered, Trail};

static REGISTER_NODE: Operation = Operation::open("NodeRegister", Method::POST, REGISTER);
static RESULT: Operation = Operation::open("NodeResult", Method::POST, "/nodes/v1/runtimes/{runtimeId}/results");
static CREDENTIALS: Operation =
    Operation::open("NodeCredentials", Method::POST, "/nodes/v1/runtimes/{runtimeId}/credentials");
static POLL: Operation = Operation::open("NodePoll", Method::POST, "/nodes/v1/runtimes/{runtimeId}/poll");

/// Whether `host` (lower case) is a factory's, locally or in the cloud.
pub(crate) fn is_host(host: &str) -> bool {
    FactoryHost::parse(host).is_some()
}

/// The domain below which the hosts of factories are.
pub(crate) const fn domain() -> &'static str {
    NODE_DOMAIN
}

/// What the handlers of this door share.
pub(crate) struct State {
    /// Factories and their runtimes.
    pub management: Management,
    /// The nodes that are connected.
    pub connected: ConnectedNodes,
    /// The system clock: nodes live by it.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub random: Arc<dyn Random>,
    /// The address that every request counts as coming from, if one is said.
    pub client_address: Option<IpAddr>,
    /// The bounds of bodies.
    pub limits: Arc<Limits>,
}

/// A request, as a handler gets it.
struct Call {
    factory: FactoryId,
    params: Params,
    /// What follows `Bearer`.
    credential: Zeroizing<String>,
    address: IpAddr,
    body: Incoming,
}

type Handler = fn(Arc<State>, Call) -> BoxFuture<Result<Response, ApiError>>;

/// The door: routes requests to handlers.
pub(crate) struct Door {
    state: Arc<State>,
    routes: Routes<Handler>,
}

impl Door {
    /// A door over `state`.
    pub(crate) fn new(state: State) -> Self {
        let routes: Routes<Handler> = Routes::new(vec![
            (&REGISTER_NODE, |state, call| Box::pin(register(state, call))),
            (&POLL, |state, call| Box::pin(poll(state, call))),
            (&RESULT, |state, call| Box::pin(result(state, call))),
            (&CREDENTIALS, |state, call| Box::pin(credentials(state, call))),
        ]);
        Self { state: Arc::new(state), routes }
    }

    /// Answers a request to the host `authority`, which is a factory's.
    pub(crate) async fn answer(&self, request: Request, authority: Authority, connection: ConnectionInfo) -> Answered {
        let mut trail = Trail::new("nodes");
        let address = self.state.client_address.unwrap_or_else(|| connection.peer.ip()).to_canonical();
        let answered = self.dispatch(request, authority.host(), address, &mut trail).await;
        trail.finish(answered.unwrap_or_else(ApiError::into_response))
    }

    async fn dispatch(
        &self,
        request: Request,
        host: &str,
        address: IpAddr,
        trail: &mut Trail,
    ) -> Result<Response, ApiError> {
        let (handler, params) = match self.routes.find(request.method(), request.uri()) {
            Lookup::Found(operation, handler, params) => {
                trail.route(operation, &params);
                (handler, params)
            }
            Lookup::NoSuchMethod => return Err(refusal::no_such_method(request.method())),
            Lookup::NoSuchPath => return Err(refusal::no_such_path(request.uri().path())),
        };
        let host = FactoryHost::parse(host).ok_or_else(|| refusal::no_such_path(host))?;
        let factory = self.state.management.factory_at(&host).await.map_err(refusal::of)?;
        self.state.check_served(&factory, address).await?;
        let credential = bearer(&request);
        let body = request.into_body();
        handler(self.state.clone(), Call { factory, params, credential, address, body }).await
    }
}

/// What follows `Bearer` in a request.
fn bearer(request: &Request) -> Zeroizing<String> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Zeroizing::new(token.map_or("", |(_, token)| token.trim()).to_owned())
}

/// Makes a node of the runtime whose auth key is given.
async fn register(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (factory, address) = (call.factory.clone(), call.address);
    let Registration { auth_key, node } = call.json(&state.limits).await?;
    let (id, now) = (random::uuid(&*state.random), state.clock.now());
    let new = NewNode { id, secret: Zeroizing::new(random::secret()), address, now };
    let registered = state.management.register_node(&factory, &auth_key, (&node, &new)).await;
    Ok(body::json(StatusCode::OK, &registered.map_err(refusal::of)?))
}

/// Answers the tasks of a node, and the nodes whose credentials it lacks, as soon as there are some, and none when there are none in time. A node
/// that has just started is answered at once: it learns the key of tokens.
async fn poll(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (known, identity) = (state.known(&call).await?, call.identity());
    let (factory, address) = (call.factory.clone(), call.address);
    let Poll { started, running, credentials } = call.json(&state.limits).await?;
    if let Some(node) = &started {
        state.connected.reconnected(known.node.id, &running);
        let noted = state.management.node_started(&known, (node, address), state.clock.now()).await;
        noted.map_err(refusal::of)?;
    }
    state.management.note_credentials(&known, credentials);
    let mut peers = state.management.peers(&known, state.clock.now()).await.map_err(refusal::of)?;
    let waits = started.is_none() && peers.is_empty();
    let wait = if waits { Duration::from_secs(POLL_SECONDS) } else { Duration::ZERO };
    let tasks = state.connected.next_tasks((known.node.id, address), &*state.clock, wait).await;
    if tasks.iter().any(|task| matches!(task.kind, TaskKind::Stop)) {
        return Ok(body::json(StatusCode::OK, &Work { tasks, ..Work::default() }));
    }
    let known = match state.still_served(&factory, (&identity, address)).await {
        Ok(known) => known,
        Err(error) => {
            // Its tasks are not handed out: who waits for them learns it at once.
            state.connected.shut_out(known.node.id);
            return Err(error);
        }
    };
    let token_key = Some(state.management.token_key(&known.runtime, &known.node).await.map_err(refusal::of)?);
    if waits {
        peers = state.management.peers(&known, state.clock.now()).await.map_err(refusal::of)?;
    }
    Ok(body::json(StatusCode::OK, &Work { tasks, token_key, round: known.credential_round, peers }))
}

/// Takes what became of a task.
async fn result(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let known = state.known(&call).await?;
    let result: TaskResult = call.json(&state.limits).await?;
    state.management.note_credentials(&known, result.credentials.clone());
    state.connected.answered(known.node.id, result);
    Ok(body::empty(StatusCode::NO_CONTENT))
}

/// Notes that a node has other credentials than before.
async fn credentials(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let known = state.known(&call).await?;
    let Announcement { credentials } = call.json(&state.limits).await?;
    state.management.note_credentials(&known, Some(credentials));
    Ok(body::empty(StatusCode::NO_CONTENT))
}

/// Which node a request says that it is from; deliberately no `Debug`.
struct NodeIdentity {
    runtime: Option<Uuid>,
    node: Option<Uuid>,
    secret: Zeroizing<String>,
}

impl Call {
    fn identity(&self) -> NodeIdentity {
        let (node, secret) = self.credential.split_once('.').unwrap_or_default();
        NodeIdentity {
            runtime: Uuid::parse_str(&self.params.get("runtimeId")).ok(),
            node: Uuid::parse_str(node).ok(),
            secret: Zeroizing::new(secret.to_owned()),
        }
    }

    async fn json<T: DeserializeOwned>(self, limits: &Limits) -> Result<T, ApiError> {
        let bytes = body::read(self.body, limits).await.map_err(|error| refusal::body(error, limits))?;
        serde_json::from_slice(&bytes).map_err(|error| refusal::invalid_body(&error))
    }
}

impl State {
    async fn known(&self, call: &Call) -> Result<KnownNode, ApiError> {
        self.still_known(&call.factory, &call.identity()).await
    }

    /// Refuses an address that the factory serves no node at: its public access and its private endpoints decide.
    async fn check_served(&self, factory: &FactoryId, address: IpAddr) -> Result<(), ApiError> {
        match self.management.serves_node(factory, address).await.map_err(refusal::of)? {
            true => Ok(()),
            false => Err(refusal::not_served(factory.name(), address)),
        }
    }

    /// The node, as what is handed out after a wait is for one that is still a node, and is still served.
    async fn still_served(
        &self,
        factory: &FactoryId,
        (identity, address): (&NodeIdentity, IpAddr),
    ) -> Result<KnownNode, ApiError> {
        let known = self.still_known(factory, identity).await?;
        self.check_served(factory, address).await?;
        Ok(known)
    }

    async fn still_known(&self, factory: &FactoryId, identity: &NodeIdentity) -> Result<KnownNode, ApiError> {
        let (Some(runtime), Some(node)) = (identity.runtime, identity.node) else {
            return Err(refusal::unknown_node());
        };
        let known = self.management.known_node(factory, runtime, (node, &identity.secret)).await;
        known.map_err(refusal::of)
    }
}
