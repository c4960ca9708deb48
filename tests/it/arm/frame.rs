//! What all requests of the management plane have in common: headers, api-versions, paths, errors of the service.

use uuid::Uuid;

use super::factories::line;
use super::{Client, SUBSCRIPTION};
use crate::world::World;

#[tokio::test]
async fn every_answer_carries_resource_managers_headers() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let answer = client.ask("GET S/providers?2021-04-01", "").await;
    let id = answer.header("x-ms-request-id");
    assert!(Uuid::parse_str(id).is_ok(), "{id}");
    assert_eq!(answer.header("x-ms-correlation-request-id"), id, "without one of the client");
    assert_eq!(answer.header("x-ms-routing-request-id"), format!("LOCAL:20231114T221320Z:{id}"));
    for (name, expected) in [
        ("x-ms-ratelimit-remaining-subscription-reads", "11999"),
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-go-azure-sdk-skip-polling-delay", "true"),
        ("x-ms-client-request-id", ""),
    ] {
        assert_eq!(answer.header(name), expected, "{name}");
    }
    let given = "12345678-0000-4000-8000-000000000000";
    let own = [("x-ms-correlation-request-id", given), ("x-ms-client-request-id", "mine")];
    let answer = client.ask_with("PUT S/resourceGroups/g?2021-04-01", "", &own).await;
    assert_eq!(answer.header("x-ms-correlation-request-id"), given, "also of a refusal");
    assert_eq!(answer.header("x-ms-client-request-id"), "", "it did not ask for it");
    assert_eq!(answer.header("x-ms-ratelimit-remaining-subscription-writes"), "1199");
    let returned = [("x-ms-client-request-id", "mine"), ("x-ms-return-client-request-id", "true")];
    let answer = client.ask_with("DELETE S/resourceGroups/g?2021-04-01", "", &returned).await;
    assert_eq!(answer.header("x-ms-client-request-id"), "mine");
    assert_eq!(answer.header("x-ms-ratelimit-remaining-subscription-deletes"), "14999");
}

#[tokio::test]
async fn an_api_version_must_be_one_of_the_types() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    for (version, expected) in [
        ("2015-11-01", 200),
        ("2022-09-01", 200),
        ("2099-01-01", 200),
        ("2099-01-01-preview", 200),
        ("2016-01-01", 400),
        ("newest", 400),
    ] {
        let answer = client.ask(&format!("GET S/resourcegroups?api-version={version}"), "").await;
        assert_eq!(answer.status, expected, "{version}: {}", answer.text);
    }
    let refused = client.ask("GET S/resourcegroups?api-version=newest", "").await.error();
    assert!(refused.starts_with("400 InvalidApiVersionParameter The api-version 'newest' is invalid. The supported versions are '2025-04-01,"), "{refused}");
    let missing = client.ask("GET S/resourcegroups?api-version=", "").await;
    assert_eq!(
        missing.error(),
        "400 MissingApiVersionParameter The api-version query parameter (?api-version=) is required for all requests."
    );
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let other = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000009";
    for (line, expected) in [
        ("GET S/resourceGroups/none?2021-04-01", "404 ResourceGroupNotFound Resource group 'none' could not be found.".to_owned()),
        ("GET S/resourceGroups/none/resources?2021-04-01", "404 ResourceGroupNotFound Resource group 'none' could not be found.".to_owned()),
        (
            "GET S/providers/Microsoft.None/things?2021-04-01",
            "404 InvalidResourceNamespace The resource namespace 'Microsoft.None' is invalid. Keyhaven's management plane has the namespaces "
                .to_owned(),
        ),
        (
            "GET S/resourceGroups/keyhaven/providers/microsoft.resources/things/t?2021-04-01",
            "404 InvalidResourceType The resource type could not be found in the namespace 'microsoft.resources' for api version '2021-04-01'."
                .to_owned(),
        ),
        (
            &format!("GET {other}/resourcegroups?2021-04-01"),
            format!("404 SubscriptionNotFound The subscription '{}' could not be found.", &other[15..]),
        ),
        ("POST S/resourcegroups?2021-04-01", "405 MethodNotAllowed The requested resource does not support http method 'POST'.".to_owned()),
    ] {
        let error = client.ask(line, "").await.error();
        assert!(error.starts_with(&expected), "{line}: {error}");
    }
}

