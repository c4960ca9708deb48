//! The tenant that the data was made under, kept with it: ids and policies follow from it, so that a start with another would
//! find every name a second time.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Directory;
use crate::records::{RecordError, View, encode};
use crate::store::{Batch, Key};

/// What is kept of the tenant.
#[derive(Serialize, Deserialize)]
struct TenantRecord {
    id: Uuid,
}

impl Directory {
    /// The tenant that these records were made under; none in new records, and in those that a version before this record
    /// made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recorded_tenant(&self) -> Result<Option<Uuid>, RecordError> {
        let view = self.records().view().await?;
        Ok(self.records().get::<TenantRecord>(&view, &place()).await?.map(|kept| kept.id))
    }

    /// `batch`, and this tenant with it where none is kept yet.
    pub(super) async fn with_tenant(&self, view: &View, batch: Batch) -> Result<Batch, RecordError> {
        match view.revision_of(&place()).await? {
            Some(_) => Ok(batch),
            None => Ok(batch.expect(place(), 0).put(place(), encode(&TenantRecord { id: self.tenant_id() })?)),
        }
    }
}

fn place() -> Key {
    Key::from("tenant")
}
