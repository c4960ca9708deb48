//! The least set of built-in roles for some data actions.

use std::collections::BTreeSet;

use crate::access::roles::{BUILT_IN, DATA_ACTIONS, RoleDefinition, VAULTS};

/// The built-in roles that grant `actions` and as few others as can be: of all sets of roles the one that grants the fewest data
/// actions; of those that grant as few, the one with the fewest roles.
pub(super) fn least_roles(actions: &BTreeSet<&'static str>) -> Vec<&'static RoleDefinition> {
    let useful: Vec<_> = BUILT_IN.iter().filter(|role| actions.iter().any(|action| permits(role, action))).collect();
    let sets = (1u32..1 << useful.len()).map(|set| {
        let chosen = useful.iter().enumerate().filter(move |(index, _)| set & (1 << index) != 0);
        chosen.map(|(_, role)| *role).collect::<Vec<_>>()
    });
    let covering = sets.filter(|roles| actions.iter().all(|action| any_permits(roles, action)));
    covering.min_by_key(|roles| (granted(roles), roles.len())).unwrap_or_default()
}

/// Whether `role` grants the data action.
pub(super) fn permits(role: &RoleDefinition, action: &str) -> bool {
    role.permits.permit_data(&format!("{VAULTS}{action}"))
}

/// Whether one of `roles` grants the data action.
pub(super) fn any_permits(roles: &[&RoleDefinition], action: &str) -> bool {
    roles.iter().any(|role| permits(role, action))
}

fn granted(roles: &[&RoleDefinition]) -> usize {
    DATA_ACTIONS.iter().filter(|action| any_permits(roles, action)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_that_grant_least_are_chosen() {
        let chosen = |actions: &[&'static str]| {
            least_roles(&actions.iter().copied().collect()).iter().map(|role| role.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&["secrets/getSecret/action"]), ["Key Vault Secrets User"]);
        assert_eq!(
            chosen(&["keys/read", "keys/wrap/action", "keys/unwrap/action"]),
            ["Key Vault Crypto Service Encryption User"]
        );
        let two = chosen(&["keys/wrap/action", "secrets/getSecret/action"]);
        assert_eq!(two, ["Key Vault Crypto Service Encryption User", "Key Vault Secrets User"]);
        assert_eq!(chosen(&["secrets/setSecret/action", "secrets/getSecret/action"]), ["Key Vault Secrets Officer"]);
        assert_eq!(chosen(&["keys/sign/action", "keys/purge/action"]), ["Key Vault Crypto Officer"]);
        assert_eq!(chosen(&[]), [""; 0]);
    }
}
