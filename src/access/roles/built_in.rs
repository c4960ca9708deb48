//! Azure's own roles for vaults, and the roles of the management plane as they concern vaults and factories. Ids, descriptions and
//! action lists are those of the public documentation (Azure built-in roles; Key Vault: Azure RBAC guide).

use super::definition::RoleDefinition;

/// Where the names of the vaults' data actions begin.
pub(crate) const VAULTS: &str = "Microsoft.KeyVault/vaults/";

/// What every role that manages objects may read of the management plane.
const READS: &[&str] = &[
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Support/*",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
];

/// Every built-in role, by name.
pub(crate) static BUILT_IN: [RoleDefinition; 19] = [
    RoleDefinition::built_in(
        0xb24988ac_6180_42a0_ab88_20f7382dd24c,
        "Contributor",
        "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.",
        [
            &["*"],
            &[
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
                "Microsoft.Blueprint/blueprintAssignments/write",
                "Microsoft.Blueprint/blueprintAssignments/delete",
                "Microsoft.Compute/galleries/share/action",
                "Microsoft.Purview/consents/write",
                "Microsoft.Purview/consents/delete",
                "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
            ],
            &[],
        ],
    ),
    RoleDefinition::built_in(
        0x673868aa_7521_48a0_acc6_0f60742d39f5,
        "Data Factory Contributor",
        "Create and manage data factories, as well as child resources within them.",
        [
            &[
                "Microsoft.Authorization/*/read",
                "Microsoft.DataFactory/dataFactories/*",
                "Microsoft.DataFactory/factories/*",
                "Microsoft.Insights/alertRules/*",
                "Microsoft.ResourceHealth/availabilityStatuses/read",
                "Microsoft.Resources/deployments/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Support/*",
                "Microsoft.EventGrid/eventSubscriptions/write",
            ],
            &[],
            &[],
        ],
    ),
    RoleDefinition::built_in(
        0x00482a5a_887f_4fb3_b363_3b7fe8e74483,
        "Key Vault Administrator",
        "Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and secrets. Cannot manage key vault resources or manage role assignments. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [READS, &[], &["Microsoft.KeyVault/vaults/*"]],
    ),
    RoleDefinition::built_in(
        0xdb79e9a7_68ee_4b58_9aeb_b90e7c24fcba,
        "Key Vault Certificate User",
        "Read entire certificate contents including secret and key portion. Only works for key vaults that use the Azure role-based access control permission model.",
        [
            &[],
            &[],
            &[
                "Microsoft.KeyVault/vaults/certificates/read",
                "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
                "Microsoft.KeyVault/vaults/keys/read",
            ],
        ],
    ),
    RoleDefinition::built_in(
        0xa4417e6f_fecd_4de8_b567_7b0420556985,
        "Key Vault Certificates Officer",
        "Perform any action on the certificates of a key vault, except manage permissions. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [
            READS,
            &[],
            &[
                "Microsoft.KeyVault/vaults/certificatecas/*",
                "Microsoft.KeyVault/vaults/certificates/*",
                "Microsoft.KeyVault/vaults/certificatecontacts/write",
            ],
        ],
    ),
    RoleDefinition::built_in(
        0xf25e0fa2_a7c8_4377_a976_54943a77a395,
        "Key Vault Contributor",
        "Lets you manage key vaults, but not access to them.",
        [
            &[
                "Microsoft.Authorization/*/read",
                "Microsoft.Insights/alertRules/*",
                "Microsoft.KeyVault/*",
                "Microsoft.Resources/deployments/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Support/*",
            ],
            &[
                "Microsoft.KeyVault/locations/deletedVaults/purge/action",
                "Microsoft.KeyVault/hsmPools/*",
                "Microsoft.KeyVault/managedHsms/*",
            ],
            &[],
        ],
    ),
    RoleDefinition::built_in(
        0x14b46e9e_c2b7_41b4_b07b_48a6ebf60603,
        "Key Vault Crypto Officer",
        "Perform any action on the keys of a key vault, except manage permissions. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [READS, &[], &["Microsoft.KeyVault/vaults/keys/*", "Microsoft.KeyVault/vaults/keyrotationpolicies/*"]],
    ),
    RoleDefinition::built_in(
        0xe147488a_f6f5_4113_8e2d_b22465e65bf6,
        "Key Vault Crypto Service Encryption User",
        "Read metadata of keys and perform wrap/unwrap operations. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [
            &[
                "Microsoft.EventGrid/eventSubscriptions/write",
                "Microsoft.EventGrid/eventSubscriptions/read",
                "Microsoft.EventGrid/eventSubscriptions/delete",
            ],
            &[],
            &[
                "Microsoft.KeyVault/vaults/keys/read",
                "Microsoft.KeyVault/vaults/keys/wrap/action",
                "Microsoft.KeyVault/vaults/keys/unwrap/action",
            ],
        ],
    ),
    RoleDefinition::built_in(
        0x08bbd89e_9f13_488c_ac41_acfcb10c90ab,
        "Key Vault Crypto Service Release User",
        "Release keys. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [&[], &[], &["Microsoft.KeyVault/vaults/keys/release/action"]],
    ),
    RoleDefinition::built_in(
        0x12338af0_0e69_4776_bea7_57ae8d297424,
        "Key Vault Crypto User",
        "Perform cryptographic operations using keys. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [
            &[],
            &[],
            &[
                "Microsoft.KeyVault/vaults/keys/read",
                "Microsoft.KeyVault/vaults/keys/update/action",
                "Microsoft.KeyVault/vaults/keys/backup/action",
                "Microsoft.KeyVault/vaults/keys/encrypt/action",
                "Microsoft.KeyVault/vaults/keys/decrypt/action",
                "Microsoft.KeyVault/vaults/keys/wrap/action",
                "Microsoft.KeyVault/vaults/keys/unwrap/action",
                "Microsoft.KeyVault/vaults/keys/sign/action",
                "Microsoft.KeyVault/vaults/keys/verify/action",
            ],
        ],
    ),
    RoleDefinition::built_in(
        0x8b54135c_b56d_4d72_a534_26097cfdc8d8,
        "Key Vault Data Access Administrator",
        "Manage access to Azure Key Vault by adding or removing role assignments for the Key Vault Administrator, Key Vault Certificates Officer, Key Vault Crypto Officer, Key Vault Crypto Service Encryption User, Key Vault Crypto User, Key Vault Reader, Key Vault Secrets Officer, or Key Vault Secrets User roles. Includes an ABAC condition to constrain role assignments.",
        [
            &[
                "Microsoft.Authorization/roleAssignments/write",
                "Microsoft.Authorization/roleAssignments/delete",
                "Microsoft.Authorization/*/read",
                "Microsoft.Resources/deployments/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Resources/subscriptions/read",
                "Microsoft.Management/managementGroups/read",
                "Microsoft.Support/*",
                "Microsoft.KeyVault/vaults/*/read",
            ],
            &[],
            &[],
        ],
    ),
    RoleDefinition::built_in(
        0xa68e7c17_0ab2_4c09_9a58_125dae29748c,
        "Key Vault Purge Operator",
        "Allows permanent deletion of soft-deleted vaults.",
        [&["Microsoft.KeyVault/locations/deletedVaults/purge/action"], &[], &[]],
    ),
    RoleDefinition::built_in(
        0x21090545_7ca7_4776_b22c_e363652d74d2,
        "Key Vault Reader",
        "Read metadata of key vaults and its certificates, keys, and secrets. Cannot read sensitive values such as secret contents or key material. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [READS, &[], &["Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"]],
    ),
    RoleDefinition::built_in(
        0xb86a8fe4_44ce_4948_aee5_eccb2c155cd7,
        "Key Vault Secrets Officer",
        "Perform any action on the secrets of a key vault, except manage permissions. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [READS, &[], &["Microsoft.KeyVault/vaults/secrets/*"]],
    ),
    RoleDefinition::built_in(
        0x4633458b_17de_408a_b874_0445c86b69e6,
        "Key Vault Secrets User",
        "Read secret contents. Only works for key vaults that use the 'Azure role-based access control' permission model.",
        [
            &[],
            &[],
            &[
                "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            ],
        ],
    ),
    RoleDefinition::built_in(
        0x8e3af657_a8ff_443c_a75c_2fe8c4bcb635,
        "Owner",
        "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
        [&["*"], &[], &[]],
    ),
    RoleDefinition::built_in(
        0xacdd72a7_3385_48ef_bd42_f606fba81ae7,
        "Reader",
        "View all resources, but does not allow you to make any changes.",
        [&["*/read"], &[], &[]],
    ),
    RoleDefinition::built_in(
        0xf58310d9_a9f6_439a_9e8d_f62e7b41a168,
        "Role Based Access Control Administrator",
        "Manage access to Azure resources by assigning roles using Azure RBAC. This role does not allow you to manage access using other ways, such as Azure Policy.",
        [
            &[
                "Microsoft.Authorization/roleAssignments/write",
                "Microsoft.Authorization/roleAssignments/delete",
                "*/read",
                "Microsoft.Support/*",
            ],
            &[],
            &[],
        ],
    ),
    RoleDefinition::built_in(
        0x18d7d88d_d35e_4fb5_a5c3_7773c20a72d9,
        "User Access Administrator",
        "Lets you manage user access to Azure resources.",
        [&["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"], &[], &[]],
    ),
];

