//! Which members of a definition hold a secret, by their names.

/// Members that connectors hold as secrets: those of the type SecretBase in the linked services of azure-rest-api-specs (datafactory,
/// 2018-06-01, read in azure-mgmt-datafactory 10.0.0), and those of any type that hold one (`accountKey` of AzureBlobFS, `sasUri`,
/// `embeddedCertData`, `sslKey`, `sslPassword`). By name and not by type, so that a connector of tomorrow, and the members of
/// `connectionProperties`, are covered. In small letters.
const SECRETS: [&str; 45] = [
    "accesskey",
    "accesstoken",
    "accesstokensecret",
    "accountkey",
    "apikey",
    "apitoken",
    "catalogadminpassword",
    "clientkey",
    "clientsecret",
    "clusterpassword",
    "clustersshpassword",
    "consumerkey",
    "consumersecret",
    // Of Odbc, Informix and MicrosoftAccess; everywhere else it is an object, a reference to a credential.
    "credential",
    "credstring",
    "developertoken",
    "embeddedcertdata",
    "functionkey",
    "keyfilecontent",
    "licensekey",
    "mwsauthtoken",
    "packagepassword",
    "passphrase",
    "password",
    "pfx",
    "privatekey",
    "privatekeycontent",
    "privatekeypassphrase",
    "pwd",
    "refreshtoken",
    "sastoken",
    "sasuri",
    "secretaccesskey",
    "secretkey",
    "securitytoken",
    // Older names of servicePrincipalCredential.
    "servicecredential",
    "serviceprincipalcertificate",
    "serviceprincipalcredential",
    "serviceprincipalembeddedcert",
    "serviceprincipalembeddedcertpassword",
    "serviceprincipalkey",
    "sessiontoken",
    "sslkey",
    "sslpassword",
    "usertoken",
];
/// The type of linked service whose member `key` is one.
const SEARCH: &str = "AzureSearch";
/// Members all of whose texts are secrets: headers that authorize a request.
const HEADERS: &str = "authheaders";
/// The member whose text is a connection string.
const CONNECTION: &str = "connectionstring";

/// What a member's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// No secret.
    Open,
    /// A secret.
    Secret,
    /// A connection string, parts of which may be secret.
    ConnectionString,
}

/// What the member `name` of a linked service of type `kind` means.
pub(super) fn meaning(kind: &str, name: &str) -> Meaning {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        CONNECTION => Meaning::ConnectionString,
        HEADERS => Meaning::Secret,
        "key" if kind.eq_ignore_ascii_case(SEARCH) => Meaning::Secret,
        name if SECRETS.contains(&name) => Meaning::Secret,
        _ => Meaning::Open,
    }
}

/// Whether everything below the member `name` is secret.
pub(super) fn covers_all_below(name: &str) -> bool {
    name.eq_ignore_ascii_case(HEADERS)
}
