//! What integration runtimes have besides what everything in a factory has: settings, status, auth keys, monitoring data.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use zeroize::Zeroizing;

use super::super::endpoint::Handler;
use super::super::state::{Call, State};
use super::super::{refused_change, refused_runtime};
use super::bodies::ChildBody;
use super::paths::{action, factory_path};
use super::runtime_bodies::{AuthKeysBody, ConnectionBody, KeyInput, MonitoringBody, SettingsInput, StatusBody};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{ChildId, ChildKind, KeyName, NewRuntime, RuntimeChange};
use crate::operation::Operation;
use crate::random;

static PATCH: Operation = Operation::management(
    "FactoryIntegrationRuntimeUpdate",
    Method::PATCH,
    factory_path!("/integrationRuntimes/{name}"),
    action!("integrationruntimes/write"),
);
static STATUS: Operation = Operation::management(
    "FactoryIntegrationRuntimeStatus",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/getStatus"),
    action!("integrationruntimes/getstatus/read"),
);
static LIST_KEYS: Operation = Operation::management(
    "FactoryIntegrationRuntimeListAuthKeys",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/listAuthKeys"),
    action!("integrationruntimes/listauthkeys/action"),
);
static REGENERATE_KEY: Operation = Operation::management(
    "FactoryIntegrationRuntimeRegenerateAuthKey",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/regenerateAuthKey"),
    action!("integrationruntimes/regenerateauthkey/action"),
);
static CONNECTION: Operation = Operation::management(
    "FactoryIntegrationRuntimeConnectionInfo",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/getConnectionInfo"),
    action!("integrationruntimes/getconnectioninfo/action"),
);
static SYNC: Operation = Operation::management(
    "FactoryIntegrationRuntimeSyncCredentials",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/syncCredentials"),
    action!("integrationruntimes/synccredentials/action"),
);
static MONITORING: Operation = Operation::management(
    "FactoryIntegrationRuntimeMonitoringData",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/monitoringData"),
    action!("integrationruntimes/monitoringdata/read"),
);

/// What answers each of them.
pub(super) fn routes() -> Vec<(&'static Operation, Handler)> {
    vec![
        (&PATCH, |state, call| Box::pin(update(state, call))),
        (&STATUS, |state, call| Box::pin(status(state, call))),
        (&LIST_KEYS, |state, call| Box::pin(list_keys(state, call))),
        (&REGENERATE_KEY, |state, call| Box::pin(regenerate_key(state, call))),
        (&CONNECTION, |state, call| Box::pin(connection(state, call))),
        (&SYNC, |state, call| Box::pin(sync(state, call))),
        (&MONITORING, |state, call| Box::pin(monitoring(state, call))),
    ]
}

/// Changes the settings of a runtime; answers its definition, which does not show them.
async fn update(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let id = call.runtime()?;
    let SettingsInput { auto_update, update_delay_offset } = call.json(&state.limits).await?;
    let change = RuntimeChange::parse(auto_update.as_deref(), update_delay_offset.as_deref());
    let change = change.map_err(refused_runtime::of)?;
    let child = state.management.change_runtime(&call.access.guard, &id, &change).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &ChildBody::of(&id.spelt(&child.name), child)))
}

/// Answers what a runtime does.
async fn status(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.runtime()?;
    let status = state.management.runtime_status(&id, state.system.now()).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &StatusBody::of(&status)))
}

/// Answers both auth keys.
async fn list_keys(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let keys = state.management.auth_keys(&call.runtime()?).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &AuthKeysBody::of(&keys)))
}

/// Makes one of the auth keys anew; answers both.
async fn regenerate_key(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let id = call.runtime()?;
    let KeyInput { key_name } = call.json(&state.limits).await?;
    let name = KeyName::parse(&key_name).map_err(refused_runtime::of)?;
    let key = (name, &Zeroizing::new(random::secret()));
    let keys = state.management.regenerate_auth_key(&call.access.guard, &id, key).await;
    Ok(body::json(StatusCode::OK, &AuthKeysBody::of(&keys.map_err(refused_change::of)?)))
}

/// Answers how credentials are brought to a node of a runtime, with a token for it.
async fn connection(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let info = state.management.connection_info(&call.runtime()?, state.system.now()).await;
    Ok(body::json(StatusCode::OK, &ConnectionBody::of(&info.map_err(refused_change::of)?)))
}

/// Gives all nodes of a runtime the credentials of its dispatcher.
async fn sync(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (id, task) = (call.runtime()?, (random::uuid(&*state.random), state.system.now()));
    let synced = state.management.sync_credentials(&call.access.guard, &id, task).await;
    synced.map_err(refused_change::of)?;
    Ok(body::empty(StatusCode::OK))
}

/// Answers what the nodes of a runtime do.
async fn monitoring(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.runtime()?;
    let status = state.management.runtime_status(&id, state.system.now()).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &MonitoringBody::of(&status)))
}

impl Call {
    /// The runtime in the path.
    pub(super) fn runtime(&self) -> Result<ChildId, ApiError> {
        let name = self.params.get("name");
        let id = ChildId::parse(self.factory()?, ChildKind::IntegrationRuntime, &name);
        id.map_err(|_| refused_runtime::invalid_name(&name))
    }
}

impl State {
    /// What a runtime is made of.
    pub(super) fn new_runtime(&self) -> NewRuntime {
        NewRuntime {
            id: random::uuid(&*self.random),
            secrets: std::array::from_fn(|_| Zeroizing::new(random::secret())),
        }
    }
}
