//! What deleted objects show besides (golden 030, 042): in front of everything else.

use serde::Serialize;

use super::authorized_request::AuthorizedRequest;
use crate::clock::Timestamp;
use crate::vault::Kind;
use crate::vault::object::DeletedObject;

/// The dates of a deletion, and where to recover.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletionOut {
    recovery_id: String,
    deleted_date: Timestamp,
    scheduled_purge_date: Timestamp,
}

impl DeletionOut {
    /// Nothing in a vault without soft delete, by which clients tell that there is nothing to wait for.
    pub(super) fn of<T>(request: &AuthorizedRequest, kind: Kind, removed: &DeletedObject<T>) -> Option<Self> {
        let deletion = removed.deletion?;
        Some(Self {
            recovery_id: request.target.recovery_id(kind, &removed.found.name),
            deleted_date: deletion.deleted,
            scheduled_purge_date: deletion.scheduled_purge,
        })
    }
}
