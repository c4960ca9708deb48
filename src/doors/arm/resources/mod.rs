//! Microsoft.Resources: subscriptions, resource groups, lists of all resources, providers.

mod filter;
mod groups;
mod list;
mod providers;
mod subscriptions;

use super::endpoint::{Endpoint, Handler};
use super::polling;
use super::provider::{OtherVersions, ProvidedType, Provider};
use crate::operation::Operation;

/// The provider.
pub(super) static PROVIDER: Provider =
    Provider { namespace: "Microsoft.Resources", types: &[&SUBSCRIPTIONS, &GROUPS, &RESOURCES, &PROVIDERS, &RESULTS] };

/// The versions that clients ask for of what Resource Manager itself has (Azure/azure-rest-api-specs, resources).
const VERSIONS: &[&str] = &[
    "2025-04-01",
    "2025-03-01",
    "2024-11-01",
    "2024-07-01",
    "2024-03-01",
    "2023-07-01",
    "2022-12-01",
    "2022-09-01",
    "2022-01-01",
    "2021-04-01",
    "2021-01-01",
    "2020-10-01",
    "2020-08-01",
    "2020-06-01",
    "2020-01-01",
    "2019-11-01",
    "2019-10-01",
    "2019-08-01",
    "2019-07-01",
    "2019-06-01",
    "2019-05-10",
    "2019-05-01",
    "2019-03-01",
    "2018-06-01",
    "2018-05-01",
    "2018-02-01",
    "2018-01-01",
    "2017-08-01",
    "2017-05-10",
    "2017-03-01",
    "2016-09-01",
    "2016-07-01",
    "2016-06-01",
    "2016-02-01",
    "2015-11-01",
    "2015-01-01",
    "2014-04-01",
];

const fn own_type(name: &'static str) -> ProvidedType {
    ProvidedType { name, versions: VERSIONS, others: OtherVersions::LaterAreNewest }
}

static SUBSCRIPTIONS: ProvidedType = own_type("subscriptions");
static GROUPS: ProvidedType = own_type("resourceGroups");
static RESOURCES: ProvidedType = own_type("resources");
static RESULTS: ProvidedType = own_type("subscriptions/operationresults");
static PROVIDERS: ProvidedType = own_type("providers");

/// The operations.
pub(super) fn routes() -> Vec<(&'static Operation, Endpoint)> {
    let table: [(&'static Operation, &'static ProvidedType, Handler); 14] = [
        (&subscriptions::LIST, &SUBSCRIPTIONS, |state, _| Box::pin(subscriptions::list(state))),
        (&subscriptions::GET, &SUBSCRIPTIONS, |state, call| Box::pin(subscriptions::get(state, call))),
        (&groups::LIST, &GROUPS, |state, call| Box::pin(groups::list(state, call))),
        (&groups::GET, &GROUPS, |state, call| Box::pin(groups::get(state, call))),
        (&groups::EXISTS, &GROUPS, |state, call| Box::pin(groups::exists(state, call))),
        (&groups::PUT, &GROUPS, |state, call| Box::pin(groups::put(state, call))),
        (&groups::PATCH, &GROUPS, |state, call| Box::pin(groups::update(state, call))),
        (&groups::DELETE, &GROUPS, |state, call| Box::pin(groups::delete(state, call))),
        (&list::IN_SUBSCRIPTION, &RESOURCES, |state, call| Box::pin(list::in_subscription(state, call))),
        (&list::IN_GROUP, &RESOURCES, |state, call| Box::pin(list::in_group(state, call))),
        (&polling::RESULT, &RESULTS, |_, call| Box::pin(async move { polling::result(&call) })),
        (&providers::LIST, &PROVIDERS, |_, call| Box::pin(async move { Ok(providers::list(&call)) })),
        (&providers::GET, &PROVIDERS, |_, call| Box::pin(async move { providers::get(&call) })),
        (&providers::REGISTER, &PROVIDERS, |_, call| Box::pin(async move { providers::get(&call) })),
    ];
    table.into_iter().map(|(operation, kind, handler)| (operation, Endpoint { kind, handler })).collect()
}
