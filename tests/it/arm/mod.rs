//! The management plane: what every `az login` asks, and what clients of Azure Resource Manager create.

mod children;
mod client_certificates;
mod configured;
mod credentials;
mod customer_key;
mod exported;
mod factories;
mod frame;
mod groups;
mod networks;
mod node_runs;
mod nodes;
mod rights;
mod runs;
mod runtimes;
mod shared_credentials;
mod shared_runtimes;

use crate::world::{Answer, World};
use serde_json::json;

const MANAGEMENT: &str = "https://management.core.windows.net/";
/// The subscription that there is unless a configuration names another.
const SUBSCRIPTION: &str = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002";

/// A client of the management plane, signed in as one identity.
struct Client<'w> {
    world: &'w World,
    token: String,
}

impl<'w> Client<'w> {
    async fn of(world: &'w World, name: &str) -> Self {
        Self { world, token: world.token_for(name, MANAGEMENT).await }
    }

    /// A request; in `line` `S` at the begin of a path is the subscription, and `?2021-04-01` is that api-version.
    async fn ask(&self, line: &str, body: &str) -> Answer {
        self.ask_with(line, body, &[]).await
    }

    async fn ask_with(&self, line: &str, body: &str, headers: &[(&'static str, &str)]) -> Answer {
        let line = line.replace(" S", &format!(" {SUBSCRIPTION}")).replace("?2", "?api-version=2");
        let mut request = self.world.request(&self.host(), &line, body, Some(&self.token));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        self.world.send(request).await
    }

    fn host(&self) -> String {
        format!("arm.localhost:{}", self.world.port())
    }
}

#[tokio::test]
async fn every_identity_finds_the_one_subscription() {
    let world = World::new().await;
    let host = format!("arm.localhost:{}", world.port());
    let ask = async |line: &str, token: Option<&str>| world.send(world.request(&host, line, "", token)).await;
    let line = "GET /subscriptions?api-version=2022-12-01";
    let tenant = "6b9e7c1a-0000-4000-8000-000000000001";

    let token = world.token_for("nobody", MANAGEMENT).await;
    let listed = ask(line, Some(&token)).await;
    assert_eq!(listed.status, 200);
    let subscription = &listed.json()["value"][0];
    assert_eq!(subscription["subscriptionId"], "6b9e7c1a-0000-4000-8000-000000000002");
    assert_eq!((&subscription["tenantId"], &subscription["state"]), (&json!(tenant), &json!("Enabled")));
    assert_eq!(listed.json()["count"], json!({"type": "Total", "value": 1}));

    let missing = ask(line, None).await;
    assert_eq!(
        missing.error(),
        "401 AuthenticationFailed Authentication failed. The 'Authorization' header is missing."
    );
    assert_eq!(
        missing.header("www-authenticate"),
        format!(r#"Bearer authorization_uri="https://login.microsoftonline.com/{tenant}", error="invalid_token""#)
    );
    let vaults = world.token_for("owner", "https://vault.azure.net").await;
    let wrong = ask(line, Some(&vaults)).await.error();
    assert!(
        wrong.starts_with("401 AuthenticationFailed The access token has been obtained for wrong audience"),
        "{wrong}"
    );
    let absent = ask("GET /tenants?api-version=2021-04-01", Some(&token)).await.error();
    assert!(absent.starts_with("404 InvalidResourceType Keyhaven's management plane does not have GET"), "{absent}");
}

#[tokio::test]
async fn a_subscription_is_found_by_its_id_and_no_other_is() {
    let world = World::new().await;
    let host = format!("arm.localhost:{}", world.port());
    let token = world.token_for("nobody", MANAGEMENT).await;
    let ask = async |line: &str| world.send(world.request(&host, line, "", Some(&token))).await;

    let listed = ask("GET /subscriptions?api-version=2022-12-01").await.json();
    let found = ask("GET /Subscriptions/6B9E7C1A-0000-4000-8000-000000000002?api-version=2022-12-01").await;
    assert_eq!((found.status.as_u16(), &found.json()), (200, &listed["value"][0]));
    let other = ask("GET /subscriptions/6b9e7c1a-0000-4000-8000-000000000003?api-version=2022-12-01").await;
    assert_eq!(
        other.error(),
        "404 SubscriptionNotFound The subscription '6b9e7c1a-0000-4000-8000-000000000003' could not be found."
    );
    let malformed = ask("GET /subscriptions/mine?api-version=2022-12-01").await;
    assert_eq!(
        malformed.error(),
        "400 InvalidSubscriptionId The provided subscription identifier 'mine' is malformed or invalid."
    );
    let unversioned = ask("GET /subscriptions/mine?api-version=").await.error();
    assert!(unversioned.starts_with("400 MissingApiVersionParameter "), "{unversioned}");
}

#[tokio::test]
async fn the_subscription_is_the_configured_one() {
    let id = "12121212-0000-4000-8000-000000000000";
    let config = format!(r#"{{"subscriptionId":"{id}","identities":[{{"name":"owner"}}]}}"#);
    let world = World::of(&config, keyhaven::Storage::Memory).await;
    let path = format!("/metadata/identity/oauth2/token?api-version=1&resource={MANAGEMENT}");
    let answer = world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await.json();
    let token = answer["access_token"].as_str().unwrap();
    let host = format!("arm.localhost:{}", world.port());
    let listed = world.send(world.request(&host, "GET /subscriptions?api-version=2022-12-01", "", Some(token))).await;
    assert_eq!(listed.json()["value"][0]["id"], format!("/subscriptions/{id}"));
    let listed = world.admin("GET /admin/identities", "").await.json();
    assert!(listed["identities"][0]["resourceId"].as_str().unwrap().starts_with(&format!("/subscriptions/{id}/")));
}
