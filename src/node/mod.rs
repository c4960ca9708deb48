//! A node of a self-hosted integration runtime, as a program of its own: it registers, keeps what it is in its home, asks the service for
//! work, and follows it over restarts of either. It knows the service by its protocol alone.

mod auth_key;
mod calls;
mod credential_set;
mod credentials;
mod destination;
mod error;
mod home;
mod identity;
mod jobs;
mod keys;
mod listener;
mod peers;
mod pinned;
mod service;
mod tasks;
mod tokens;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::crypto::rsa::RsaKey;
use crate::node_protocol::NodeDescription;
use crate::proxy::{Outlet, ParentProxy};
use crate::remote::TrustStore;

pub(crate) use auth_key::AuthKey;
use calls::Calls;
use credentials::CredentialStore;
pub(crate) use destination::Destination;
pub(crate) use error::NodeError;
use home::NodeHome;
use identity::Membership;
use jobs::Jobs;
use keys::{ListenerCertificate, NodeKeys};
use listener::{NodeHealth, Remote, Serving};
use service::{Polled, Service};
use tasks::Worker;
use tokens::TokenKey;

/// The file of the keys, in the home.
const KEYS: &str = "keys.json";
/// The file of what makes the node one of a runtime, in the home.
const MEMBERSHIP: &str = "membership.json";
/// How long requests in flight may take once the node is to stop.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after the service could not be asked; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What a node is started with.
pub(crate) struct NodeOptions {
    /// Its directory.
    pub home: PathBuf,
    /// Its name; without one the name that it registered by, else its machine's.
    pub name: Option<String>,
    /// The name of its machine.
    pub machine: String,
    /// Where it listens with remote access on.
    pub listen: SocketAddr,
    /// Whether others than the service may reach it.
    pub remote_access: bool,
    /// Another certificate than its own, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The key to register with.
    pub auth_key: Option<AuthKey>,
    /// The URL at which the service is reached; none for the endpoint's own name.
    pub server: Option<String>,
    /// Whom the node trusts.
    pub trust: TrustStore,
    /// The proxy of the environment that activities go out by; else why it cannot be used.
    pub proxy: Result<ParentProxy, String>,
    /// The clock that certificates are made by.
    pub clock: Arc<dyn Clock>,
}

/// A node that is registered, and listens if it is to.
pub(crate) struct Node {
    home: Arc<NodeHome>,
    worker: Worker,
    description: NodeDescription,
    /// Ends the activities with the node.
    _jobs: RunningJobs,
    serving: Option<Serving>,
}

