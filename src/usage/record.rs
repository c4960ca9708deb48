//! A record of an audit as a request: of this program, or of Azure Monitor.

use serde_json::Value;
use uuid::Uuid;

use super::{Request, Usage, Use, operation_of};
use crate::operation::{Operation, Permission};
use crate::resource_id::ResourceId;

const OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";

impl Usage {
    /// Adds the request of a record, if it is one of the data plane that an identity made.
    pub(crate) fn add_record(&mut self, record: &Value, operations: &[&'static Operation]) {
        if let Some(lost) = record["properties"]["lost"].as_u64() {
            self.missed += lost;
        }
        if let Some(request) = request(record, operations) {
            self.add(request);
        }
    }
}

fn request(record: &Value, operations: &[&'static Operation]) -> Option<Request> {
    let operation = operation_of(operations, record["operationName"].as_str()?)?;
    let Permission::Vault { collection, .. } = operation.permission else { return None };
    let properties = &record["properties"];
    let status = properties["httpStatusCode"].as_u64()?;
    let was_permitted = !matches!(status, 401 | 403 | 429) && status < 500;
    let principal = Uuid::parse_str(record["identity"]["claim"][OBJECT_ID].as_str()?).ok()?;
    let vault: ResourceId = record["resourceId"].as_str()?.to_ascii_lowercase().parse().ok()?;
    let has_name = operation.path.contains("{name}");
    let id = properties["id"].as_str().filter(|_| has_name);
    let what = Use {
        principal,
        vault: vault.to_string(),
        operation: operation.name,
        object: id.and_then(|id| object(id, collection)),
    };
    let name = properties["identityName"].as_str().map(str::to_owned);
    let by_roles = properties["appliedAssignmentId"].is_string();
    (was_permitted || status == 403).then_some(Request { what, name, was_refused: status == 403, by_roles })
}

/// The name in `https://VAULT/COLLECTION/NAME/VERSION`.
fn object(id: &str, collection: &str) -> Option<String> {
    let mut segments = id.split('/').skip(3);
    segments.find(|segment| segment.to_ascii_lowercase().ends_with(collection))?;
    segments.next().filter(|name| !name.is_empty()).map(str::to_ascii_lowercase)
}
