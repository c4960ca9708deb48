//! The rules as one table.

use super::object::{
    content_type, curve, hsm, key_active, key_days_left, key_expiration, key_type, key_validity, rotation, rsa_size,
    secret_active, secret_days_left, secret_expiration, secret_validity,
};
use super::vault::{deletion_protection, firewall, private_link, public_access, resource_logs, roles, soft_delete};
use super::{Check, Rule};
use crate::compliance::arguments::{Parameter, Takes};

const KEY_TYPES: &[&str] = &["RSA", "RSA-HSM", "EC", "EC-HSM"];
const CURVES: &[&str] = &["P-256", "P-256K", "P-384", "P-521"];

const VALIDITY: &[Parameter] = &[days("maximumValidityInDays")];
const DAYS_LEFT: &[Parameter] = &[days("minimumDaysBeforeExpiration")];

const fn days(name: &'static str) -> Parameter {
    Parameter { name, takes: Takes::Number, default: None }
}

/// What everything that cannot be read and may hold vaults is reported by. It is no rule of Azure's.
pub(crate) static UNREAD: Rule = Rule {
    id: "not-read",
    guid: "",
    version: "",
    title: "What may hold vaults should be in the file",
    parameters: &[],
    remedy: "check its own file too",
    terraform: "check its own file too",
    check: Check::Unread,
};

