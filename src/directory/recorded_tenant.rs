//! The record of the tenant that the data belongs to. Ids and policies are derived from the tenant, so a start with another
//! one would add every name a second time.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Directory;
use crate::records::{RecordError, View, encode};
use crate::store::{Batch, EntryKey};

/// The record of the tenant.
#[derive(Serialize, Deserialize)]
struct TenantRecord {
    id: Uuid,
}

impl Directory {
    /// The tenant that these records belong to; none before the first identities are stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn recorded_tenant(&self) -> Result<Option<Uuid>, RecordError> {
        let view = self.records().view().await?;
        Ok(self.records().get::<TenantRecord>(&view, &store_key()).await?.map(|kept| kept.id))
    }

    /// `batch`, with a record of this tenant added if there is none yet.
    pub(super) async fn with_tenant_record(&self, view: &View, batch: Batch) -> Result<Batch, RecordError> {
        match view.revision_of(&store_key()).await? {
            Some(_) => Ok(batch),
            None => Ok(batch.expect(store_key(), 0).put(store_key(), encode(&TenantRecord { id: self.tenant_id() })?)),
        }
    }
}

fn store_key() -> EntryKey {
    EntryKey::from("tenant")
}
