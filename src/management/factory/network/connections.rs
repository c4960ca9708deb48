//! Connections of private endpoints to a factory. One comes from the configuration, or is made by a PUT that names its private endpoint:
//! private endpoints are no resources here.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::MAX_ENDPOINTS;
use super::state::{ConnectionState, ConnectionStatus};
use crate::access::network::{AddressRange, PrivateEndpoint};
use crate::management::Management;
use crate::management::factory::id::{FactoryId, NetworkId};
use crate::management::factory::{FactoryWrite, check_match};
use crate::management::refusal::Refusal;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Revision};

/// The longest id of a private endpoint, in bytes.
const MAX_ID: usize = 1024;

/// A connection of a private endpoint to a factory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    /// Its name, as it was made.
    pub name: String,
    /// The id of the private endpoint.
    pub endpoint: String,
    /// The addresses of the private endpoint; those of the tenant's endpoint of its name when they are not said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Vec<AddressRange>>,
    /// Whether it is approved.
    pub state: ConnectionState,
    /// Whether a configuration names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configured: bool,
    /// Changes with every change.
    pub etag: Uuid,
}

/// A connection as a PUT wants it.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionChange {
    /// The id of the private endpoint; none where the connection is there.
    pub endpoint: Option<String>,
    /// Its state.
    pub state: ConnectionState,
}

impl Connection {
    /// Whether it is approved.
    pub(crate) fn is_approved(&self) -> bool {
        self.state.status == ConnectionStatus::Approved
    }

    /// The private endpoint, by the last part of its id.
    pub(crate) fn private_endpoint(&self) -> PrivateEndpoint {
        let name = self.endpoint.rsplit('/').next().unwrap_or_default();
        PrivateEndpoint { name: name.to_owned(), ranges: self.ranges.clone() }
    }
}

impl Management {
    /// The connections of a factory, by name.
    ///
    /// # Errors
    /// When there is no such factory.
    pub(crate) async fn connections(&self, factory: &FactoryId) -> Result<Vec<Connection>, Refusal> {
        let view = self.records.view().await?;
        self.factory_revision(&view, factory).await?;
        let found = self.records.scan::<Connection>(&view, &factory.connections(), None, usize::MAX).await?;
        Ok(found.iter().map(|connection| connection.as_ref().clone()).collect())
    }

    /// The connection of this id.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn connection(&self, id: &NetworkId) -> Result<Connection, Refusal> {
        let view = self.records.view().await?;
        self.factory_revision(&view, id.factory()).await?;
        self.recorded_connection(&view, id).await?.0.ok_or_else(|| Refusal::NoNetworkResource(id.clone()))
    }

    /// Approves or rejects a connection; one that is not there is made when its private endpoint is named (ours).
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn put_connection(
        &self,
        id: &NetworkId,
        change: &ConnectionChange,
        write: &FactoryWrite,
    ) -> Result<Connection, Refusal> {
        let putting = |view: View| async move {
            let batch = self.changing(&view, id.factory()).await?;
            let (existing, revision) = self.recorded_connection(&view, id).await?;
            check_match(existing.as_ref().map(|one| one.etag), write.if_match.as_deref())?;
            if existing.is_none() {
                self.check_room(&view, &id.factory().connections()).await?;
            }
            let connection = changed(id, existing, change, write.etag)?;
            let batch = batch.expect(id.key(), revision).put(id.key(), encode(&connection)?);
            Ok(Change { batch, answer: connection })
        };
        self.write(&write.guard, putting).await
    }

    /// Deletes a connection. Answers whether it was there.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn delete_connection(&self, id: &NetworkId, write: &FactoryWrite) -> Result<bool, Refusal> {
        let deleting = |view: View| async move {
            let batch = self.changing(&view, id.factory()).await?;
            let (existing, revision) = self.recorded_connection(&view, id).await?;
            if existing.is_none() {
                return Ok(Change { batch: Batch::default(), answer: false });
            }
            Ok(Change { batch: batch.expect(id.key(), revision).delete(id.key()), answer: true })
        };
        self.write(&write.guard, deleting).await
    }

    /// Refuses more than [`MAX_ENDPOINTS`] of those whose keys begin so.
    pub(super) async fn check_room(&self, view: &View, prefix: &crate::store::EntryKey) -> Result<(), Refusal> {
        let count = view.keys(prefix, None, MAX_ENDPOINTS).await.map_err(RecordError::from)?.len();
        if count < MAX_ENDPOINTS { Ok(()) } else { Err(Refusal::TooManyEndpoints) }
    }

    async fn recorded_connection(
        &self,
        view: &View,
        id: &NetworkId,
    ) -> Result<(Option<Connection>, Revision), RecordError> {
        let found = self.records.entry::<Connection>(view, &id.key()).await?;
        Ok(found.map_or((None, 0), |(one, revision)| (Some(one.as_ref().clone()), revision)))
    }
}

/// The connection after `change`; the private endpoint of one that is there stays.
fn changed(
    id: &NetworkId,
    existing: Option<Connection>,
    change: &ConnectionChange,
    etag: Uuid,
) -> Result<Connection, Refusal> {
    let state = change.state.clone();
    match (existing, &change.endpoint) {
        (Some(existing), Some(endpoint)) if !existing.endpoint.eq_ignore_ascii_case(endpoint) => {
            let why = "the private endpoint of a connection cannot change";
            Err(Refusal::Definition(why.to_owned()))
        }
        (Some(existing), _) => Ok(Connection { state, etag, ..existing }),
        (None, None) => Err(Refusal::NoNetworkResource(id.clone())),
        (None, Some(endpoint)) if !endpoint.starts_with('/') || endpoint.len() > MAX_ID => {
            Err(Refusal::Definition("properties.privateEndpoint.id is no id of a resource".to_owned()))
        }
        (None, Some(endpoint)) => {
            let (name, endpoint) = (id.name().to_owned(), endpoint.clone());
            Ok(Connection { name, endpoint, ranges: None, state, configured: false, etag })
        }
    }
}