impl Node {
    /// Opens the home, registers the node if it is not registered, and opens its listener.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub(crate) async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let (listen, remote_access, clock) = (options.listen, options.remote_access, options.clock.clone());
        let (outlet, server) = (outlet(&options), options.server.clone());
        let socket = if remote_access { Some(listener::bind(listen).await?) } else { None };
        let address = socket.as_ref().map_or(listen, |(_, bound)| *bound);
        let opening = tokio::task::spawn_blocking(move || Opened::open(options, address));
        let opened = opening.await.map_err(|error| NodeError::Keys(error.to_string()))??;
        let Opened { home, service, membership, description, certificate, key } = opened;
        let (home, tokens, key) = (Arc::new(home), TokenKey::default(), Arc::new(key));
        let store = CredentialStore::new(home.clone(), membership.node);
        let calls = Calls::new(&description.name, outlet, server, store.clone());
        let jobs = Jobs::new(service.clone(), membership.clone(), clock.clone());
        let health = NodeHealth {
            node: description.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            public_key: description.public_key.clone(),
        };
        let worker = Worker { service, membership, store, tokens, key, calls, jobs };
        let Worker { membership, store, tokens, key, jobs, .. } = worker.clone();
        let remote = Remote { health, node: membership.node, key, store, tokens, clock };
        let serving = socket.map(|(tcp, _)| listener::serve(tcp, certificate, remote)).transpose()?;
        if serving.is_some() {
            tracing::info!(host = description.host, thumbprint = description.thumbprint, "listening for others");
        }
        Ok(Self { home, worker, description, _jobs: RunningJobs(jobs), serving })
    }

    /// Works until the service says that the node was removed.
    pub(crate) async fn work(&self) -> NodeError {
        tokio::select! {
            why = self.follow() => why,
            never = self.announce_changes() => match never {},
        }
    }

    /// Asks for work and does it.
    async fn follow(&self) -> NodeError {
        let (mut started, mut pause, mut failed) = (Some(self.description.clone()), FIRST_PAUSE, false);
        loop {
            match self.worker.poll(started.clone()).await {
                Polled::Work(work) => {
                    if started.take().is_some() || failed {
                        tracing::info!(endpoint = self.worker.membership.endpoint, "connected");
                    }
                    (pause, failed) = (FIRST_PAUSE, false);
                    if self.worker.done(work).await {
                        return self.removed();
                    }
                }
                Polled::Removed => return self.removed(),
                Polled::Unavailable(why) => {
                    if !failed {
                        tracing::warn!(why, "the service cannot be reached; this is tried again until it can");
                    }
                    failed = true;
                    // The server may be another one since: it learns what the node is.
                    started = Some(self.description.clone());
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Says at once that the credentials have changed: the other nodes are to have them soon.
    async fn announce_changes(&self) -> Infallible {
        loop {
            self.worker.store.changed().await;
            self.worker.announce().await;
        }
    }

    /// The credentials that it keeps, by their ids: for tests. May block.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn credentials(&self) -> Result<Vec<(String, Zeroizing<String>)>, NodeError> {
        let all = self.worker.store.all()?;
        let value = |id: String| all.value(&id).cloned().map(|value| (id, value));
        Ok(all.ids().into_iter().filter_map(value).collect())
    }

    /// Ends cleanly: requests in flight are answered; activities end, and the service learns it when the node is back, or offline.
    pub(crate) async fn stop(self) {
        if let Some(serving) = self.serving {
            serving.stop(GRACE).await;
        }
    }

    /// Forgets the runtime, so that the next start registers anew.
    fn removed(&self) -> NodeError {
        match self.home.remove(MEMBERSHIP) {
            Ok(()) => NodeError::Removed,
            Err(error) => error,
        }
    }
}

/// The activities of a node, which end with it.
struct RunningJobs(Jobs);

impl Drop for RunningJobs {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What is there before the node listens.
struct Opened {
    home: NodeHome,
    service: Service,
    membership: Membership,
    description: NodeDescription,
    certificate: ListenerCertificate,
    key: RsaKey,
}

impl Opened {
    fn open(options: NodeOptions, address: SocketAddr) -> Result<Self, NodeError> {
        let home = NodeHome::open(&options.home)?;
        let known = home.read::<Membership>(MEMBERSHIP)?;
        let name = options.name.clone().or_else(|| known.as_ref().map(|known| known.name.clone()));
        let name = name.unwrap_or_else(|| options.machine.clone());
        let keys = match home.read::<NodeKeys>(KEYS)? {
            Some(keys) => keys,
            None => made(&home, &name, &options)?,
        };
        let certificate = match &options.certificate {
            Some((certificate, key)) => ListenerCertificate::read(certificate, key)?,
            None => keys.certificate()?,
        };
        let description = describe(&options, (name, address), keys.public_key()?, certificate.thumbprint());
        let service = Service::new(options.trust.agent(), options.server);
        let membership = match (known, options.auth_key) {
            (Some(membership), _) => membership,
            (None, Some(key)) => registered(&home, &service, &key, &description)?,
            (None, None) => return Err(NodeError::NotRegistered(home.path().to_owned())),
        };
        Ok(Self { key: keys.credential_key()?, home, service, membership, description, certificate })
    }
}

/// What activities go out by.
fn outlet(options: &NodeOptions) -> Result<Outlet, String> {
    let trust = options.trust.clone();
    options.proxy.clone().map(|proxy| Outlet::new(proxy, Arc::new(move || trust.roots())))
}

/// Makes the keys of a node, and keeps them before anything else knows them.
fn made(home: &NodeHome, name: &str, options: &NodeOptions) -> Result<NodeKeys, NodeError> {
    let keys = NodeKeys::generate(name, &options.machine, options.clock.now())?;
    home.write(KEYS, &keys)?;
    Ok(keys)
}

fn registered(
    home: &NodeHome,
    service: &Service,
    key: &AuthKey,
    description: &NodeDescription,
) -> Result<Membership, NodeError> {
    let membership = service.register(key, description.clone())?;
    home.write(MEMBERSHIP, &membership)?;
    tracing::info!(node = description.name, endpoint = membership.endpoint, "registered");
    Ok(membership)
}

fn describe(
    options: &NodeOptions,
    (name, address): (String, SocketAddr),
    public_key: String,
    thumbprint: String,
) -> NodeDescription {
    // An unspecified address is every one of this machine, which others know by its name.
    let host = match address.ip().is_unspecified() {
        true => format!("{}:{}", options.machine, address.port()),
        false => address.to_string(),
    };
    NodeDescription {
        name,
        machine: options.machine.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host,
        remote_access: options.remote_access,
        thumbprint,
        public_key,
    }
}

#[cfg(test)]
mod tests;
