//! One folder, or file, for each API. Doors never import each other.

pub mod admin;
pub mod arm;
pub mod entra;
pub mod identity;
pub mod vault;