/// The data actions of keys, secrets and certificates below [`VAULTS`] (Azure permissions for security).
pub(crate) const DATA_ACTIONS: &[&str] = &[
    "certificatecas/delete",
    "certificatecas/read",
    "certificatecas/write",
    "certificatecontacts/write",
    "certificates/delete",
    "certificates/read",
    "certificates/backup/action",
    "certificates/purge/action",
    "certificates/update/action",
    "certificates/create/action",
    "certificates/import/action",
    "certificates/recover/action",
    "certificates/restore/action",
    "keyrotationpolicies/read",
    "keyrotationpolicies/write",
    "keys/read",
    "keys/update/action",
    "keys/create/action",
    "keys/import/action",
    "keys/recover/action",
    "keys/restore/action",
    "keys/delete",
    "keys/backup/action",
    "keys/purge/action",
    "keys/encrypt/action",
    "keys/decrypt/action",
    "keys/wrap/action",
    "keys/unwrap/action",
    "keys/sign/action",
    "keys/verify/action",
    "keys/release/action",
    "keys/rotate/action",
    "secrets/delete",
    "secrets/backup/action",
    "secrets/purge/action",
    "secrets/update/action",
    "secrets/recover/action",
    "secrets/restore/action",
    "secrets/readMetadata/action",
    "secrets/getSecret/action",
    "secrets/setSecret/action",
];

