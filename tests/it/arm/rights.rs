//! Who may do what in the management plane. The table is typed by hand from the definitions of the roles.

use keyhaven::{Listen, Options, Storage};
use serde_json::{Value, json};

use super::{Client, SUBSCRIPTION};
use crate::world::World;

/// Request line, body and action.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("GET S/resourceGroups/shop?2021-04-01", "", "Microsoft.Resources/subscriptions/resourceGroups/read"),
    ("HEAD S/resourceGroups/shop?2021-04-01", "", "Microsoft.Resources/subscriptions/resourceGroups/read"),
    (
        "PATCH S/resourceGroups/shop?2021-04-01",
        r#"{"tags": {}}"#,
        "Microsoft.Resources/subscriptions/resourceGroups/write",
    ),
    (
        "PUT S/resourceGroups/shop?2021-04-01",
        r#"{"location": "local"}"#,
        "Microsoft.Resources/subscriptions/resourceGroups/write",
    ),
    (
        "GET S/resourceGroups/shop/resources?2021-04-01",
        "",
        "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
    ),
    ("GET S/providers/Microsoft.DataFactory/factories?2018-06-01", "", "Microsoft.DataFactory/factories/read"),
    ("GET F?2018-06-01", "", "Microsoft.DataFactory/factories/read"),
    ("GET F/acme?2018-06-01", "", "Microsoft.DataFactory/factories/read"),
    ("PUT F/acme?2018-06-01", r#"{"location": "x"}"#, "Microsoft.DataFactory/factories/write"),
    ("PATCH F/acme?2018-06-01", "{}", "Microsoft.DataFactory/factories/write"),
    ("PUT F/acme/pipelines/p?2018-06-01", r#"{"properties": {}}"#, "Microsoft.DataFactory/factories/pipelines/write"),
    ("GET F/acme/pipelines?2018-06-01", "", "Microsoft.DataFactory/factories/pipelines/read"),
    ("GET F/acme/pipelines/p?2018-06-01", "", "Microsoft.DataFactory/factories/pipelines/read"),
    ("DELETE F/acme/pipelines/p?2018-06-01", "", "Microsoft.DataFactory/factories/pipelines/delete"),
    ("GET F/acme/linkedservices?2018-06-01", "", "Microsoft.DataFactory/factories/linkedServices/read"),
    ("GET F/acme/datasets?2018-06-01", "", "Microsoft.DataFactory/factories/datasets/read"),
    ("GET F/acme/dataflows?2018-06-01", "", "Microsoft.DataFactory/factories/dataflows/read"),
    ("GET F/acme/triggers?2018-06-01", "", "Microsoft.DataFactory/factories/triggers/read"),
    (
        "PUT F/acme/credentials/c?2018-06-01",
        r#"{"properties": {"type": "ServicePrincipal"}}"#,
        "Microsoft.DataFactory/factories/credentials/write",
    ),
    ("GET F/acme/credentials?2018-06-01", "", "Microsoft.DataFactory/factories/credentials/read"),
    ("DELETE F/acme/credentials/c?2018-06-01", "", "Microsoft.DataFactory/factories/credentials/delete"),
    ("GET F/acme/managedVirtualNetworks?2018-06-01", "", "Microsoft.DataFactory/factories/managedVirtualNetworks/read"),
    (
        "PUT F/acme/integrationRuntimes/own?2018-06-01",
        r#"{"properties": {"type": "SelfHosted"}}"#,
        "Microsoft.DataFactory/factories/integrationruntimes/write",
    ),
    ("GET F/acme/integrationRuntimes?2018-06-01", "", "Microsoft.DataFactory/factories/integrationruntimes/read"),
    ("GET F/acme/integrationRuntimes/own?2018-06-01", "", "Microsoft.DataFactory/factories/integrationruntimes/read"),
    (
        "PATCH F/acme/integrationRuntimes/own?2018-06-01",
        "{}",
        "Microsoft.DataFactory/factories/integrationruntimes/write",
    ),
    (
        "POST F/acme/integrationRuntimes/own/getConnectionInfo?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/getconnectioninfo/action",
    ),
    (
        "POST F/acme/integrationRuntimes/own/getStatus?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/getstatus/read",
    ),
    (
        "POST F/acme/integrationRuntimes/own/monitoringData?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/monitoringdata/read",
    ),
    (
        "POST F/acme/integrationRuntimes/own/listAuthKeys?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/listauthkeys/action",
    ),
    (
        "POST F/acme/integrationRuntimes/own/regenerateAuthKey?2018-06-01",
        r#"{"keyName": "authKey1"}"#,
        "Microsoft.DataFactory/factories/integrationruntimes/regenerateauthkey/action",
    ),
    (
        "GET F/acme/integrationRuntimes/own/nodes/n?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/nodes/read",
    ),
    (
        "PATCH F/acme/integrationRuntimes/own/nodes/n?2018-06-01",
        r#"{"concurrentJobsLimit": 1}"#,
        "Microsoft.DataFactory/factories/integrationruntimes/nodes/write",
    ),
    (
        "POST F/acme/integrationRuntimes/own/nodes/n/ipAddress?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/nodes/ipAddress/action",
    ),
    (
        "DELETE F/acme/integrationRuntimes/own/nodes/n?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/nodes/delete",
    ),
    (
        "DELETE F/acme/integrationRuntimes/own?2018-06-01",
        "",
        "Microsoft.DataFactory/factories/integrationruntimes/delete",
    ),
    ("DELETE F/acme?2018-06-01", "", "Microsoft.DataFactory/factories/delete"),
    ("DELETE S/resourceGroups/shop?2021-04-01", "", "Microsoft.Resources/subscriptions/resourceGroups/delete"),
];

/// What each role permits of these at a resource group; `PREFIX*` and `*SUFFIX` are all that begin or end so.
const ROLES: &[(&str, &[&str])] = &[
    ("Owner", &["*"]),
    ("Contributor", &["*"]),
    ("Reader", &["*/read"]),
    ("Data Factory Contributor", &["Microsoft.DataFactory/*", "Microsoft.Resources/subscriptions/resourceGroups/read"]),
    ("Key Vault Administrator", &["Microsoft.Resources/subscriptions/resourceGroups/read"]),
    ("Key Vault Secrets User", &[]),
];

fn permits(patterns: &[&str], action: &str) -> bool {
    patterns.iter().any(|pattern| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => action.starts_with(start),
        (None, Some(end)) => action.ends_with(end),
        (None, None) => *pattern == action,
    })
}

