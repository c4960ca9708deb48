//! An identity that a drill creates, deletes, and creates again with the same ids.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::drills::admin::{AdminClient, AdminError};
use crate::random;
use crate::remote::{Credential, Method};

/// An identity of a drill. Deliberately no `Debug`: it holds its secret.
pub(crate) struct DrillIdentity {
    pub(super) name: String,
    pub(crate) client_id: String,
    pub(super) object_id: String,
    pub(crate) resource_id: String,
    secret: Zeroizing<String>,
    is_trusted: bool,
}

impl DrillIdentity {
    /// An identity called `name` with a random secret, not created yet. A factory's is a trusted service, as Azure Data Factory is.
    pub(super) fn new(name: String, is_trusted: bool) -> Self {
        let secret = random::secret_hex::<32>();
        let (client_id, object_id, resource_id) = Default::default();
        Self { name, client_id, object_id, resource_id, secret, is_trusted }
    }

    /// Creates it, and takes over the ids that it is given.
    pub(super) fn create(&mut self, admin: &AdminClient) -> Result<(), AdminError> {
        let shown = self.add(admin)?;
        let text = |member: &str| shown[member].as_str().unwrap_or_default().to_owned();
        (self.client_id, self.object_id) = (text("clientId"), text("objectId"));
        self.resource_id = text("resourceId");
        Ok(())
    }

    /// Adds it to the tenant. Its ids derive from its name, so they are the same each time.
    pub(super) fn add(&self, admin: &AdminClient) -> Result<Value, AdminError> {
        let entry = json!({"name": self.name, "clientSecret": self.secret.as_str(), "trustedService": self.is_trusted});
        admin.send(Method::POST, "/admin/identities", Some(&entry))
    }

    /// Deletes it from the tenant.
    pub(super) fn remove(&self, admin: &AdminClient) -> Result<(), AdminError> {
        admin.send(Method::DELETE, &format!("/admin/identities/{}", self.name), None).map(drop)
    }

    /// The credential that it signs in with.
    pub(super) fn credential(&self) -> Credential {
        Credential::client_secret(self.client_id.as_str(), self.secret.as_str())
    }

    /// An access policy that grants it these permissions.
    pub(super) fn policy(&self, keys: &[&str], secrets: &[&str]) -> Value {
        json!({"objectId": self.object_id, "permissions": {"keys": keys, "secrets": secrets}})
    }

    /// Whether `grant`, an access policy or a role assignment, is this identity's.
    pub(super) fn owns(&self, grant: &Value) -> bool {
        grant["objectId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&self.object_id))
    }
}
