//! Access policies: per principal, the permission names that were granted.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Identity;

/// One entry of a vault's access policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessPolicy {
    /// The tenant of the principal.
    pub tenant_id: Uuid,
    /// The principal.
    pub object_id: Uuid,
    /// When given, the entry counts only for calls made through this application (a compound identity).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<Uuid>,
    /// What is granted.
    pub permissions: Permissions,
}

impl AccessPolicy {
    /// Whether it grants anything to the identity with this principal id, or to one of its groups.
    pub(crate) fn lets_in(&self, object_id: Uuid, groups: &[Uuid]) -> bool {
        let is_theirs = self.object_id == object_id || groups.contains(&self.object_id);
        is_theirs && !self.permissions.is_empty()
    }

    /// Whether this entry applies to `who`.
    pub(crate) fn applies_to(&self, who: &Identity) -> bool {
        self.tenant_id == who.tenant
            && (self.object_id == who.object_id || who.groups.contains(&self.object_id))
            && self.application_id.is_none_or(|application| application == who.app_id)
    }
}

/// Permission names per collection, spelled as the service spells them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Permissions {
    keys: Vec<String>,
    secrets: Vec<String>,
    certificates: Vec<String>,
}

impl Permissions {
    /// Takes names in any case and spells them as the service does.
    ///
    /// # Errors
    /// The first name that the service does not know.
    pub(crate) fn parse<N: AsRef<str>>(
        keys: &[N],
        secrets: &[N],
        certificates: &[N],
    ) -> Result<Self, UnknownPermission> {
        Ok(Self {
            keys: spelled("keys", KEYS, keys)?,
            secrets: spelled("secrets", SECRETS, secrets)?,
            certificates: spelled("certificates", CERTIFICATES, certificates)?,
        })
    }

    /// Every permission there is.
    pub(crate) fn everything() -> Self {
        let every = || vec!["all".to_owned(), "purge".to_owned()];
        Self { keys: every(), secrets: every(), certificates: every() }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.secrets.is_empty() && self.certificates.is_empty()
    }

    /// Whether `name` is granted on `collection`. `all` grants every name but `purge`, which must be granted by name
    /// (as the service's own clients document it).
    pub(crate) fn grants(&self, collection: &str, name: &str) -> bool {
        let granted = match collection {
            "keys" => &self.keys,
            "secrets" => &self.secrets,
            "certificates" => &self.certificates,
            _ => return false,
        };
        granted.iter().any(|one| one.eq_ignore_ascii_case(name) || (one == "all" && name != "purge"))
    }
}

/// A permission name that the service does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownPermission {
    /// The collection, for example `keys`.
    pub collection: &'static str,
    /// The name that was given.
    pub name: String,
}

impl UnknownPermission {
    /// The names that the collection has.
    pub(crate) fn known(&self) -> &'static [&'static str] {
        match self.collection {
            "keys" => KEYS,
            "secrets" => SECRETS,
            _ => CERTIFICATES,
        }
    }
}

impl fmt::Display for UnknownPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "permissions.{}: unknown permission '{}'", self.collection, self.name)
    }
}

impl std::error::Error for UnknownPermission {}

fn spelled<N: AsRef<str>>(
    collection: &'static str,
    known: &[&str],
    names: &[N],
) -> Result<Vec<String>, UnknownPermission> {
    let spell = |name: &N| known.iter().find(|known| known.eq_ignore_ascii_case(name.as_ref()));
    names
        .iter()
        .map(|name| {
            spell(name)
                .map(ToString::to_string)
                .ok_or_else(|| UnknownPermission { collection, name: name.as_ref().to_owned() })
        })
        .collect()
}

const KEYS: &[&str] = &[
    "all",
    "encrypt",
    "decrypt",
    "wrapKey",
    "unwrapKey",
    "sign",
    "verify",
    "get",
    "list",
    "create",
    "update",
    "import",
    "delete",
    "backup",
    "restore",
    "recover",
    "purge",
    "release",
    "rotate",
    "getrotationpolicy",
    "setrotationpolicy",
];
const SECRETS: &[&str] = &["all", "get", "list", "set", "delete", "backup", "restore", "recover", "purge"];
const CERTIFICATES: &[&str] = &[
    "all",
    "get",
    "list",
    "delete",
    "create",
    "import",
    "update",
    "managecontacts",
    "getissuers",
    "listissuers",
    "setissuers",
    "deleteissuers",
    "manageissuers",
    "recover",
    "purge",
    "backup",
    "restore",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_the_service_spells_them() {
        let permissions = Permissions::parse(&["WRAPKEY", "Get"], &[], &[]).unwrap();
        assert_eq!(permissions.keys, ["wrapKey", "get"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_its_place() {
        let refused = Permissions::parse(&[], &["wrapKey"], &[]).unwrap_err();
        assert_eq!(refused.to_string(), "permissions.secrets: unknown permission 'wrapKey'");
    }
}
