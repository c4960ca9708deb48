//! An identity that a drill makes, and can make again just as it was.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::drills::admin::{Admin, AdminError};
use crate::random;
use crate::remote::{Credential, Method};

/// An identity of a drill's own. It holds its secret, so it has no `Debug`.
pub(in crate::drills) struct Person {
    pub(super) name: String,
    pub(in crate::drills) client_id: String,
    pub(super) object_id: String,
    secret: Zeroizing<String>,
}

impl Person {
    /// Makes the identity `name` with a secret that nobody else knows.
    pub(super) fn made(admin: &Admin, name: String) -> Result<Self, AdminError> {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(random::secret());
        let secret = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let mut person = Self { name, client_id: String::new(), object_id: String::new(), secret };
        let shown = person.add(admin)?;
        let text = |member: &str| shown[member].as_str().unwrap_or_default().to_owned();
        (person.client_id, person.object_id) = (text("clientId"), text("objectId"));
        Ok(person)
    }

    /// Adds it. Its ids follow from its name, so they are the same each time.
    pub(super) fn add(&self, admin: &Admin) -> Result<Value, AdminError> {
        let entry = json!({"name": self.name, "clientSecret": self.secret.as_str()});
        admin.ask(Method::POST, "/admin/identities", Some(&entry))
    }

    /// Takes it away.
    pub(super) fn remove(&self, admin: &Admin) -> Result<(), AdminError> {
        admin.ask(Method::DELETE, &format!("/admin/identities/{}", self.name), None).map(drop)
    }

    /// How it signs in.
    pub(super) fn credential(&self) -> Credential {
        Credential::secret(self.client_id.as_str(), self.secret.as_str())
    }

    /// An access policy that grants it these permissions.
    pub(super) fn policy(&self, keys: &[&str], secrets: &[&str]) -> Value {
        json!({"objectId": self.object_id, "permissions": {"keys": keys, "secrets": secrets}})
    }

    /// Whether an access policy is this one's.
    pub(super) fn has(&self, policy: &Value) -> bool {
        policy["objectId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&self.object_id))
    }
}
