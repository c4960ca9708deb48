//! Exchanges with a whole server over real HTTPS: a request, then exactly what is answered. Clock and ids are seeded,
//! so nothing is redacted but key material.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(unreachable_pub, reason = "the audit asks all of them too")]
mod access;
mod admin;
mod apply;
mod arm;
mod audit;
mod backup;
#[expect(unreachable_pub, reason = "other files use it")]
mod base64url;
#[expect(unreachable_pub, reason = "the tests' own toolbox")]
mod blocking;
mod bodies;
mod challenge;
mod check;
#[expect(unreachable_pub, reason = "other files run the command too")]
mod cli;
mod clock;
mod commands;
mod configuration;
mod connections;
mod copies;
mod create;
mod deletion;
mod drills;
mod durability;
mod embedded;
mod entra;
mod errors;
mod events;
mod factory;
mod faults;
mod formats;
mod full_disk;
mod golden;
mod identity;
mod import;
mod key_files;
mod least_access;
mod leftovers;
mod lifecycle;
mod limits;
mod lists;
mod members;
mod network;
mod on_demand;
mod operate;
mod panics;
mod paths;
mod private;
mod release;
mod remote;
mod request_log;
mod requests;
mod roles;
mod rotation;
mod secrecy;
mod secrets;
mod sessions;
mod set_back;
mod snapshot;
mod stop;
mod takeover;
mod tenant;
mod tls;
mod transfer;
mod types;
mod update;
mod versions;
#[expect(unreachable_pub, reason = "the tests' own toolbox")]
mod world;
