//! The rules for data factories and linked services.

use serde_json::{Value, json};

use super::{non_compliant, selected, verdict};
use crate::compliance::facts::{Fact, Facts};
use crate::compliance::rules::Verdict;
use crate::compliance::tree::unknown;
use crate::compliance::{arm, check, server};

/// What a rule finds of facts.
fn of_facts(guid: &str, parameters: Value, facts: Facts) -> Verdict {
    let resource = crate::compliance::Resource { name: "x".to_owned(), pointer: None, is_azurerm: false, facts };
    verdict(&selected(guid, parameters), resource)
}

#[test]
fn factories_have_a_key_a_repository_and_no_public_access() {
    let of =
        |guid: &str, properties: Value| of_facts(guid, json!({}), Facts::Factory(Box::new(arm::factory(&properties))));
    let key = "4ec52d6d-beb7-40c4-9a9e-fe753254690e";
    assert_eq!(of(key, json!({"encryption": {"vaultBaseUrl": "https://v", "keyName": "k"}})), Verdict::Compliant);
    for none in [json!({}), json!({"encryption": {"keyName": "k"}}), json!({"encryption": {"vaultBaseUrl": ""}})] {
        assert_eq!(of(key, none.clone()), non_compliant("no customer-managed key encrypts it"), "{none}");
    }
    let git = "77d40665-3120-4348-b539-3192ec808307";
    assert_eq!(of(git, json!({"repoConfiguration": {"repositoryName": "r"}})), Verdict::Compliant);
    for none in [json!({}), json!({"repoConfiguration": {"repositoryName": ""}})] {
        assert_eq!(of(git, none.clone()), non_compliant("it has no repository"), "{none}");
    }
    let public = "1cf164be-6819-4a50-b8fa-4bcaa4f98fb6";
    assert_eq!(of(public, json!({"publicNetworkAccess": "disabled"})), Verdict::Compliant);
    assert_eq!(
        of(public, json!({"publicNetworkAccess": "Enabled"})),
        non_compliant("its public network access is Enabled")
    );
    assert_eq!(of(public, json!({})), non_compliant("its public network access is not set"));
    let link = "8b0323be-cc25-4b61-935d-002c3798c6ea";
    assert_eq!(of(link, json!({})), non_compliant("it has no approved private endpoint"));
    let mut linked = arm::factory(&json!({}));
    linked.private_endpoints = Fact::Known(1);
    assert_eq!(of_facts(link, json!({}), Facts::Factory(Box::new(linked))), Verdict::Compliant);
}

/// What a rule finds of a linked service of this type.
fn service(guid: &str, parameters: Value, kind: &str, own: Value) -> Verdict {
    let properties = json!({"type": kind, "typeProperties": own});
    of_facts(guid, parameters, Facts::LinkedService(Box::new(arm::linked_service(&properties))))
}

