//! May this identity do this operation? Pure decisions over values; knows no store, no HTTP and no time.

mod identity;
pub(crate) mod network;
mod policy;
pub(crate) mod roles;

pub(crate) use identity::Identity;
pub(crate) use policy::{AccessPolicy, Permissions, UnknownPermission};

use crate::operation::Permission;

/// The outcome of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The operation may run.
    Allowed,
    /// The operation may not run: this permission is missing.
    Missing(Permission),
}

/// Decides by access policies: any entry that is the caller's and grants the permission allows.
pub(crate) fn decide(policies: &[AccessPolicy], who: &Identity, permission: Permission) -> Decision {
    match permission {
        Permission::Open | Permission::SignedIn => Decision::Allowed,
        // No vault grants it.
        Permission::Admin | Permission::Management(_) => Decision::Missing(permission),
        Permission::Vault { collection, policy, .. } => {
            let granted =
                policies.iter().any(|entry| entry.applies_to(who) && entry.permissions.grants(collection, policy));
            if granted { Decision::Allowed } else { Decision::Missing(permission) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const WRAP: Permission = Permission::keys("wrapKey", "keys/wrap/action");
    const PURGE: Permission = Permission::keys("purge", "keys/purge/action");

    fn caller() -> Identity {
        let [tenant, object_id, app_id] = [1, 2, 3].map(Uuid::from_u128);
        Identity { tenant, object_id, app_id, groups: vec![] }
    }

    fn entry(keys: &[&str]) -> AccessPolicy {
        let permissions = Permissions::parse(keys, &[], &[]).unwrap();
        AccessPolicy { tenant_id: Uuid::from_u128(1), object_id: Uuid::from_u128(2), application_id: None, permissions }
    }

    #[test]
    fn a_named_permission_allows_whatever_its_case() {
        assert_eq!(decide(&[entry(&["WRAPKEY"])], &caller(), WRAP), Decision::Allowed);
        assert_eq!(decide(&[entry(&["unwrapKey"])], &caller(), WRAP), Decision::Missing(WRAP));
    }

    #[test]
    fn a_grant_on_keys_is_none_on_secrets() {
        let secrets = Permission::secrets("get", "secrets/getSecret/action");
        assert_eq!(decide(&[entry(&["get"])], &caller(), secrets), Decision::Missing(secrets));
    }

    #[test]
    fn all_grants_everything_but_purge() {
        assert_eq!(decide(&[entry(&["all"])], &caller(), WRAP), Decision::Allowed);
        assert_eq!(decide(&[entry(&["all"])], &caller(), PURGE), Decision::Missing(PURGE));
        assert_eq!(decide(&[entry(&["all", "purge"])], &caller(), PURGE), Decision::Allowed);
    }

    #[test]
    fn an_entry_of_another_object_or_tenant_does_not_count() {
        let stranger = Identity { object_id: Uuid::from_u128(9), ..caller() };
        let foreigner = Identity { tenant: Uuid::from_u128(9), ..caller() };
        assert_eq!(decide(&[entry(&["wrapKey"])], &stranger, WRAP), Decision::Missing(WRAP));
        assert_eq!(decide(&[entry(&["wrapKey"])], &foreigner, WRAP), Decision::Missing(WRAP));
    }

    #[test]
    fn an_entry_of_a_group_is_its_members() {
        let member = Identity { object_id: Uuid::from_u128(9), groups: vec![Uuid::from_u128(2)], ..caller() };
        assert_eq!(decide(&[entry(&["wrapKey"])], &member, WRAP), Decision::Allowed);
        let other = Identity { groups: vec![Uuid::from_u128(8)], ..member };
        assert_eq!(decide(&[entry(&["wrapKey"])], &other, WRAP), Decision::Missing(WRAP));
    }

    #[test]
    fn an_entry_with_an_application_counts_only_through_it() {
        let through = |app| AccessPolicy { application_id: Some(Uuid::from_u128(app)), ..entry(&["wrapKey"]) };
        assert_eq!(decide(&[through(3)], &caller(), WRAP), Decision::Allowed);
        assert_eq!(decide(&[through(4)], &caller(), WRAP), Decision::Missing(WRAP));
    }
}
