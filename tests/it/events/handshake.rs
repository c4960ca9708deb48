//! Nobody is sent an event who has not accepted.

use keyhaven::Storage;
use serde_json::json;

use super::receiver::{Heard, Receiver, Reply, agreeable, until};
use super::{accepted, listening, set, standing, world};

const TOPIC: &str = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002";
const VAULTS: &str = "resourceGroups/keyhaven/providers/Microsoft.KeyVault/vaults";

/// The value of a URL's parameter.
fn parameter<'u>(url: &'u str, name: &str) -> &'u str {
    let query = url.split_once('?').unwrap().1;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap()
}

#[tokio::test]
async fn event_grid_asks_with_an_event_and_tells_with_another() {
    let receiver = Receiver::new().await;
    let world = listening(&receiver, Storage::Memory).await;
    let question = receiver.questions().remove(0);
    let data = &question.event()["data"];
    let (code, url) = (data["validationCode"].as_str().unwrap(), data["validationUrl"].as_str().unwrap());
    let asked_at = question.event()["eventTime"].as_str().unwrap().to_owned();
    assert_eq!(
        question.exactly(),
        format!(
            "POST /in?code=hush\n\
             aeg-event-type: SubscriptionValidation\n\
             aeg-subscription-name: KEYHAVEN\n\
             aeg-delivery-count: 0\n\
             content-type: application/json; charset=utf-8\n\
             aeg-data-version: 1\n\
             aeg-metadata-version: 1\n\
             [{{\"data\":{{\"validationCode\":\"{code}\",\"validationUrl\":\"{url}\"}},\"dataVersion\":\"1\",\
             \"eventTime\":\"{asked_at}\",\"eventType\":\"Microsoft.EventGrid.SubscriptionValidationEvent\",\
             \"id\":\"{code}\",\"metadataVersion\":\"1\",\"subject\":\"\",\"topic\":\"{TOPIC}\"}}]"
        )
    );
    let admin = world.server.ready.admin.clone().unwrap();
    assert!(url.starts_with(&format!("http://{admin}/admin/events/validate?id=")), "{url}");

    let version = world.ask("PUT /secrets/Db", r#"{"value":"v","attributes":{"exp":1800000000}}"#).await.version();
    let event = receiver.hears(1).await.remove(0);
    let id = event.event()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        event.exactly(),
        format!(
            "POST /in?code=hush\n\
             aeg-event-type: Notification\n\
             aeg-subscription-name: KEYHAVEN\n\
             aeg-delivery-count: 0\n\
             content-type: application/json; charset=utf-8\n\
             aeg-data-version: 1\n\
             aeg-metadata-version: 1\n\
             [{{\"id\":\"{id}\",\"topic\":\"{TOPIC}/{VAULTS}/acme\",\"subject\":\"Db\",\
             \"eventType\":\"Microsoft.KeyVault.SecretNewVersionCreated\",\"data\":\
             {{\"Id\":\"https://acme.vault.azure.net/secrets/Db/{version}\",\"VaultName\":\"acme\",\"ObjectType\":\"Secret\",\
             \"ObjectName\":\"Db\",\"Version\":\"{version}\",\"NBF\":null,\"EXP\":1800000000}},\
             \"dataVersion\":\"1\",\"metadataVersion\":\"1\",\"eventTime\":\"2023-11-14T22:13:20Z\"}}]"
        )
    );
}

#[tokio::test]
async fn cloud_events_asks_by_options_and_tells_in_its_own_form() {
    let receiver = Receiver::new().await;
    let hooks = json!([{ "url": receiver.url("/in"), "schema": "cloudevents" }]);
    let world = world(hooks, Storage::Memory).await;
    accepted(&world).await;
    let question = receiver.questions().remove(0);
    let callback = question.header("webhook-request-callback");
    let expected =
        format!("OPTIONS /in\nwebhook-request-origin: eventgrid.azure.net\nwebhook-request-callback: {callback}\n");
    assert_eq!(question.exactly(), expected);

    let version = world.key("k", r#"{"kty":"EC"}"#).await;
    let event = receiver.hears(1).await.remove(0);
    let id = event.event()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        event.exactly(),
        format!(
            "POST /in\n\
             aeg-event-type: Notification\n\
             aeg-subscription-name: KEYHAVEN\n\
             aeg-delivery-count: 0\n\
             content-type: application/cloudevents+json; charset=utf-8\n\
             aeg-metadata-version: 1.0\n\
             origin: eventgrid.azure.net\n\
             {{\"id\":\"{id}\",\"source\":\"{TOPIC}/{VAULTS}/acme\",\"subject\":\"k\",\
             \"type\":\"Microsoft.KeyVault.KeyNewVersionCreated\",\"time\":\"2023-11-14T22:13:20Z\",\"data\":\
             {{\"Id\":\"https://acme.vault.azure.net/keys/k/{version}\",\"VaultName\":\"acme\",\"ObjectType\":\"Key\",\
             \"ObjectName\":\"k\",\"Version\":\"{version}\",\"NBF\":null,\"EXP\":null}},\"specversion\":\"1.0\"}}"
        )
    );
}

