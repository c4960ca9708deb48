//! Which requests are audited: those of the data plane, sign-ins, and changes by a holder of the admin key.

use hyper::Method;

use super::Trail;

impl Trail {
    /// Whether the audit has a record of it.
    pub(crate) fn is_audited(&self) -> bool {
        match self.door {
            "vault" => true,
            // Tokens, not the documents and certificates that clients fetch besides.
            "entra" | "identity" => self.operation.is_some_and(|operation| operation.path.ends_with("/token")),
            "admin" => self.operation.is_some_and(|operation| operation.method != Method::GET),
            _ => false,
        }
    }
}
