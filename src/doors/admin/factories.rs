//! Data factories: listed and shown as entries of the configuration file, and as templates.

use std::error::Error;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::request_body::bad_request;
use super::{State, conflict, internal_error, with_admin_key};
use crate::config::entry;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Response, body};
use crate::management::{ChildKind, DescribedFactory, FactoryId, Refusal};
use crate::operation::Operation;

pub(super) static LIST: Operation = with_admin_key("AdminFactoryList", Method::GET, "/admin/factories");
pub(super) static SHOW: Operation = with_admin_key("AdminFactoryShow", Method::GET, "/admin/factories/{name}");
pub(super) static TEMPLATE: Operation =
    with_admin_key("AdminFactoryTemplate", Method::GET, "/admin/factories/{name}/template");

#[derive(Serialize)]
struct FactoryListBody {
    factories: Vec<Map<String, Value>>,
}

/// Answers every factory as an entry of the configuration file's `factories`.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let all = state.management.described_factories().await.map_err(refused)?;
    let factories = all.iter().map(entry::of_factory).collect();
    Ok(body::json(StatusCode::OK, &FactoryListBody { factories }))
}

/// Answers a factory as an entry of the configuration file's `factories`, and what else it has, without what is in it.
pub(super) async fn show(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let id = state.factory(&params).await?;
    let described = state.management.described_factory(&id).await.map_err(refused)?;
    let mut shown = entry::of_factory(&described);
    shown.extend(state.definitions(&described).await?);
    let contents: Map<String, Value> =
        described.contents.iter().map(|(kind, count)| (kind.segment().to_owned(), json!(count))).collect();
    let principal = described.factory.identity.as_ref().and_then(|identity| identity.system);
    shown.insert("id".to_owned(), id.to_string().into());
    shown.insert("principalId".to_owned(), json!(principal));
    shown.insert("properties".to_owned(), described.factory.shown_properties().into());
    shown.insert("contents".to_owned(), contents.into());
    let ranges = state.management.private_ranges(&id).await.map_err(refused)?;
    shown.insert("privateRanges".to_owned(), json!(ranges));
    Ok(body::json(StatusCode::OK, &shown))
}

/// Answers a factory as an ARM template; `includeKey` includes the settings of its customer-managed key.
pub(super) async fn template(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let id = state.factory(&params).await?;
    let mut include_key = false;
    for (name, value) in params.query() {
        include_key = match (&*name, &*value) {
            ("includeKey", "true") => true,
            ("includeKey", "false") => false,
            ("includeKey", _) => return Err(bad_request("includeKey: must be true or false")),
            _ => return Err(bad_request(format!("{name}: there is no such parameter; there is includeKey"))),
        };
    }
    let template = state.management.template(&id, include_key).await.map_err(refused)?;
    Ok(body::json(StatusCode::OK, &template))
}

impl State {
    /// The linked services of a factory as Resource Manager shows them, and the vaults of theirs that it cannot read; while its key is
    /// away, why they are not shown.
    async fn definitions(&self, described: &DescribedFactory) -> Result<Map<String, Value>, ApiError> {
        let management = &self.management;
        let services = match management.children(&described.id, ChildKind::LinkedService).await {
            Ok(services) => services,
            Err(Refusal::KeyAway(why)) => {
                return Ok([("unreadable".to_owned(), why.to_string().into())].into_iter().collect());
            }
            Err(other) => return Err(refused(other)),
        };
        let vaults = management.unreadable_vaults(&described.factory, &services, self.clock.now()).await;
        let vaults = vaults.map_err(refused)?;
        let shown = |one: crate::management::Child| json!({"name": one.name, "properties": one.properties});
        let services: Vec<_> = services.into_iter().map(shown).collect();
        let members = [("linkedServices".to_owned(), services.into()), ("unreadableVaults".to_owned(), vaults.into())];
        Ok(members.into_iter().collect())
    }

    /// The factory in the path.
    async fn factory(&self, params: &Params) -> Result<FactoryId, ApiError> {
        let name = params.get("name");
        let found = self.management.factory_named(&name).await.map_err(refused)?;
        found.ok_or_else(|| no_factory(&name))
    }
}

fn no_factory(name: &str) -> ApiError {
    let text = format!("No factory is called '{name}'; GET /admin/factories lists them.");
    ApiError::new(StatusCode::NOT_FOUND, "FactoryNotFound", text)
}

/// What the management plane reports. What no caller of this API can mend goes to the log alone.
pub(super) fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Record(error) => internal_error(&error),
        Refusal::Vaults(error) => internal_error(&error),
        Refusal::NoFactory(id) => no_factory(id.name()),
        Refusal::KeyAway(error) => conflict(format!("the factory's customer-managed key is away: {error}")),
        Refusal::NoGitMode(name) => conflict(format!(
            "the factory '{name}' is not in Git mode, in which alone a template has the settings of its key: give it a \
             repoConfiguration, or leave includeKey out"
        )),
        other => internal_error(&*Box::<dyn Error>::from(format!("{other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_caller_can_mend_is_500_and_its_cause_is_not_answered() {
        let error = refused(Refusal::Interrupted("the cause".to_owned()));
        assert_eq!(error.status, 500);
        assert!(!error.message.contains("cause"), "{}", error.message);
    }
}
