//! Linked services, datasets, pipelines, data flows, triggers, integration runtimes and the managed virtual network of a factory. The service handles all of
//! them alike: one set of handlers, and an operation for each of them and each kind.

use std::sync::Arc;

use hyper::header::IF_MATCH;
use hyper::{Method, StatusCode};
use serde::Serialize;

use super::super::endpoint::Handler;
use super::super::refused_change;
use super::super::state::{Call, State};
use super::bodies::{ChildBody, ChildInput};
use super::paths::{action, factory_path};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{Child, ChildId, ChildKind};
use crate::operation::Operation;

/// The operations of one kind.
pub(super) struct ChildOperations {
    pub(super) kind: ChildKind,
    list: Operation,
    get: Operation,
    put: Operation,
    delete: Option<Operation>,
}

/// The operations of a kind: its names in the log, its segment of paths, its name in actions.
macro_rules! operations {
    ($kind:ident, $name:literal, $segment:literal, $action:literal, $deletable:literal) => {{
        const COLLECTION: &str = factory_path!("/", $segment);
        const ONE: &str = factory_path!("/", $segment, "/{name}");
        const READ: &str = action!($action, "/read");
        const WRITE: &str = action!($action, "/write");
        const DELETE: &str = action!($action, "/delete");
        ChildOperations {
            kind: ChildKind::$kind,
            list: Operation::management(concat!("Factory", $name, "List"), Method::GET, COLLECTION, READ),
            get: Operation::management(concat!("Factory", $name, "Get"), Method::GET, ONE, READ),
            put: Operation::management(concat!("Factory", $name, "Put"), Method::PUT, ONE, WRITE),
            delete: if $deletable {
                Some(Operation::management(concat!("Factory", $name, "Delete"), Method::DELETE, ONE, DELETE))
            } else {
                None
            },
        }
    }};
}

/// Every kind. The service has no deletion of a managed virtual network.
pub(super) static KINDS: [ChildOperations; 8] = [
    operations!(LinkedService, "LinkedService", "linkedservices", "linkedServices", true),
    operations!(Dataset, "Dataset", "datasets", "datasets", true),
    operations!(Pipeline, "Pipeline", "pipelines", "pipelines", true),
    operations!(DataFlow, "DataFlow", "dataflows", "dataflows", true),
    operations!(Trigger, "Trigger", "triggers", "triggers", true),
    operations!(Credential, "Credential", "credentials", "credentials", true),
    operations!(IntegrationRuntime, "IntegrationRuntime", "integrationruntimes", "integrationruntimes", true),
    operations!(
        ManagedVirtualNetwork,
        "ManagedVirtualNetwork",
        "managedVirtualNetworks",
        "managedVirtualNetworks",
        false
    ),
];

#[derive(Serialize)]
struct ChildList {
    value: Vec<ChildBody>,
}

impl ChildOperations {
    /// What answers each of them.
    pub(super) fn routes(&'static self) -> Vec<(&'static Operation, Handler)> {
        let mut routes: Vec<(&'static Operation, Handler)> = vec![
            (&self.list, |state, call| Box::pin(list(state, call))),
            (&self.get, |state, call| Box::pin(get(state, call))),
            (&self.put, |state, call| Box::pin(put(state, call))),
        ];
        if let Some(operation) = &self.delete {
            routes.push((operation, |state, call| Box::pin(delete(state, call))));
        }
        routes
    }

    fn has(&self, operation: &'static Operation) -> bool {
        let all = [Some(&self.list), Some(&self.get), Some(&self.put), self.delete.as_ref()];
        all.into_iter().flatten().any(|own| std::ptr::eq(own, operation))
    }
}

/// Answers those of a kind that the caller may see.
async fn list(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (factory, kind) = (call.factory()?, call.kind());
    let found = state.management.children(&factory, kind).await.map_err(refused_change::of)?;
    let shown = found.into_iter().filter_map(|child| {
        let id = ChildId::parse(factory.clone(), kind, &child.name).ok()?;
        call.may_at(&id.scope()).then(|| ChildBody::of(&id, child))
    });
    Ok(body::json(StatusCode::OK, &ChildList { value: shown.collect() }))
}

/// Answers one; 304 when the client has it.
async fn get(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.child()?;
    let found = state.management.child(&id).await.map_err(refused_change::of)?;
    let child = found.ok_or_else(|| refused_change::no_child(&id))?;
    if call.has_etag(child.etag) {
        return Ok(body::empty(StatusCode::NOT_MODIFIED));
    }
    Ok(shown(&id, child))
}

/// Makes one, or makes it anew; always 200.
async fn put(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (id, mut write) = (call.child()?, state.factory_write(&call, call.header(&IF_MATCH)));
    write.runtime = (id.kind() == ChildKind::IntegrationRuntime).then(|| state.new_runtime());
    let ChildInput { properties } = call.json(&state.limits).await?;
    let child = state.management.put_child(&id, &properties, &write).await.map_err(refused_change::of)?;
    Ok(shown(&id, child))
}

/// Deletes one: 200, or 204 where there is none.
async fn delete(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (id, write) = (call.child()?, state.factory_write(&call, None));
    let existed = state.management.delete_child(&id, &write).await.map_err(refused_change::of)?;
    Ok(body::empty(if existed { StatusCode::OK } else { StatusCode::NO_CONTENT }))
}

fn shown(asked: &ChildId, child: Child) -> Response {
    body::json(StatusCode::OK, &ChildBody::of(&asked.spelt(&child.name), child))
}

impl Call {
    /// The kind of the operation that was asked for.
    fn kind(&self) -> ChildKind {
        let found = KINDS.iter().find(|operations| operations.has(self.operation));
        found.map_or(ChildKind::LinkedService, |operations| operations.kind)
    }

    fn child(&self) -> Result<ChildId, ApiError> {
        let (name, kind) = (self.params.get("name"), self.kind());
        if kind == ChildKind::IntegrationRuntime {
            return self.runtime();
        }
        ChildId::parse(self.factory()?, kind, &name).map_err(|_| refused_change::invalid_child(&name))
    }
}