#[tokio::test]
async fn a_body_must_be_json_of_the_resource_and_not_too_large() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    for body in ["", "{", "[]", r#"{"location": 5}"#, r#"{"location": "local", "tags": {"a": 1}}"#] {
        let error = client.ask("PUT S/resourceGroups/g?2021-04-01", body).await.error();
        let expected = "400 InvalidRequestContent The request content was invalid and could not be deserialized: '";
        assert!(error.starts_with(expected), "{body}: {error}");
    }
    let large = format!(r#"{{"location": "{}"}}"#, "x".repeat(2 << 20));
    let refused = client.ask("PUT S/resourceGroups/g?2021-04-01", &large).await;
    assert_eq!(refused.status, 413, "{}", refused.text);
}

#[tokio::test]
async fn a_body_is_an_object_and_its_error_names_the_member_and_not_the_value() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let key = r#"{"location": "local", "properties": {"encryption": ["hush", "k", null, null]}}"#;
    for (text, body, why) in [
        ("PUT S/resourceGroups/g?2021-04-01", r#"["local", null, null]"#, "invalid type: list, expected an object"),
        ("PUT F/acme/pipelines/p", r#"[{"activities": []}]"#, "invalid type: list, expected an object"),
        ("POST F/acme/pipelines/p/createRun", "[1]", "invalid type: list, expected an object"),
        (
            "PUT F/acme/linkedservices/s",
            r#"{"properties": "hush"}"#,
            "properties: invalid type: string, expected an object",
        ),
        ("PUT F/acme/pipelines/p", "{}", "missing field `properties`"),
        (
            "PUT F/acme",
            key,
            "Error converting value to 'properties.encryption': invalid type: list, expected an object",
        ),
    ] {
        let text = if text.contains(" F") { line(text) } else { text.to_owned() };
        let expected = format!(
            "400 InvalidRequestContent The request content was invalid and could not be deserialized: '{why}'."
        );
        assert_eq!(client.ask(&text, body).await.error(), expected, "{text} {body}");
    }
}

#[tokio::test]
async fn a_vaults_own_subscription_is_one_too() {
    let own = "6b9e7c1a-0000-4000-8000-00000000000a";
    let config = format!(
        r#"{{"identities": [{{"name": "owner"}}], "vaults": [{{"name": "acme"}}, {{"name": "other", "subscriptionId": "{own}"}}]}}"#
    );
    let world = World::of(&config, keyhaven::Storage::Memory).await;
    let client = Client::of(&world, "owner").await;
    let listed = client.ask("GET /subscriptions?2022-12-01", "").await.json();
    assert_eq!(listed["count"]["value"], 2);
    assert_eq!(listed["value"][1]["id"], format!("/subscriptions/{own}"));
    let groups = client.ask(&format!("GET /subscriptions/{own}/resourcegroups?2022-09-01"), "").await;
    assert_eq!(
        groups.json()["value"][0]["id"],
        format!("/subscriptions/{own}/resourceGroups/keyhaven"),
        "{}",
        groups.text
    );
}

#[tokio::test]
async fn providers_are_registered() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let listed = client.ask("GET S/providers?2022-09-01", "").await.json();
    let one = client.ask("GET S/providers/microsoft.resources?2022-09-01", "").await.json();
    assert_eq!(listed["value"][0], one);
    assert_eq!(one["id"], format!("{SUBSCRIPTION}/providers/Microsoft.Resources"));
    assert_eq!(one["registrationState"], "Registered");
    assert_eq!(one["resourceTypes"][1]["resourceType"], "resourceGroups");
    let registered = client.ask("POST S/providers/Microsoft.Resources/register?2022-09-01", "").await;
    assert_eq!((registered.status.as_u16(), registered.json()), (200, one));
    let unknown = client.ask("POST S/providers/Microsoft.None/register?2022-09-01", "").await.error();
    assert!(unknown.starts_with("404 InvalidResourceNamespace "), "{unknown}");
}
