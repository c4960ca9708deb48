//! An operation as a value: its name in logs, its request line, the permission it needs. The router, access control
//! and the documentation all read the same value; no handler exists without one.

use std::fmt;

use hyper::Method;

/// One operation of an API.
#[derive(Debug)]
pub struct Operation {
    /// The name in the request log; for the data plane, the one in the service's audit log: `KeyWrap`.
    pub name: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path; `{name}` matches one segment, `{version?}` for one that may be empty or absent.
    pub path: &'static str,
    /// What the caller must have been granted.
    pub permission: Permission,
}

impl Operation {
    /// An operation that anybody may ask for.
    pub const fn open(name: &'static str, method: Method, path: &'static str) -> Self {
        Self { name, method, path, permission: Permission::Open }
    }

    /// An operation of the management plane for those whose roles permit `action`.
    pub const fn management(name: &'static str, method: Method, path: &'static str, action: &'static str) -> Self {
        Self { name, method, path, permission: Permission::Management(action) }
    }

    /// An operation for any identity that has signed in.
    pub const fn signed_in(name: &'static str, method: Method, path: &'static str) -> Self {
        Self { name, method, path, permission: Permission::SignedIn }
    }
}

/// What an operation asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Anybody may ask: discovery documents, health, tokens (which check the caller by other means).
    Open,
    /// Any identity that has signed in.
    SignedIn,
    /// The admin key.
    Admin,
    /// A role that permits this action of the management plane, for example `Microsoft.DataFactory/factories/read`.
    Management(&'static str),
    /// A grant on a vault, in both of Azure's vocabularies.
    Vault {
        /// The collection: `keys`, `secrets` or `certificates`.
        collection: &'static str,
        /// The access-policy permission, for example `wrapKey`.
        policy: &'static str,
        /// The RBAC data action below `Microsoft.KeyVault/vaults/`, for example `keys/wrap/action`.
        data_action: &'static str,
    },
}

impl Permission {
    /// A permission on keys.
    pub const fn keys(policy: &'static str, data_action: &'static str) -> Self {
        Self::Vault { collection: "keys", policy, data_action }
    }

    /// A permission on secrets.
    pub const fn secrets(policy: &'static str, data_action: &'static str) -> Self {
        Self::Vault { collection: "secrets", policy, data_action }
    }

    /// A permission on certificates.
    pub const fn certificates(policy: &'static str, data_action: &'static str) -> Self {
        Self::Vault { collection: "certificates", policy, data_action }
    }
}

impl fmt::Display for Permission {
    /// `keys/wrapKey`: what a person adds to a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::SignedIn => f.write_str("signed in"),
            Self::Admin => f.write_str("admin key"),
            Self::Management(action) => f.write_str(action),
            Self::Vault { collection, policy, .. } => write!(f, "{collection}/{policy}"),
        }
    }
}