/// Every rule.
pub(crate) static RULES: &[Rule] = &[
    Rule {
        id: "vault-soft-delete",
        guid: "1e66c121-a66a-4b1f-9b83-0fd99bf0fc2d",
        version: "3.1.0",
        title: "Key vaults should have soft delete enabled",
        parameters: &[],
        remedy: "set enableSoftDelete to true",
        terraform: "set enableSoftDelete to true",
        check: Check::Vault(soft_delete),
    },
    Rule {
        id: "vault-deletion-protection",
        guid: "0b60c0b2-2dc2-4e1c-b5c9-abbed971de53",
        version: "2.1.0",
        title: "Key vaults should have deletion protection enabled",
        parameters: &[],
        remedy: "set enableSoftDelete and enablePurgeProtection to true",
        terraform: "set purge_protection_enabled = true",
        check: Check::Vault(deletion_protection),
    },
    Rule {
        id: "vault-firewall",
        guid: "55615ac9-af46-4a59-874e-391cc3dfb490",
        version: "3.3.0",
        title: "Azure Key Vault should have firewall enabled or public network access disabled",
        parameters: &[
            Parameter { name: "restrictIPAddresses", takes: Takes::OneText(&["Yes", "No"]), default: Some("\"No\"") },
            Parameter { name: "allowedIPAddresses", takes: Takes::Ranges, default: Some("[]") },
            Parameter { name: "forbiddenIPAddresses", takes: Takes::Ranges, default: Some("[]") },
        ],
        remedy: "set networkAcls.defaultAction to Deny with the addresses that get in, or publicNetworkAccess to Disabled",
        terraform: "set network_acls { default_action = \"Deny\" } with the addresses that get in, or \
                    public_network_access_enabled = false",
        check: Check::Vault(firewall),
    },
    Rule {
        id: "vault-public-access",
        guid: "405c5871-3e91-4644-8a63-58e19d68ff5b",
        version: "1.1.0",
        title: "Azure Key Vault should disable public network access",
        parameters: &[],
        remedy: "set publicNetworkAccess to Disabled",
        terraform: "set public_network_access_enabled = false",
        check: Check::Vault(public_access),
    },
    Rule {
        id: "vault-private-link",
        guid: "a6abeaec-4d90-4a02-805f-6b26c4d3fbe9",
        version: "1.2.1",
        title: "Azure Key Vaults should use private link",
        parameters: &[],
        remedy: "add a private endpoint that leads to it",
        terraform: "add an azurerm_private_endpoint whose private_connection_resource_id is its id",
        check: Check::Vault(private_link),
    },
    Rule {
        id: "vault-roles",
        guid: "12d4fa5e-1f9f-4c21-97a9-b99b3c6611b5",
        version: "1.0.1",
        title: "Azure Key Vault should use RBAC permission model",
        parameters: &[],
        remedy: "set enableRbacAuthorization to true",
        terraform: "set rbac_authorization_enabled = true (enable_rbac_authorization in older versions)",
        check: Check::Vault(roles),
    },
    Rule {
        id: "vault-resource-logs",
        guid: "cf820ca0-f99e-4f3e-84fb-66e913812d21",
        version: "5.0.0",
        title: "Resource logs in Key Vault should be enabled",
        parameters: &[Parameter { name: "requiredRetentionDays", takes: Takes::Number, default: Some("\"365\"") }],
        remedy: "add diagnostic settings with an enabled log, kept in storage for {requiredRetentionDays} days at least",
        terraform: "add an azurerm_monitor_diagnostic_setting with an enabled_log whose target_resource_id is its id",
        check: Check::Vault(resource_logs),
    },
    Rule {
        id: "key-expiration",
        guid: "152b15f7-8e1f-4c1f-ab71-8c010ba5dbc0",
        version: "1.0.2",
        title: "Key Vault keys should have an expiration date",
        parameters: &[],
        remedy: "set attributes.exp",
        terraform: "set expiration_date",
        check: Check::Key(key_expiration),
    },
    Rule {
        id: "key-maximum-validity",
        guid: "49a22571-d204-4c91-a7b6-09b1a586fbc9",
        version: "1.0.1",
        title: "Keys should have the specified maximum validity period",
        parameters: VALIDITY,
        remedy: "set attributes.exp to {maximumValidityInDays} days after its creation at the latest",
        terraform: "set expiration_date to {maximumValidityInDays} days after its creation at the latest",
        check: Check::Key(key_validity),
    },
    Rule {
        id: "key-days-before-expiration",
        guid: "5ff38825-c5d8-47c5-b70e-069a21955146",
        version: "1.0.1",
        title: "Keys should have more than the specified number of days before expiration",
        parameters: DAYS_LEFT,
        remedy: "rotate it {minimumDaysBeforeExpiration} days before it expires, or set a later attributes.exp",
        terraform: "rotate it {minimumDaysBeforeExpiration} days before it expires, or set a later expiration_date",
        check: Check::Key(key_days_left),
    },
    Rule {
        id: "key-maximum-active",
        guid: "c26e4b24-cf98-4c67-b48b-5a25c4c69eb9",
        version: "1.0.1",
        title: "Keys should not be active for longer than the specified number of days",
        parameters: VALIDITY,
        remedy: "rotate it every {maximumValidityInDays} days",
        terraform: "rotate it every {maximumValidityInDays} days",
        check: Check::Key(key_active),
    },
    Rule {
        id: "key-type",
        guid: "75c4f823-d65c-4f29-a733-01d0077fdbcb",
        version: "1.0.1",
        title: "Keys should be the specified cryptographic type RSA or EC",
        parameters: &[Parameter {
            name: "allowedKeyTypes",
            takes: Takes::Texts(KEY_TYPES),
            default: Some(r#"["RSA","RSA-HSM","EC","EC-HSM"]"#),
        }],
        remedy: "set kty to one of {allowedKeyTypes}",
        terraform: "set key_type to one of {allowedKeyTypes}",
        check: Check::Key(key_type),
    },
    Rule {
        id: "key-hsm",
        guid: "587c79fe-dd04-4a5e-9d0b-f89598c7261b",
        version: "1.0.1",
        title: "Keys should be backed by a hardware security module (HSM)",
        parameters: &[],
        remedy: "set kty to RSA-HSM or EC-HSM, in a premium vault",
        terraform: "set key_type to RSA-HSM or EC-HSM, in a premium vault",
        check: Check::Key(hsm),
    },
    Rule {
        id: "key-rsa-size",
        guid: "82067dbb-e53b-4e06-b631-546d197452d9",
        version: "1.0.1",
        title: "Keys using RSA cryptography should have a specified minimum key size",
        parameters: &[Parameter {
            name: "minimumRSAKeySize",
            takes: Takes::OneNumber(&[2048, 3072, 4096]),
            default: None,
        }],
        remedy: "set keySize to {minimumRSAKeySize} or more",
        terraform: "set key_size to {minimumRSAKeySize} or more",
        check: Check::Key(rsa_size),
    },
    Rule {
        id: "key-curve",
        guid: "ff25f3c8-b739-4538-9d07-3d6d25cfb255",
        version: "1.0.1",
        title: "Keys using elliptic curve cryptography should have the specified curve names",
        parameters: &[Parameter {
            name: "allowedECNames",
            takes: Takes::Texts(CURVES),
            default: Some(r#"["P-256","P-256K","P-384","P-521"]"#),
        }],
        remedy: "set curveName to one of {allowedECNames}",
        terraform: "set curve to one of {allowedECNames}",
        check: Check::Key(curve),
    },
    Rule {
        id: "key-rotation",
        guid: "d8cf8476-a2ec-4916-896e-992351803c44",
        version: "1.0.0",
        title: "Keys should have a rotation policy ensuring that their rotation is scheduled within the specified number of \
                days after creation.",
        parameters: &[days("maximumDaysToRotate")],
        remedy: "set a rotation policy with timeAfterCreate P{maximumDaysToRotate}D or less",
        terraform: "set rotation_policy { automatic { time_after_creation = \"P{maximumDaysToRotate}D\" } } or less",
        check: Check::Key(rotation),
    },
    Rule {
        id: "secret-expiration",
        guid: "98728c90-32c7-4049-8429-847dc0f4fe37",
        version: "1.0.2",
        title: "Key Vault secrets should have an expiration date",
        parameters: &[],
        remedy: "set attributes.exp",
        terraform: "set expiration_date",
        check: Check::Secret(secret_expiration),
    },
    Rule {
        id: "secret-maximum-validity",
        guid: "342e8053-e12e-4c44-be01-c3c2f318400f",
        version: "1.0.1",
        title: "Secrets should have the specified maximum validity period",
        parameters: VALIDITY,
        remedy: "set attributes.exp to {maximumValidityInDays} days after its creation at the latest",
        terraform: "set expiration_date to {maximumValidityInDays} days after its creation at the latest",
        check: Check::Secret(secret_validity),
    },
    Rule {
        id: "secret-days-before-expiration",
        guid: "b0eb591a-5e70-4534-a8bf-04b9c489584a",
        version: "1.0.1",
        title: "Secrets should have more than the specified number of days before expiration",
        parameters: DAYS_LEFT,
        remedy: "replace it {minimumDaysBeforeExpiration} days before it expires, or set a later attributes.exp",
        terraform: "replace it {minimumDaysBeforeExpiration} days before it expires, or set a later expiration_date",
        check: Check::Secret(secret_days_left),
    },
    Rule {
        id: "secret-maximum-active",
        guid: "e8d99835-8a06-45ae-a8e0-87a91941ccfe",
        version: "1.0.1",
        title: "Secrets should not be active for longer than the specified number of days",
        parameters: VALIDITY,
        remedy: "replace it every {maximumValidityInDays} days",
        terraform: "replace it every {maximumValidityInDays} days",
        check: Check::Secret(secret_active),
    },
    Rule {
        id: "secret-content-type",
        guid: "75262d3e-ba4a-4f43-85f8-9f72c090e5e3",
        version: "1.0.1",
        title: "Secrets should have content type set",
        parameters: &[],
        remedy: "set contentType",
        terraform: "set content_type",
        check: Check::Secret(content_type),
    },
];
