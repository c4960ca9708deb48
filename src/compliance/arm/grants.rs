//! Who is given access to vaults by a file, as far as that matters for factories: a factory is often given the key that encrypts it, and
//! not the secrets that it refers to. Which identity is given it does not count, because files do not know ids of identities.

use serde_json::Value;

use super::super::facts::Fact;
use super::super::tree::{list, part, text, texts, words};

/// Roles with which secrets can be read, by id and by name: Key Vault Secrets User, Secrets Officer, Administrator.
const READS_SECRETS: [[&str; 2]; 3] = [
    ["4633458b-17de-408a-b874-0445c86b69e6", "key vault secrets user"],
    ["b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "key vault secrets officer"],
    ["00482a5a-887f-4fb3-b363-3b7fe8e74483", "key vault administrator"],
];
/// Roles with which keys can be used for wrapping: Key Vault Crypto Service Encryption User, Crypto User, Crypto Officer.
const USES_KEYS: [[&str; 2]; 3] = [
    ["e147488a-f6f5-4113-8e2d-b22465e65bf6", "key vault crypto service encryption user"],
    ["12338af0-0e69-4776-bea7-57ae8d297424", "key vault crypto user"],
    ["14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "key vault crypto officer"],
];
const WRAPS: [&str; 3] = ["wrapkey", "all", "unwrapkey"];
const GETS: [&str; 2] = ["get", "all"];

/// What a file gives.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    keys: bool,
    secrets: bool,
    /// Whether something may give it that cannot be read.
    perhaps: bool,
}

impl Grants {
    /// Adds a role assignment whose role is in `member`, by id or by name.
    pub(crate) fn add_role(&mut self, properties: &Value, member: &str) {
        let role = part(properties, member);
        let is = |roles: &[[&str; 2]]| {
            let words = words(role).to_ascii_lowercase();
            roles.iter().flatten().any(|known| words.contains(known))
        };
        match (is(&READS_SECRETS), is(&USES_KEYS)) {
            (false, false) => self.perhaps |= matches!(text(properties, &[member]), Fact::Unknown(_)),
            (secrets, keys) => (self.secrets, self.keys) = (self.secrets || secrets, self.keys || keys),
        }
    }

    /// Adds the `accessPolicies` of a vault's properties.
    pub(crate) fn add_policies(&mut self, properties: &Value) {
        match list(properties, &["accessPolicies"]) {
            Fact::Known(all) => all.iter().for_each(|policy| {
                let permissions = |of| texts(policy, &["permissions", of], |one| text(one, &[]));
                self.add_policy(&["keys", "secrets"].map(permissions));
            }),
            Fact::Unset => {}
            Fact::Unknown(_) => self.perhaps = true,
        }
    }

    /// Adds the permissions of an access policy for keys and for secrets.
    pub(crate) fn add_policy(&mut self, [keys, secrets]: &[Fact<Vec<String>>; 2]) {
        let has = |given: &Fact<Vec<String>>, names: &[&str]| match given {
            Fact::Known(all) => all.iter().any(|one| names.contains(&one.to_ascii_lowercase().as_str())),
            Fact::Unset | Fact::Unknown(_) => false,
        };
        self.keys |= has(keys, &WRAPS);
        self.secrets |= has(secrets, &GETS);
        self.perhaps |= matches!(secrets, Fact::Unknown(_));
    }

    /// What is missing for a factory under a customer's key, whose linked services refer to secrets: it has what its key needs, and nothing
    /// for the secrets.
    pub(crate) fn missing(&self, customer_key: &Fact<bool>, refers_to_secrets: bool) -> Fact<String> {
        let has_key = matches!(customer_key, Fact::Known(true) | Fact::Unknown(_));
        let is_missing = self.keys && !self.secrets && !self.perhaps && has_key && refers_to_secrets;
        let why = "its linked services refer to secrets, and the file gives access to its key alone";
        if is_missing { Fact::Known(why.to_owned()) } else { Fact::Unset }
    }
}