/// The built-in role with the fewest data actions among those that permit `data_action` (its name below [`VAULTS`]).
pub(crate) fn smallest_role(data_action: &str) -> Option<&'static RoleDefinition> {
    let permits = |role: &RoleDefinition, action: &str| role.permits.permit_data(&format!("{VAULTS}{action}"));
    let size = |role: &RoleDefinition| DATA_ACTIONS.iter().filter(|action| permits(role, action)).count();
    BUILT_IN.iter().filter(|role| permits(role, data_action)).min_by_key(|role| size(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_role_that_permits_an_action_is_found() {
        for (action, expected) in [
            ("keys/wrap/action", "Key Vault Crypto Service Encryption User"),
            ("keys/read", "Key Vault Crypto Service Encryption User"),
            ("keys/sign/action", "Key Vault Crypto User"),
            ("keys/create/action", "Key Vault Crypto Officer"),
            ("keyrotationpolicies/write", "Key Vault Crypto Officer"),
            ("keys/release/action", "Key Vault Crypto Service Release User"),
            ("secrets/getSecret/action", "Key Vault Secrets User"),
            ("secrets/readMetadata/action", "Key Vault Secrets User"),
            ("secrets/setSecret/action", "Key Vault Secrets Officer"),
            ("certificates/read", "Key Vault Certificate User"),
            ("certificates/import/action", "Key Vault Certificates Officer"),
        ] {
            assert_eq!(smallest_role(action).map(|role| &*role.name), Some(expected), "{action}");
        }
        assert_eq!(
            smallest_role("storageaccounts/set/action").map(|role| &*role.name),
            Some("Key Vault Administrator")
        );
        assert_eq!(smallest_role("../x"), BUILT_IN.iter().find(|role| role.name == "Key Vault Administrator"));
    }

    #[test]
    fn roles_of_the_management_plane_permit_nothing_in_a_vault() {
        let names = [
            "Owner",
            "Contributor",
            "Reader",
            "User Access Administrator",
            "Role Based Access Control Administrator",
            "Key Vault Contributor",
            "Key Vault Data Access Administrator",
            "Key Vault Purge Operator",
            "Data Factory Contributor",
        ];
        for name in names {
            let role = BUILT_IN.iter().find(|role| role.name == name).unwrap();
            assert!(
                DATA_ACTIONS.iter().all(|action| !role.permits.permit_data(&format!("{VAULTS}{action}"))),
                "{name}"
            );
        }
    }

    #[test]
    fn ids_and_names_are_unique() {
        let unique = |keys: Vec<String>| keys.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(BUILT_IN.len(), 19);
        assert_eq!(unique(BUILT_IN.iter().map(|role| role.id.to_string()).collect()), 19);
        assert_eq!(unique(BUILT_IN.iter().map(|role| role.name.to_lowercase()).collect()), 19);
    }
}