#[test]
fn linked_services_have_their_secrets_in_a_vault() {
    let of = |kind: &str, own: Value| service("127ef6d7-242f-43b3-9eef-947faf1725d0", json!({}), kind, own);
    let reference = json!({"type": "AzureKeyVaultSecret", "store": {"referenceName": "kv"}, "secretName": "s"});
    let secure = json!({"type": "SecureString", "value": "**********"});
    for (kind, own) in [
        ("AzureSqlDatabase", json!({"connectionString": "Server=s;Database=d"})),
        ("AzureSqlDatabase", json!({"connectionString": reference})),
        ("SqlServer", json!({"connectionString": "Server=s;User ID=u", "password": reference})),
        ("AzureBlobStorage", json!({"sasUri": reference, "servicePrincipalKey": reference, "accountKey": reference})),
        ("MongoDbV2", json!({"connectionString": reference})),
        ("AzureSearch", json!({"key": reference})),
        ("AzureBlobStorage", json!({"credential": {"type": "CredentialReference", "referenceName": "c"}})),
        ("AzureKeyVault", json!({"baseUrl": "https://v.vault.azure.net"})),
    ] {
        assert_eq!(of(kind, own.clone()), Verdict::Compliant, "{kind} {own}");
    }
    for (kind, own, what) in [
        (
            "AzureTableStorage",
            json!({"connectionString": "AccountName=a;AccountKey=x"}),
            "its connection string has AccountKey=",
        ),
        ("Odbc", json!({"connectionString": "Dsn=d;pwd=x"}), "its connection string has PWD="),
        ("SqlServer", json!({"connectionString": "Server=s;PASSWORD=x"}), "its connection string has Password="),
        ("Odbc", json!({"connectionString": "CredString=x"}), "its connection string has CredString="),
        (
            "SqlServer",
            json!({"connectionString": {"type": "SecureString", "value": "Password=x"}}),
            "its connection string has Password=",
        ),
        ("SqlServer", json!({"password": secure}), "its password is in the definition"),
        ("SqlServer", json!({"password": "x"}), "its password is in the definition"),
        ("AzureBlobFS", json!({"servicePrincipalKey": secure}), "its servicePrincipalKey is in the definition"),
        ("AzureBlobStorage", json!({"sasUri": "https://a"}), "its sasUri is in the definition"),
        ("CosmosDb", json!({"accountKey": secure}), "its accountKey is in the definition"),
        ("SqlServer", json!({"encryptedCredential": "x"}), "its encryptedCredential is in the definition"),
        ("AzureSearch", json!({"key": secure}), "its key is in the definition"),
        ("AzureDatabricks", json!({"accessToken": secure}), "its accessToken is in the definition"),
        ("Sftp", json!({"privateKeyContent": secure}), "its privateKeyContent is in the definition"),
        ("Sftp", json!({"passPhrase": secure}), "its passPhrase is in the definition"),
        ("Odbc", json!({"credential": secure}), "its credential is in the definition"),
        (
            "MongoDbAtlas",
            json!({"connectionString": "mongodb://h"}),
            "its connection string is no reference to a vault",
        ),
        ("MongoDbV2", json!({}), "it has no connection string"),
    ] {
        assert_eq!(of(kind, own.clone()), non_compliant(what), "{kind} {own}");
    }
    let odd = json!({"connectionString": unknown("so", "[x()]"), "password": secure});
    assert_eq!(of("SqlServer", odd), non_compliant("its password is in the definition"), "that is certain");
}

#[test]
fn linked_services_sign_in_by_the_factory_and_are_of_allowed_types() {
    let guid = "f78ccdb4-7bf4-4106-8647-270491d2978a";
    let of = |kind: &str, own: Value| service(guid, json!({}), kind, own);
    let reference = json!({"type": "AzureKeyVaultSecret"});
    for (kind, own) in [
        ("AzureSqlDatabase", json!({"connectionString": "Server=s;Database=d"})),
        ("AzureBlobStorage", json!({"serviceEndpoint": "https://a"})),
        ("SqlServer", json!({"connectionString": "Server=s;User ID=u", "accountKey": reference})),
    ] {
        assert_eq!(of(kind, own.clone()), Verdict::Compliant, "{kind} {own}");
    }
    for (kind, own, what) in [
        ("azuresqldatabase", json!({"connectionString": "Server=s;user id=u"}), "its connection string has User ID="),
        ("AzureBlobStorage", json!({"connectionString": "AccountKey=k"}), "its connection string has AccountKey="),
        ("AzureBlobStorage", json!({"sasUri": reference}), "it signs in by its sasUri"),
        ("AzureBlobStorage", json!({"accountKey": reference}), "it signs in by its accountKey"),
        ("AzureBlobFS", json!({"servicePrincipalKey": reference}), "it signs in by its servicePrincipalKey"),
        (
            "AzureBlobFS",
            json!({"servicePrincipalCredential": reference}),
            "it signs in by its servicePrincipalCredential",
        ),
        ("AzureDatabricks", json!({"accessToken": reference}), "it signs in by its accessToken"),
        ("AzureSqlMI", json!({"encryptedCredential": "x"}), "it signs in by its encryptedCredential"),
        ("AzureBlobStorage", json!({"credential": {"type": "CredentialReference"}}), "it signs in by its credential"),
    ] {
        assert_eq!(of(kind, own.clone()), non_compliant(what), "{kind} {own}");
    }
    let types = "6809a3d0-d354-42fb-b955-783d207c62a8";
    let only = json!({"allowedLinkedServiceResourceTypes": {"value": ["AzureKeyVault", "Odata"]}});
    assert_eq!(service(types, only.clone(), "OData", json!({})), Verdict::Compliant);
    assert_eq!(service(types, only, "SqlServer", json!({})), non_compliant("its type is SqlServer"));
}

