//! Keyhaven: an Azure Key Vault that runs on your own machine.
//!
//! The rooms, from the outside in (`ARCHITECTURE.md` walks through them, `tests/architecture.rs` holds them apart):
//! [`cli`] reads the command line and [`config`] the configuration; [`app`] builds a server of them. [`doors`] are its
//! APIs, one folder each, over the kit in [`http`]; [`proxy`] brings cloud names to the same doors. [`vault`] is the
//! domain and [`directory`] the tenant with its identities and tokens, [`issuers`] fetches the keys of others that it
//! trusts ([`outgoing`] is how), [`events`] tells webhooks what happened; [`access`] decides. [`records`] are typed values
//! in the [`store`]; [`crypto`] does the cryptography. The [`trail`] of a request says what it was about and how it ended. [`operation`], [`clock`] and [`random`] are values that all know, and
//! [`files`] writes what lies on the disk.
//! [`remote`] is the other side: a vault as its clients see it, and [`factory`] a
//! program that depends on one.

pub mod access;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod directory;
pub mod doors;
pub mod drills;
pub mod embedded;
pub mod events;
pub mod factory;
pub mod faults;
pub mod files;
/// Entry points of the fuzz targets in `fuzz/`.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod issuers;
pub mod operation;
pub mod outgoing;
pub mod proxy;
pub mod random;
pub mod records;
pub mod remote;
pub mod resource_id;
pub mod snapshot;
pub mod store;
pub mod tasks;
#[doc(hidden)]
pub mod testing;
pub mod trail;
pub mod vault;

pub use app::{AdminKey, CloudService, Listen, Options, ParentProxy, StartError, Storage, Takeover, Variables};
pub use config::{Config, ConfigError};
pub use crypto::backup_key::BackupKey;
pub use embedded::Server;
pub use events::RetryPolicy;
pub use store::MasterKey;
pub use tasks::{ClockChoice, ClockError, ClockReport};

/// The programs in the documents are run like every other example.
#[cfg(doctest)]
#[doc = include_str!("../docs/rust.md")]
struct Guide;
