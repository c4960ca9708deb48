//! One folder, or file, for each API. Doors never import each other.

pub(crate) mod admin;
pub(crate) mod arm;
pub(crate) mod entra;
pub(crate) mod identity;
pub(crate) mod nodes;
pub(crate) mod vault;
