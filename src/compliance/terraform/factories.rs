//! Facts of linked services of azurerm, from the attributes that its resources have (their schemas, azurerm 4 and 5).

use serde_json::Value;

use super::super::connection_string::without_secrets;
use super::super::facts::{Fact, Given, LinkedServiceFacts};
use super::super::tree::at;

/// How the types of azurerm for factories and what is in them begin.
pub(crate) const OF_FACTORIES: &str = "azurerm_data_factory";
/// How those of linked services begin.
pub(crate) const LINKED_SERVICE: &str = "azurerm_data_factory_linked_service_";
/// The attributes with connection strings.
pub(crate) const CONNECTION_STRINGS: [&str; 2] = ["connection_string", "connection_string_insecure"];
/// The block with a user and a password.
pub(crate) const BLOCK: &str = "basic_authentication";
/// The attributes with a credential of their own.
pub(crate) const CREDENTIALS: [&str; 10] = [
    "password",
    "service_principal_key",
    "search_service_key",
    "sas_uri",
    "account_key",
    "storage_account_key",
    "access_token",
    "private_key_content_base64",
    "private_key_passphrase",
    "key",
];

/// The linked services by the end of their types, with the names that the service has for them.
const KINDS: [(&str, &str); 22] = [
    ("azure_blob_storage", "AzureBlobStorage"),
    ("azure_databricks", "AzureDatabricks"),
    ("azure_file_storage", "AzureFileStorage"),
    ("azure_function", "AzureFunction"),
    ("azure_search", "AzureSearch"),
    ("azure_sql_database", "AzureSqlDatabase"),
    ("azure_table_storage", "AzureTableStorage"),
    ("cosmosdb", "CosmosDb"),
    ("cosmosdb_mongoapi", "CosmosDbMongoDbApi"),
    ("data_lake_storage_gen2", "AzureBlobFS"),
    ("key_vault", "AzureKeyVault"),
    ("kusto", "AzureDataExplorer"),
    ("mysql", "MySql"),
    ("odata", "OData"),
    ("odbc", "Odbc"),
    ("postgresql", "PostgreSql"),
    ("sftp", "Sftp"),
    ("snowflake", "Snowflake"),
    ("sql_managed_instance", "AzureSqlMI"),
    ("sql_server", "SqlServer"),
    ("synapse", "AzureSqlDW"),
    ("web", "Web"),
];
const SECURE_STRING: &str = "SecureString";
const REFERENCE: &str = "AzureKeyVaultSecret";
/// The block with a reference to a connection string.
const BY_REFERENCE: &str = "key_vault_connection_string";

/// What azurerm makes of an attribute.
struct Made {
    /// Where the attribute is.
    path: &'static [&'static str],
    /// The member of the definition.
    member: &'static str,
    /// The type of its value.
    kind: &'static str,
}

const fn made(path: &'static [&'static str], member: &'static str, kind: &'static str) -> Made {
    Made { path, member, kind }
}

static MADE_OF: [Made; 18] = [
    made(&["password"], "password", SECURE_STRING),
    made(&[BLOCK, "0", "password"], "password", SECURE_STRING),
    made(&["key_vault_password", "0"], "password", REFERENCE),
    made(&["service_principal_key"], "servicePrincipalKey", SECURE_STRING),
    made(&["service_principal_linked_key_vault_key", "0"], "servicePrincipalKey", REFERENCE),
    made(&["search_service_key"], "key", SECURE_STRING),
    made(&["key"], "functionKey", SECURE_STRING),
    made(&["key_vault_key", "0"], "functionKey", REFERENCE),
    made(&["sas_uri"], "sasUri", SECURE_STRING),
    made(&["sas_token_linked_key_vault_key", "0"], "sasToken", REFERENCE),
    made(&["account_key"], "accountKey", SECURE_STRING),
    made(&["storage_account_key"], "accountKey", SECURE_STRING),
    made(&["access_token"], "accessToken", SECURE_STRING),
    made(&["private_key_content_base64"], "privateKeyContent", SECURE_STRING),
    made(&["key_vault_private_key_content_base64", "0"], "privateKeyContent", REFERENCE),
    made(&["private_key_passphrase"], "passPhrase", SECURE_STRING),
    made(&["key_vault_private_key_passphrase", "0"], "passPhrase", REFERENCE),
    made(&["credential_name"], "credential", "CredentialReference"),
];

/// Facts of a linked service of this type of azurerm; none where it is of no such type.
pub(crate) fn linked_service(resource_type: &str, values: &Value) -> Option<LinkedServiceFacts> {
    let end = resource_type.strip_prefix(LINKED_SERVICE)?;
    let known = KINDS.iter().find(|(name, _)| *name == end);
    let none = || Fact::Unknown(format!("{resource_type} is not known here"));
    let kind = known.map_or_else(none, |(_, kind)| Fact::Known((*kind).to_owned()));
    let credentials: Vec<_> = MADE_OF.iter().map(|made| made.credential(end, values)).collect();
    let refers_to_secrets = refers(&credentials);
    Some(LinkedServiceFacts { kind, connection: connection(values), credentials, refers_to_secrets })
}

/// Whether one of the credentials is a reference.
fn refers(credentials: &[(&'static str, Fact<Given>)]) -> Fact<bool> {
    let is_reference = |given: Given| Ok(given.kind.as_deref() == Some(REFERENCE));
    Fact::any(credentials.iter().map(|(_, given)| given.clone().then(is_reference)).collect())
}

/// The connection string, or the reference to one.
fn connection(values: &Value) -> Fact<Given> {
    let by_reference = attribute(values, &[BY_REFERENCE, "0"]);
    if by_reference != Fact::Unset {
        return by_reference.then(|_| Ok(Given { kind: Some(REFERENCE.to_owned()), text: String::new() }));
    }
    let found = CONNECTION_STRINGS.iter().map(|name| attribute(values, &[name])).find(|one| *one != Fact::Unset);
    let no_text = || "its connection string is no text".to_owned();
    let given = |value: &Value| value.as_str().map(|text| Given { kind: None, text: without_secrets(text) });
    found.unwrap_or(Fact::Unset).then(|value| given(value).ok_or_else(no_text))
}

/// What is at `path`; an empty text is nothing.
fn attribute<'v>(values: &'v Value, path: &[&str]) -> Fact<&'v Value> {
    match at(values, path) {
        Fact::Known(Value::String(text)) if text.is_empty() => Fact::Unset,
        other => other,
    }
}

impl Made {
    /// The member that is made of the attribute in a linked service whose type ends so.
    fn credential(&self, end: &str, values: &Value) -> (&'static str, Fact<Given>) {
        // The password of a Databricks's vault is its access token.
        let member = if end == "azure_databricks" && self.member == "password" { "accessToken" } else { self.member };
        let given = |_: &Value| Ok(Given { kind: Some(self.kind.to_owned()), text: String::new() });
        (member, attribute(values, self.path).then(given))
    }
}
