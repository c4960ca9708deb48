//! The composition root: picks store, clock and randomness, builds the doors, listens, and stops. Embedders start a whole
//! server here, in their own process.
//!
//! A start is three values, each made from the one before: `Foundations` (sockets, data directory, CA, clocks) are opened, a
//! `BuiltServer` (data up to date, doors, tasks) is built on them, and serving its listeners makes it [`Running`].

mod admin_key;
mod backend;
mod by_clock;
mod ca;
mod check;
mod client_files;
mod config_file_state;
mod control;
mod copies;
mod credentials;
mod data_error;
mod doors;
mod error;
mod foundations;
mod full_disk;
mod host_names;
mod identity_header;
mod in_process;
mod key_files;
mod listeners;
mod object_counts;
mod options;
mod outside;
mod ready;
mod ready_files;
mod reconcile;
mod request_log;
mod running;
mod server;
mod server_details;
mod services;
mod settings;
mod sockets;
mod storage;
mod takeover;
mod takeover_ca;
mod takeover_proxy;
mod tenant;
mod trust;
mod usage;
mod variables;
mod watch;
mod wget;

pub(crate) use crate::access::roles::Scope;
pub use crate::audit::AuditTarget;
pub use crate::http::tls::TlsVersion;
pub use crate::proxy::ParentProxy;
pub(crate) use crate::proxy::TrafficReport;
pub(crate) use crate::vault::{Kind, ObjectName};
pub use admin_key::AdminKey;
pub(crate) use ca::{CaCertificate, remove_cas};
pub(crate) use check::CheckReport;
pub use check::check;
pub(crate) use client_files::are_there as client_files_are_there;
pub(crate) use credentials::variable_of;
pub use error::StartError;
pub(crate) use object_counts::ObjectCounts;
pub use options::{Listen, Options};
pub use ready::ReadyFile;
pub use request_log::REQUEST_LOG;
pub use running::Running;
pub use storage::Storage;
pub use takeover::{CloudService, Takeover};
pub(crate) use takeover::{NO_VAULT_NAME, vault_of_host};
pub(crate) use trust::{CA_VARIABLES, TRUST_STORE_PASSWORD, ca_files_in, read_trust_store};
pub(crate) use usage::{data_plane_operations, not_granted};
pub use variables::Variables;

use foundations::Foundations;
use server::BuiltServer;

/// Starts a server. When this returns, every listener accepts connections.
///
/// # Errors
/// Why the server cannot start, in one line.
pub async fn start(options: Options) -> Result<Running, StartError> {
    Ok(build(options).await?.listen())
}

/// Builds a server that does not listen yet.
///
/// # Errors
/// Why the server cannot start, in one line.
pub(crate) async fn build(options: Options) -> Result<BuiltServer, StartError> {
    let foundations = Foundations::open(&options).await?;
    BuiltServer::build(foundations, options).await
}