#[test]
fn a_connection_string_without_encryption_in_transit_is_a_warning_and_no_finding() {
    let of = |kind: &str, connection: &str| {
        let properties = json!({"type": kind, "typeProperties": {"connectionString": connection}});
        let facts = Facts::LinkedService(Box::new(arm::linked_service(&properties)));
        let resource = crate::compliance::Resource { name: "x".to_owned(), pointer: None, is_azurerm: false, facts };
        check(vec![resource], &[]).pop().map(|one| (one.rule.id, one.verdict))
    };
    let warned = |what: &str| Some(("linked-service-in-transit", Verdict::Warned(what.to_owned())));
    let (https, sql) =
        ("its connection string does not ask for https", "its connection string does not ask for encryption");
    for (kind, connection, expected) in [
        ("AzureBlobStorage", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k", None),
        ("AzureBlobStorage", "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=k", warned(https)),
        ("AzureTableStorage", "AccountName=a;AccountKey=k", warned(https)),
        ("SqlServer", "Server=s;Encrypt=true", None),
        ("AzureSqlDatabase", "Server=s; encrypt = Strict", None),
        ("AzureSqlDatabase", "Server=s;Encrypt=false", warned(sql)),
        ("AzureSqlDW", "Server=s", warned(sql)),
        ("Odbc", "Dsn=d", None),
    ] {
        assert_eq!(of(kind, connection), expected, "{kind} {connection}");
    }
}

#[test]
fn a_factory_of_a_server_is_held_against_the_rules_with_its_linked_services() {
    let shown = json!({
        "name": "shop", "privateEndpoints": [{"name": "pe"}], "unreadableVaults": ["kv"],
        "properties": {"publicNetworkAccess": "Disabled", "encryption": {"vaultBaseUrl": "https://kv.vault.azure.net"}},
        "linkedServices": [{"name": "sql", "properties": {"type": "SqlServer", "typeProperties": {
            "connectionString": "Server=s;Encrypt=true", "encryptedCredential": "x"}}}],
    });
    let rules = crate::compliance::rules_with_defaults(crate::clock::Timestamp::from_unix(0));
    let found = check(server::factory(&shown), &rules);
    let said: Vec<_> = found.iter().map(|one| (one.rule.id, one.resource.name.as_str(), one.verdict.clone())).collect();
    let missing = "its linked services refer to secrets in kv, which its identity cannot read";
    let sql = "shop/linkedservices/sql";
    assert_eq!(
        said,
        [
            ("factory-customer-managed-key", "shop", Verdict::Compliant),
            ("factory-git", "shop", non_compliant("it has no repository")),
            ("factory-private-link", "shop", Verdict::Compliant),
            ("factory-public-access", "shop", Verdict::Compliant),
            ("factory-secrets-role", "shop", Verdict::Warned(missing.to_owned())),
            ("linked-service-secrets", sql, non_compliant("its encryptedCredential is in the definition")),
            ("linked-service-managed-identity", sql, Verdict::Compliant),
        ]
    );
    let away = json!({"name": "shop", "properties": {}, "unreadable": "so"});
    let found = check(server::factory(&away), &rules);
    assert_eq!(found.last().map(|one| one.verdict.clone()), Some(Verdict::Unknown("its key is away: so".to_owned())));
}
