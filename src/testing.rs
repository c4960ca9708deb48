//! What this package's own integration tests, benchmarks and fuzz targets use besides the public API. Not part of the public
//! API: names change without notice.

use std::path::Path;

use uuid::Uuid;

use crate::config::Config;
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
