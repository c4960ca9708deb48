//! The groups of options in `--help`.

/// What the server keeps, and who uses it.
pub(super) const VAULTS: &str = "Vaults and identities";
/// Where the server listens.
pub(super) const ADDRESSES: &str = "Addresses and trust";
/// What the proxy does.
pub(super) const TAKEOVER: &str = "Takeover";
/// The vault clock.
pub(super) const TIME: &str = "Time";
/// The log.
pub(super) const LOG: &str = "Log";
/// The running server that a command works on.
pub(super) const TARGET: &str = "Which server";
