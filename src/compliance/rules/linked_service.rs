//! Rules for linked services. Azure compares and searches texts without regard to case, and its names of members count for linked
//! services of every type.

use super::Verdict::{self, Compliant, NonCompliant, Unknown, Warned};
use super::shared::{is_one_of, one_of};
use crate::compliance::arguments::Arguments;
use crate::compliance::connection_string::{contains, keyword};
use crate::compliance::facts::{Fact, Given, LinkedServiceFacts};

const REFERENCE: &str = "AzureKeyVaultSecret";
const SECURE_STRING: &str = "SecureString";

/// What a connection string with a secret contains.
const SECRETS: [&str; 4] = ["AccountKey=", "PWD=", "Password=", "CredString="];
/// What a connection string with another sign-in than a managed identity's contains.
const SIGN_INS: [&str; 2] = ["User ID=", "AccountKey="];
/// Members that must not be there, unless they refer to a vault.
const ONLY_REFERENCES: [&str; 3] = ["sasUri", "servicePrincipalKey", "accountKey"];
/// Members that no sign-in by managed identity has.
const OTHER_SIGN_INS: [&str; 7] = [
    "servicePrincipalKey",
    "accountKey",
    "sasUri",
    "accessToken",
    "encryptedCredential",
    "credential",
    "servicePrincipalCredential",
];
/// Types whose connection string must be a reference to a vault.
const MONGO: [&str; 2] = ["MongoDbAtlas", "MongoDbV2"];
/// Types that can sign in by the factory's own identity.
const BY_IDENTITY: [&str; 9] = [
    "AzureSqlDatabase",
    "AzureSqlMI",
    "AzureSqlDW",
    "AzureBlobFS",
    "AdlsGen2CosmosStructuredStream",
    "AzureDataLakeStore",
    "AzureDataLakeStoreCosmosStructuredStream",
    "AzureBlobStorage",
    "AzureDatabricks",
];
/// Types whose connection strings say `DefaultEndpointsProtocol`.
const STORAGE: [&str; 4] = ["AzureStorage", "AzureBlobStorage", "AzureTableStorage", "AzureFileStorage"];
/// Types whose connection strings say `Encrypt`.
const SQL: [&str; 4] = ["SqlServer", "AzureSqlDatabase", "AzureSqlMI", "AzureSqlDW"];

pub(super) fn secrets(service: &LinkedServiceFacts, _: &Arguments) -> Verdict {
    let of_members = service.credentials.iter().map(|(name, given)| in_the_open(name, given));
    first(std::iter::once(connection_secret(service)).chain(of_members))
}

pub(super) fn managed_identity(service: &LinkedServiceFacts, _: &Arguments) -> Verdict {
    let why = match &service.kind {
        Fact::Known(kind) if !is_one_of(kind, &BY_IDENTITY) => return Compliant,
        Fact::Unknown(why) => Some(why.clone()),
        _ => None,
    };
    let connection = match &service.connection {
        Fact::Known(given) => match SIGN_INS.iter().find(|word| contains(&given.text, word)) {
            Some(word) => NonCompliant(format!("its connection string has {word}")),
            None => Compliant,
        },
        Fact::Unset => Compliant,
        Fact::Unknown(why) => Unknown(why.clone()),
    };
    let members = service.credentials.iter().filter(|(name, _)| OTHER_SIGN_INS.contains(name));
    let found = first(std::iter::once(connection).chain(members.map(|(name, given)| another_sign_in(name, given))));
    match why {
        Some(why) if found != Compliant => Unknown(why),
        _ => found,
    }
}

pub(super) fn allowed_type(service: &LinkedServiceFacts, arguments: &Arguments) -> Verdict {
    one_of(&service.kind, &arguments.texts("allowedLinkedServiceResourceTypes"), "its type")
}

/// A warning: what is recommended for connection strings.
pub(super) fn in_transit(service: &LinkedServiceFacts, _: &Arguments) -> Verdict {
    let (Fact::Known(kind), Fact::Known(given)) = (&service.kind, &service.connection) else { return Compliant };
    if given.text.is_empty() {
        return Compliant;
    }
    let says = |name: &str, good: &[&str]| keyword(&given.text, name).is_some_and(|value| is_one_of(value, good));
    let is_storage = is_one_of(kind, &STORAGE) && keyword(&given.text, "AccountName").is_some();
    if is_storage && !says("DefaultEndpointsProtocol", &["https"]) {
        return Warned("its connection string does not ask for https".to_owned());
    }
    if is_one_of(kind, &SQL) && !says("Encrypt", &["true", "yes", "mandatory", "strict"]) {
        return Warned("its connection string does not ask for encryption".to_owned());
    }
    Compliant
}

fn connection_secret(service: &LinkedServiceFacts) -> Verdict {
    let is_mongo = matches!(&service.kind, Fact::Known(kind) if is_one_of(kind, &MONGO));
    match &service.connection {
        Fact::Known(given) if is_mongo && !given.is(REFERENCE) => {
            NonCompliant("its connection string is no reference to a vault".to_owned())
        }
        // Azure does not look into a SecureString (ours: what is in one is as open as what is in none).
        Fact::Known(given) => match SECRETS.iter().find(|word| contains(&given.text, word)) {
            Some(word) => NonCompliant(format!("its connection string has {word}")),
            None => Compliant,
        },
        Fact::Unset if is_mongo => NonCompliant("it has no connection string".to_owned()),
        Fact::Unset => Compliant,
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

/// Whether a member holds a secret that is in no vault.
fn in_the_open(name: &str, given: &Fact<Given>) -> Verdict {
    let given = match given {
        Fact::Known(given) => given,
        Fact::Unset => return Compliant,
        Fact::Unknown(why) => return Unknown(why.clone()),
    };
    let is_found = match name {
        "encryptedCredential" => true,
        "password" => given.kind.is_none() || given.is(SECURE_STRING),
        _ if ONLY_REFERENCES.contains(&name) => !given.is(REFERENCE),
        _ => given.is(SECURE_STRING),
    };
    if is_found { NonCompliant(format!("its {name} is in the definition")) } else { Compliant }
}

fn another_sign_in(name: &str, given: &Fact<Given>) -> Verdict {
    match given {
        // What is a credential by reference has a type.
        Fact::Known(given) if name == "credential" && given.kind.is_none() => Compliant,
        Fact::Known(_) => NonCompliant(format!("it signs in by its {name}")),
        Fact::Unset => Compliant,
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

/// What is wrong for certain, else what cannot be known.
fn first(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut found = Compliant;
    for verdict in verdicts {
        match verdict {
            NonCompliant(_) => return verdict,
            Unknown(_) if found == Compliant => found = verdict,
            _ => {}
        }
    }
    found
}

impl Given {
    fn is(&self, kind: &str) -> bool {
        self.kind.as_ref().is_some_and(|one| one.eq_ignore_ascii_case(kind))
    }
}
