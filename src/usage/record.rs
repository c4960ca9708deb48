//! A record of an audit as a request: of this program, or of Azure Monitor.

use serde_json::Value;
use uuid::Uuid;

use super::{Request, Usage, Use, names, operation_of};
use crate::operation::{Operation, Permission};
use crate::resource_id::ResourceId;

const OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";

impl Usage {
    /// Adds the request of a record, if it is one of the data plane that an identity made.
    pub(crate) fn add_record(&mut self, record: &Value, operations: &[&'static Operation]) {
        if let Some(lost) = record["properties"]["lost"].as_u64() {
            self.miss(lost);
        }
        match request(record, operations) {
            Some(Ok(request)) => self.add(request),
            Some(Err(NoName(text))) => self.leave_out(text),
            None => {}
        }
    }
}

/// A text of a record that should be a name, and cannot be one.
struct NoName(String);

fn request(record: &Value, operations: &[&'static Operation]) -> Option<Result<Request, NoName>> {
    let operation = operation_of(operations, record["operationName"].as_str()?)?;
    let Permission::Vault { collection, .. } = operation.permission else { return None };
    let properties = &record["properties"];
    let status = properties["httpStatusCode"].as_u64()?;
    let was_refused = status == 403 && lacked_permission(properties);
    let was_permitted = !was_refused && !matches!(status, 401 | 429) && status < 500;
    let principal = Uuid::parse_str(record["identity"]["claim"][OBJECT_ID].as_str()?).ok()?;
    let vault = record["resourceId"].as_str()?;
    if !was_permitted && !was_refused {
        return None;
    }
    let request = || {
        let id = properties["id"].as_str().filter(|_| operation.path.contains("{name}"));
        let object = id.and_then(|id| object(id, collection)).map(checked_object).transpose()?;
        let what = Use { principal, vault: checked_vault(vault)?, operation: operation.name, object };
        let name = properties["identityName"].as_str().map(checked_identity).transpose()?;
        Ok(Request { what, name, was_refused, by_roles: properties["appliedAssignmentId"].is_string() })
    };
    Some(request())
}

fn checked_vault(id: &str) -> Result<String, NoName> {
    let parsed = id.to_ascii_lowercase().parse::<ResourceId>().map(|id| id.to_string());
    parsed.ok().filter(|id| names::is_vault(id)).ok_or_else(|| NoName(id.to_owned()))
}

fn checked_object(name: &str) -> Result<String, NoName> {
    names::is_object(name).then(|| name.to_ascii_lowercase()).ok_or_else(|| NoName(name.to_owned()))
}

fn checked_identity(name: &str) -> Result<String, NoName> {
    names::is_identity(name).then(|| name.to_owned()).ok_or_else(|| NoName(name.to_owned()))
}

/// Whether a 403 is for want of a permission. This program's records name what was missing; without that the vault had another
/// reason: the object is disabled, or protected. The service's records do not say so, and those of this program alone name an identity.
fn lacked_permission(properties: &Value) -> bool {
    properties["missing"].is_string() || properties["identityName"].is_null()
}

/// The name in `https://VAULT/COLLECTION/NAME/VERSION`.
fn object<'i>(id: &'i str, collection: &str) -> Option<&'i str> {
    let mut segments = id.split('/').skip(3);
    segments.find(|segment| segment.to_ascii_lowercase().ends_with(collection))?;
    segments.next()
}

#[cfg(test)]
pub(super) mod tests {
    use hyper::Method;
    use serde_json::json;

    use super::*;

    /// An operation with an object.
    pub(crate) static GET: Operation = Operation {
        name: "SecretGet",
        method: Method::GET,
        path: "/secrets/{name}",
        permission: Permission::secrets("get", "secrets/getSecret/action"),
    };

    #[test]
    fn a_403_for_another_reason_than_the_permission_counts_as_used() {
        let outcome = |properties: Value| {
            let mut record = json!({
                "operationName": "SecretGet", "identity": {"claim": {OBJECT_ID: Uuid::nil()}}, "properties": {"httpStatusCode": 403},
                "resourceId": format!("/SUBSCRIPTIONS/{}/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/ACME", Uuid::nil()),
            });
            record["properties"].as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
            let mut usage = Usage::default();
            usage.add_record(&record, &[&GET]);
            (usage.permitted().count(), usage.refused().count())
        };
        assert_eq!(outcome(json!({"identityName": "app"})), (1, 0), "a disabled secret");
        assert_eq!(outcome(json!({"identityName": "app", "missing": "secrets/get"})), (0, 1));
        assert_eq!(outcome(json!({})), (0, 1), "of the service, whose records do not say so");
    }

    #[test]
    fn numbers_of_lost_records_beyond_all_bounds_add_up_to_the_highest() {
        let mut usage = Usage::default();
        for lost in [u64::MAX, 5] {
            usage.add_record(&json!({"properties": {"lost": lost}}), &[&GET]);
        }
        assert_eq!(usage.missed, u64::MAX);
    }
}
