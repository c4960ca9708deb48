//! Keyhaven: an Azure Key Vault that runs on your own machine.

pub mod clock;
pub mod crypto;
pub mod random;
pub mod store;
