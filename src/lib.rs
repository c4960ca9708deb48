//! Keyhaven: an Azure Key Vault that runs on your own machine.
//!
//! [`Server`] runs a whole server inside a test, as its [`Options`] and [`Config`] say. [`remote`] is a client of any vault, and
//! [`factory`] a program that depends on one. [`clock`] has the types of dates and periods.
//!
//! Everything else is private to the package. Its rooms, from the outside in (`ARCHITECTURE.md` walks through them,
//! `tests/architecture.rs` checks their imports): `cli` is the command line, `config` the configuration, `app` builds a server
//! of them. `doors` are its APIs over the kit in `http`; `proxy` brings the cloud's host names to the same doors. `vault` is
//! the domain, `tasks` runs what falls due in it, `events` notifies webhooks; `directory` has identities and tokens, `issuers`
//! the keys of other issuers, `access` decides, `authorization` keeps who has which role, `management` resource groups and factories,
//! `pipeline` says what their runs do, `activity` does it on every runtime. `records` are typed values in the
//! `store`. `trail` is what one request was about: `audit` writes it down, `usage` makes the least grants of it. `reconcile`
//! brings data to what a configuration says, `snapshot` carries all of it, `faults` has requests fail on purpose, `drills` play
//! rotations and revocations, `compliance` checks against Azure Policy. `crypto`, `operation`, `resource_id`, `random`, `files`,
//! `junit` and `outgoing` import hardly anything.

mod access;
mod activity;
mod addresses;
mod app;
mod audit;
mod authorization;
mod cli;
pub mod clock;
mod compliance;
mod config;
mod crypto;
mod directory;
mod doors;
mod drills;
mod embedded;
mod events;
pub mod factory;
mod faults;
mod files;
/// Entry points of the fuzz targets in `fuzz/`.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod issuers;
mod junit;
mod management;
mod node;
mod node_protocol;
mod operation;
mod outgoing;
mod pipeline;
mod proxy;
mod random;
mod reconcile;
mod records;
pub mod remote;
mod resource_id;
mod secret_json;
mod snapshot;
mod store;
mod tasks;
#[doc(hidden)]
pub mod testing;
mod trail;
mod usage;
mod vault;
mod web_task;

pub use app::{
    AdminKey, AuditTarget, CloudService, Listen, Options, ParentProxy, StartError, Storage, Takeover, TlsVersion,
    Variables,
};
#[doc(hidden)]
pub use cli::Cli;
pub use config::{Config, ConfigError, ConfigFile};
pub use crypto::backup_key::BackupKey;
pub use embedded::Server;
pub use events::RetryPolicy;
pub use store::MasterKey;
pub use tasks::{ClockChoice, ClockError, ClockReport};

/// The programs in the documents are run like every other example.
#[cfg(doctest)]
#[doc = include_str!("../docs/rust.md")]
struct Guide;
