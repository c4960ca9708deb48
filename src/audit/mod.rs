//! The audit: a record for each request of the data plane, each sign-in, each change by a holder of the admin key, and what vaults
//! do by their clock, in the schema of Azure Monitor's AuditEvent logs. It is made of trails, so it holds no value and no token.

mod file;
mod filter;
mod follower;
mod record;

pub(crate) use file::AuditFile;
pub use file::AuditTarget;
pub(crate) use filter::Filter;
pub(crate) use follower::{Follower, Sink};
pub(crate) use record::{Record, Schema};