/// Takes every question without an answer to it.
fn undecided(_: &Heard) -> Reply {
    Reply::status(200)
}

#[tokio::test]
async fn a_webhook_is_accepted_by_the_url_that_went_along_and_by_no_other() {
    let receiver = Receiver::that(undecided).await;
    for schema in ["eventgrid", "cloudevents"] {
        let hooks = json!([{ "url": receiver.url(&format!("/{schema}")), "schema": schema }]);
        let world = world(hooks, Storage::Memory).await;
        set(&world, schema).await;
        let asked = || receiver.questions().into_iter().find(|heard| heard.path == format!("/{schema}"));
        let question = until("a question", asked).await;
        let url = match schema {
            "eventgrid" => question.event()["data"]["validationUrl"].as_str().unwrap().to_owned(),
            _ => question.header("webhook-request-callback").to_owned(),
        };
        let path = &url[url.find("/admin").unwrap()..];
        let code = parameter(path, "code");
        let guessed = path.replace(code, "6b9e7c1a-0000-4000-8000-000000000001");
        let another = path.replace(parameter(path, "id"), "6b9e7c1a000040008000000000000001");
        for wrong in [&guessed, &another, "/admin/events/validate", &path.replace(code, "x")] {
            let refused = world.admin_with(&format!("GET {wrong}"), b"", &[]).await;
            assert_eq!(
                refused.error(),
                "404 NotFound This is no webhook's code, or not any more: it is good for 10 minutes, and for one time."
            );
        }
        let delivered =
            |receiver: &Receiver| receiver.events().iter().filter(|heard| heard.path == format!("/{schema}")).count();
        assert_eq!(delivered(&receiver), 0);
        let method = if schema == "eventgrid" { "GET" } else { "POST" };
        let taken = world.admin_with(&format!("{method} {path}"), b"", &[]).await;
        assert_eq!(taken.exactly(), "200 The webhook has accepted and is told of events.\n");
        until("the event", || (delivered(&receiver) == 1).then_some(())).await;
        assert_eq!(world.admin_with(&format!("{method} {path}"), b"", &[]).await.status, 404, "once");
    }
}

#[tokio::test]
async fn a_webhook_that_refuses_is_asked_again_with_another_code_and_gets_what_waited() {
    let receiver = Receiver::that(|_| Reply::status(500)).await;
    let world = world(json!([{ "url": receiver.url("/in") }]), Storage::Memory).await;
    set(&world, "a").await;
    let questions = until("three questions", || Some(receiver.questions()).filter(|all| all.len() >= 3)).await;
    assert_ne!(questions[0].event()["data"], questions[1].event()["data"]);
    let webhooks = standing(&world, "a failure", |webhook| webhook["lastFailure"].is_object()).await;
    assert_eq!(webhooks[0]["lastFailure"]["why"], "answered 500 to the validation event; 200 is needed");
    assert_eq!((&webhooks[0]["validated"], &webhooks[0]["waiting"]), (&false.into(), &1.into()));
    assert_eq!(receiver.events().len(), 0);
    receiver.behaves(agreeable);
    receiver.hears(1).await;
    assert_eq!(receiver.summaries(), ["a SecretNewVersionCreated"]);
}

#[tokio::test]
async fn a_rate_that_was_allowed_is_kept_to() {
    let receiver = Receiver::that(|heard| {
        let mut reply = agreeable(heard);
        reply.headers.push(("webhook-allowed-rate", "300".to_owned()));
        reply
    });
    let receiver = receiver.await;
    let hooks = json!([{ "url": receiver.url("/in"), "schema": "cloudevents" }]);
    let world = world(hooks, Storage::Memory).await;
    accepted(&world).await;
    let begun = std::time::Instant::now();
    for name in ["a", "b", "c", "d"] {
        set(&world, name).await;
    }
    receiver.hears(4).await;
    assert!(begun.elapsed().as_millis() >= 3 * 200, "300 a minute are one in 200 ms: {:?}", begun.elapsed());
}
