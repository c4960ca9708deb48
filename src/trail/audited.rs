//! Which requests are audited: those of the data plane, sign-ins, and what a holder of the admin key changes or reads of objects.
//! Besides, what vaults do by their clock.

use hyper::Method;

use super::{CLOCK, Trail};
use crate::operation::Operation;

impl Trail {
    /// Whether the audit has a record of it.
    pub(crate) fn is_audited(&self) -> bool {
        match self.door {
            "vault" | CLOCK => true,
            // Tokens, not the documents and certificates that clients fetch besides.
            "entra" | "identity" => self.operation.is_some_and(|operation| operation.path.ends_with("/token")),
            "admin" => self.operation.is_some_and(is_audited_of_admin),
            _ => false,
        }
    }
}

/// Whether it changes something, or reads what a vault holds.
fn is_audited_of_admin(operation: &Operation) -> bool {
    operation.method != Method::GET || operation.path.starts_with("/admin/vaults/{name}/")
}
