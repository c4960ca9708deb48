//! The resource providers of a subscription. All that there are are registered.

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::super::provider::{ProvidedType, Provider, namespaces};
use super::super::refusal;
use super::super::state::Call;
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::Operation;

pub(super) static LIST: Operation = Operation::management(
    "ProviderList",
    Method::GET,
    "/subscriptions/{subscriptionId}/providers",
    "Microsoft.Resources/subscriptions/providers/read",
);
pub(super) static GET: Operation = Operation::management(
    "ProviderGet",
    Method::GET,
    "/subscriptions/{subscriptionId}/providers/{namespace}",
    "Microsoft.Resources/subscriptions/providers/read",
);
/// The service asks for `{namespace}/register/action`, which is in every role that has this.
pub(super) static REGISTER: Operation = Operation::management(
    "ProviderRegister",
    Method::POST,
    "/subscriptions/{subscriptionId}/providers/{namespace}/register",
    "Microsoft.Resources/subscriptions/providers/register/action",
);

#[derive(Serialize)]
struct ProviderList {
    value: Vec<ProviderBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderBody {
    id: String,
    namespace: &'static str,
    resource_types: Vec<TypeBody>,
    registration_state: &'static str,
    registration_policy: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeBody {
    resource_type: &'static str,
    locations: [&'static str; 0],
    api_versions: &'static [&'static str],
    capabilities: &'static str,
}

/// Answers every provider.
pub(super) fn list(call: &Call) -> Response {
    let value = call.providers.iter().map(|provider| ProviderBody::of(provider, call)).collect();
    body::json(StatusCode::OK, &ProviderList { value })
}

/// Answers one provider, which is registered, as it is after its registration.
pub(super) fn get(call: &Call) -> Result<Response, ApiError> {
    let namespace = call.params.get("namespace");
    let found = call.providers.iter().find(|provider| provider.namespace.eq_ignore_ascii_case(&namespace));
    let found = found.ok_or_else(|| refusal::invalid_namespace(&namespace, &namespaces(call.providers)))?;
    Ok(body::json(StatusCode::OK, &ProviderBody::of(found, call)))
}

impl ProviderBody {
    fn of(provider: &Provider, call: &Call) -> Self {
        Self {
            id: format!("/subscriptions/{}/providers/{}", call.subscription(), provider.namespace),
            namespace: provider.namespace,
            resource_types: provider.types.iter().map(|kind| TypeBody::of(kind)).collect(),
            registration_state: "Registered",
            registration_policy: "RegistrationRequired",
        }
    }
}

impl TypeBody {
    fn of(kind: &ProvidedType) -> Self {
        Self {
            resource_type: kind.name,
            locations: [],
            api_versions: kind.versions,
            capabilities: "SupportsTags, SupportsLocation",
        }
    }
}