/// A tenant whose vault is in the group `shop`, where each role of [`ROLES`] has its identity.
async fn world(more: Value) -> World {
    let group = format!("{SUBSCRIPTION}/resourceGroups/Shop");
    let of_role = |(index, (role, _)): (usize, &(&str, &[&str]))| json!({"name": format!("r{index}"), "roleAssignments": [{"role": role, "scope": group}]});
    let mut identities: Vec<Value> = vec![json!({"name": "owner", "systemAssigned": true}), json!({"name": "nobody"})];
    identities.extend(ROLES.iter().enumerate().map(of_role));
    let mut config = json!({"identities": identities, "vaults": [{"name": "acme", "resourceGroup": "shop"}]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    World::of(&config.to_string(), Storage::Memory).await
}

#[tokio::test]
async fn each_role_permits_its_actions_alone() {
    let world = world(json!({})).await;
    for (index, (role, patterns)) in ROLES.iter().enumerate() {
        let client = Client::of(&world, &format!("r{index}")).await;
        for (line, body, action) in OPERATIONS {
            let line = line.replace(" F", " S/resourceGroups/shop/providers/Microsoft.DataFactory/factories");
            let answer = client.ask(&line, body).await;
            assert_eq!(answer.status == 403, !permits(patterns, action), "{role}: {line}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_caller_the_action_and_the_scope() {
    let world = world(json!({})).await;
    let client = Client::of(&world, "nobody").await;
    let id =
        world.admin("GET /admin/identities", "").await.json()["identities"][1]["objectId"].as_str().unwrap().to_owned();
    let refused = client.ask("GET S/resourcegroups/SHOP?2021-04-01", "").await;
    assert_eq!(
        refused.error(),
        format!(
            "403 AuthorizationFailed The client '{id}' with object id '{id}' does not have authorization to perform action \
             'Microsoft.Resources/subscriptions/resourceGroups/read' over scope '{SUBSCRIPTION}/resourceGroups/SHOP' or the scope is \
             invalid. If access was recently granted, please refresh your credentials."
        )
    );
    let absent = client.ask("GET S/resourcegroups/none?2021-04-01", "").await;
    assert_eq!(absent.status, 403, "who may not see a group does not learn whether it is there");
}

#[tokio::test]
async fn without_a_role_only_the_subscriptions_are_seen() {
    let world = world(json!({})).await;
    let client = Client::of(&world, "nobody").await;
    assert_eq!(client.ask("GET /subscriptions?2021-04-01", "").await.status, 200);
    for line in ["GET S/resourcegroups?2021-04-01", "GET S/resources?2021-04-01", "GET S/providers?2021-04-01"] {
        assert_eq!(client.ask(line, "").await.status, 403, "{line}");
    }
    let outside = client.ask("GET S/resourcegroups/a%2Fb?2021-04-01", "").await.error();
    assert!(outside.starts_with("400 InvalidResourceName "), "{outside}");
}

#[tokio::test]
async fn a_list_shows_what_its_reader_may_see() {
    let world = world(json!({})).await;
    let reader = Client::of(&world, "r2").await;
    let names = |list: Value| -> Vec<String> {
        list["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(reader.ask("GET S/resourcegroups?2021-04-01", "").await.json()), ["shop"]);
    assert_eq!(names(reader.ask("GET S/resources?2021-04-01", "").await.json()), ["acme"]);
    let owner = Client::of(&world, "owner").await;
    assert_eq!(names(owner.ask("GET S/resourcegroups?2021-04-01", "").await.json()), ["keyhaven", "shop"]);
}

#[tokio::test]
async fn a_list_of_what_is_in_a_factory_shows_what_its_reader_may_see() {
    let world = world(json!({})).await;
    let owner = Client::of(&world, "owner").await;
    let factory = "S/resourceGroups/shop/providers/Microsoft.DataFactory/factories/acme";
    assert_eq!(owner.ask(&format!("PUT {factory}?2018-06-01"), r#"{"location": "x"}"#).await.status, 200);
    for name in ["seen", "hidden"] {
        let made = owner.ask(&format!("PUT {factory}/pipelines/{name}?2018-06-01"), r#"{"properties": {}}"#).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }
    let scope = format!("{}/pipelines/Seen", factory.replacen('S', SUBSCRIPTION, 1));
    let role = json!({"identity": "nobody", "role": "Reader", "scope": scope}).to_string();
    let assigned = world.admin("PUT /admin/role-assignments/6b9e7c1a-0000-4000-8000-0000000000aa", &role).await;
    assert_eq!(assigned.status, 201, "{}", assigned.text);
    let list = format!("GET {factory}/pipelines?2018-06-01");
    let listed = Client::of(&world, "nobody").await.ask(&list, "").await.json();
    let names = listed["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["seen"]);
    assert_eq!(owner.ask(&list, "").await.json()["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_default_identity_owns_the_subscription_unless_owners_are_named() {
    let line = "PUT S/resourcegroups/g?2021-04-01";
    let body = r#"{"location": "local"}"#;
    for (owners, expected) in [
        (json!({}), [201, 403]),
        (json!({"owners": []}), [403, 403]),
        (json!({"owners": ["nobody"]}), [403, 201]),
        (json!({"owners": ["owner", "nobody"]}), [201, 200]),
    ] {
        let world = world(owners.clone()).await;
        for (name, expected) in ["owner", "nobody"].into_iter().zip(expected) {
            let answer = Client::of(&world, name).await.ask(line, body).await;
            assert_eq!(answer.status, expected, "{owners}: {name}: {}", answer.text);
        }
    }
    let default = World::of("{}", Storage::Memory).await;
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={}", super::MANAGEMENT);
    let answer = default.plain(&default.server.ready.identity, &path, &[("metadata", "true")]).await.json();
    let client = Client { world: &default, token: answer["access_token"].as_str().unwrap().to_owned() };
    assert_eq!(client.ask(line, body).await.status, 201, "without a configuration too");
}

#[tokio::test]
async fn identities_made_on_the_spot_own_it_with_the_default_one() {
    let listen = Listen { proxy: Some("127.0.0.1:0".parse().unwrap()), ..Listen::on_free_ports() };
    let world = World::with(Options { listen, storage: Storage::Memory, ..Options::default() }).await;
    let path = format!(
        "/metadata/identity/oauth2/token?api-version=2018-02-01&client_id=77777777-0000-4000-8000-000000000000&resource={}",
        super::MANAGEMENT
    );
    let answer = world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await.json();
    let client = Client { world: &world, token: answer["access_token"].as_str().unwrap().to_owned() };
    let made = client.ask("PUT S/resourcegroups/g?2021-04-01", r#"{"location": "local"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test]
async fn a_deny_assignment_forbids_what_a_role_allows() {
    let denial =
        json!({"identity": "owner", "scope": format!("{SUBSCRIPTION}/resourceGroups/shop"), "actions": ["*/write"]});
    let world = world(json!({"denyAssignments": [denial]})).await;
    let owner = Client::of(&world, "owner").await;
    let denied = owner.ask("PATCH S/resourcegroups/shop?2021-04-01", r#"{"tags": {}}"#).await.error();
    assert!(denied.starts_with("403 DenyAssignmentAuthorizationFailed "), "{denied}");
    assert_eq!(owner.ask("GET S/resourcegroups/shop?2021-04-01", "").await.status, 200);
    assert_eq!(owner.ask("PUT S/resourcegroups/g?2021-04-01", r#"{"location": "local"}"#).await.status, 201);
}

#[tokio::test]
async fn a_role_that_is_removed_counts_no_more() {
    let world = world(json!({})).await;
    let reader = Client::of(&world, "r2").await;
    let line = "GET S/resourcegroups/shop?2021-04-01";
    assert_eq!(reader.ask(line, "").await.status, 200);
    let all = world.admin("GET /admin/role-assignments", "").await.json();
    let own = all["roleAssignments"].as_array().unwrap().iter().find(|one| one["identity"] == "r2").unwrap().clone();
    let removed = world.admin(&format!("DELETE /admin/role-assignments/{}", own["name"].as_str().unwrap()), "").await;
    assert_eq!(removed.status, 204);
    assert_eq!(reader.ask(line, "").await.status, 403);
}
