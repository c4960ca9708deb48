//! The official SDK for Rust against Keyhaven, inside `keyhaven run`: no client here is given an option that a
//! production client would not have. `tests/sdk/run rust` runs the suite twice, with the variables of App Service and
//! without them, where only the metadata address is left.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod keys;
mod production;
mod secrets;
mod sign_in;
