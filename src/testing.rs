//! What this package's own integration tests, benchmarks and fuzz targets use besides the public API. Not part of the public
//! API: names change without notice.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::ParentProxy;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::node::{AuthKey, Node, NodeOptions};
use crate::remote::TrustStore;
use crate::store::{Batch, DataKey, EntryKey, MasterKey, RedbOptions, Store};
use crate::{doors, events};

// A whole server on the caller's own runtime, with its internals in reach.
pub use crate::app::{REQUEST_LOG, ReadyFile, Running, check, start};
pub use crate::tasks::VaultClock;

// What an operation is.
pub use crate::operation::Operation;
use crate::operation::Permission;

// The HTTP kit: how listeners treat slow, broken and stopping connections; TLS as the server does it.
pub use crate::http::RequestHandler;
pub use crate::http::body::text;
pub use crate::http::ca::Ca;
pub use crate::http::limits::Limits;
pub use crate::http::server::{Listener, ShutdownTrigger, shutdown_channel};
pub use crate::http::tls::{CertificateResolver, config as tls_config};

// Keys and blobs as clients would make them.
pub use crate::crypto::algorithm::{AesSize, Curve};
pub use crate::crypto::backup_key::Sealed;
pub use crate::crypto::ec::EcKey;

/// The drills, which tests run against servers that misbehave.
pub mod drills {
    pub use crate::drills::{Drill, Environment, Observer, PrivateServer, Selection, Step, Verdict, run};
}

/// The ids of one identity of a configuration.
pub struct IdentityIds {
    /// The application id.
    pub client_id: Uuid,
    /// The principal id.
    pub object_id: Uuid,
    /// The Azure resource id.
    pub resource_id: String,
}

/// The ids of the identity called `name`, if `config` has it.
pub fn identity_ids(config: &Config, name: &str) -> Option<IdentityIds> {
    let identity = config.identities.iter().find(|identity| identity.name == name)?;
    let (client_id, object_id) = (identity.client_id, identity.object_id);
    Some(IdentityIds { client_id, object_id, resource_id: identity.resource_id.clone() })
}

/// The operations of the data plane.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    doors::vault::operations()
}

/// The data action that roles need for an operation, below `Microsoft.KeyVault/vaults/`.
pub const fn data_action(operation: &Operation) -> Option<&'static str> {
    match operation.permission {
        Permission::Vault { data_action, .. } => Some(data_action),
        _ => None,
    }
}

/// The names of all event types.
pub fn event_types() -> Vec<&'static str> {
    events::EventType::ALL.iter().map(|kind| kind.as_str()).collect()
}

/// Deletes the record `key` from the redb database in the data directory `dir`, which no server may be using.
///
/// # Panics
/// When there is no such record, or the database cannot be opened.
pub async fn delete_record(dir: &Path, key: &str) {
    let master_key = std::fs::read_to_string(dir.join("master.key")).expect("a master key");
    let master_key = MasterKey::parse(master_key.trim()).expect("a master key");
    let (path, unused) = (dir.join("keyhaven.redb"), DataKey::from_bytes([0; 32]));
    let store = Store::redb(&path, &master_key, unused, RedbOptions::default()).expect("a database");
    let key = EntryKey::from(key);
    assert!(store.view().await.expect("a view").get(&key).await.expect("a record").is_some());
    store.commit(Batch::default().delete(key)).await.expect("a commit");
    store.close().await;
}

/// What a node of a test is started with.
#[derive(Clone, Copy, Debug)]
pub struct NodeSetup<'s> {
    /// Its directory.
    pub home: &'s Path,
    /// Its name.
    pub name: &'s str,
    /// The URL of the server.
    pub server: &'s str,
    /// The server's CA, PEM.
    pub ca: &'s str,
    /// The key to register with, the first time.
    pub auth_key: Option<&'s str>,
    /// Whether others than the service may reach it, at a free port of loopback.
    pub remote_access: bool,
}

/// A node of a self-hosted integration runtime in the process of a test.
pub struct RunningNode {
    node: Arc<Node>,
    stop: oneshot::Sender<()>,
    work: JoinHandle<()>,
}

/// Starts a node, as `keyhaven node` does.
///
/// # Errors
/// Why it does not run.
pub async fn start_node(setup: &NodeSetup<'_>) -> Result<RunningNode, String> {
    let auth_key = setup.auth_key.map(AuthKey::parse).transpose().map_err(|error| error.to_string())?;
    let options = NodeOptions {
        home: setup.home.to_owned(),
        name: Some(setup.name.to_owned()),
        machine: "localhost".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        remote_access: setup.remote_access,
        certificate: None,
        auth_key,
        server: Some(setup.server.to_owned()),
        trust: TrustStore::default().with_pem(setup.ca).map_err(|error| error.to_string())?,
        proxy: Ok(ParentProxy::default()),
        clock: Arc::new(SystemClock),
    };
    let node = Arc::new(Node::start(options).await.map_err(|error| error.to_string())?);
    let (stop, stopped) = oneshot::channel();
    let working = node.clone();
    let work = tokio::spawn(async move {
        tokio::select! {
            _ = working.work() => {}
            _ = stopped => {}
        }
    });
    Ok(RunningNode { node, stop, work })
}

impl RunningNode {
    /// The credentials that it keeps, by their ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn credentials(&self) -> Result<BTreeMap<String, String>, String> {
        let all = self.node.credentials().map_err(|error| error.to_string())?;
        Ok(all.into_iter().map(|(id, value)| (id, value.as_str().to_owned())).collect())
    }

    /// Stops it. A request for work that it has sent goes on until it is answered.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.work.await;
        if let Some(node) = Arc::into_inner(self.node) {
            node.stop().await;
        }
    }
}
