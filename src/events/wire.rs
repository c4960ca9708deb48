//! The wire format of events: Event Grid's schema and CloudEvents 1.0. The members are those of "Azure Key Vault as Event Grid
//! source"; those of the validation event are documented under "Endpoint validation".

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::courier::{HookRequest, Method};
use super::webhook::{EventType, Schema, WebhookUrl};
use crate::clock::Timestamp;
use crate::resource_id::{ResourceType, SubscriptionId};
use crate::vault::{Event, Kind};

/// The sender in CloudEvents' handshake: the service's own name, which receivers compare.
pub(super) const ORIGIN: &str = "eventgrid.azure.net";
/// The name of every subscription; the service sends names in upper case.
const SUBSCRIPTION_NAME: &str = "KEYHAVEN";

/// Writes events; holds what their resource ids need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireFormat {
    /// The tenant's subscription.
    pub subscription: SubscriptionId,
}

/// An event in Event Grid's schema, with the members in the service's order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GridEvent {
    id: Uuid,
    topic: String,
    subject: String,
    event_type: EventType,
    data: Data,
    data_version: &'static str,
    metadata_version: &'static str,
    event_time: String,
}

/// An event as CloudEvents 1.0 has it.
#[derive(Serialize)]
struct CloudEvent {
    id: Uuid,
    source: String,
    subject: String,
    #[serde(rename = "type")]
    kind: EventType,
    time: String,
    data: Data,
    specversion: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    id: String,
    vault_name: String,
    object_type: &'static str,
    object_name: String,
    version: Option<String>,
    #[serde(rename = "NBF")]
    nbf: Option<i64>,
    #[serde(rename = "EXP")]
    exp: Option<i64>,
}

impl WireFormat {
    /// `event` in Event Grid's schema.
    pub(crate) fn grid(self, event: &Event) -> GridEvent {
        let data = Data::of(event);
        GridEvent {
            id: event.id,
            topic: self.topic(event),
            subject: data.object_name.clone(),
            event_type: EventType::of(event),
            data,
            data_version: "1",
            metadata_version: "1",
            event_time: event.at.to_string(),
        }
    }

    fn cloud(self, event: &Event) -> CloudEvent {
        let data = Data::of(event);
        CloudEvent {
            id: event.id,
            source: self.topic(event),
            subject: data.object_name.clone(),
            kind: EventType::of(event),
            time: event.at.to_string(),
            data,
            specversion: "1.0",
        }
    }

    /// The vault's resource id.
    fn topic(self, event: &Event) -> String {
        let vault = event.vault.to_string();
        self.subscription.resource(&event.resource_group, ResourceType::VAULT, &vault).to_string()
    }

    /// `event` in `schema`, as an object.
    pub(super) fn object(self, event: &Event, schema: Schema) -> Value {
        let object = match schema {
            Schema::EventGrid => serde_json::to_value(self.grid(event)),
            Schema::CloudEvents => serde_json::to_value(self.cloud(event)),
        };
        object.unwrap_or_default()
    }

    /// The request that delivers `event` to the webhook at `url`, after `attempts` earlier attempts.
    pub(super) fn notification(self, event: &Event, url: &WebhookUrl, schema: Schema, attempts: u32) -> HookRequest {
        let body = match schema {
            // An array of one event, by default.
            Schema::EventGrid => serde_json::to_vec(&[self.grid(event)]),
            Schema::CloudEvents => serde_json::to_vec(&self.cloud(event)),
        };
        let mut headers = about("Notification", attempts);
        headers.extend(match schema {
            Schema::EventGrid => grid_headers(),
            Schema::CloudEvents => vec![
                ("content-type", "application/cloudevents+json; charset=utf-8".to_owned()),
                ("aeg-metadata-version", "1.0".to_owned()),
                ("origin", ORIGIN.to_owned()),
            ],
        });
        HookRequest { method: Method::Post, url: url.clone(), headers, body: body.unwrap_or_default() }
    }

    /// The validation request to the webhook at `url`: it returns `code`, or its owner opens `accept_url`.
    pub(super) fn validation_request(
        self,
        url: &WebhookUrl,
        schema: Schema,
        code: Uuid,
        accept_url: Option<&str>,
        now: Timestamp,
    ) -> HookRequest {
        match schema {
            Schema::EventGrid => self.event_grid_validation(url, code, accept_url, now),
            Schema::CloudEvents => cloud_events_validation(url, accept_url),
        }
    }

    fn event_grid_validation(
        self,
        url: &WebhookUrl,
        code: Uuid,
        accept_url: Option<&str>,
        now: Timestamp,
    ) -> HookRequest {
        let mut data = json!({ "validationCode": code });
        if let Some(accept_url) = accept_url {
            data["validationUrl"] = accept_url.into();
        }
        let event = json!([{
            "id": code,
            "topic": self.subscription.to_string(),
            "subject": "",
            "data": data,
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": now.to_string(),
            "metadataVersion": "1",
            "dataVersion": "1",
        }]);
        let headers = about("SubscriptionValidation", 0).into_iter().chain(grid_headers()).collect();
        HookRequest { method: Method::Post, url: url.clone(), headers, body: event.to_string().into_bytes() }
    }
}

/// CloudEvents' handshake ("HTTP 1.1 Web Hooks for Event Delivery", section 4). No rate is requested, as the service requests
/// none; a rate in the answer is obeyed.
fn cloud_events_validation(url: &WebhookUrl, accept_url: Option<&str>) -> HookRequest {
    let mut headers = vec![("webhook-request-origin", ORIGIN.to_owned())];
    headers.extend(accept_url.map(|accept_url| ("webhook-request-callback", accept_url.to_owned())));
    HookRequest { method: Method::Options, url: url.clone(), headers, body: vec![] }
}

/// The service counts deliveries from 0.
fn about(kind: &str, attempts: u32) -> Vec<(&'static str, String)> {
    vec![
        ("aeg-event-type", kind.to_owned()),
        ("aeg-subscription-name", SUBSCRIPTION_NAME.to_owned()),
        ("aeg-delivery-count", attempts.to_string()),
    ]
}

fn grid_headers() -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("aeg-data-version", "1".to_owned()),
        ("aeg-metadata-version", "1".to_owned()),
    ]
}

impl Data {
    /// Ids have the public cloud's host names: an event has no request whose host could be used. Of a change of access policies
    /// no example of the service's is public, only the members (the SDKs' `KeyVaultAccessPolicyChangedEventData`): it is an event
    /// of the vault, which has no version.
    fn of(event: &Event) -> Self {
        let vault_name = event.vault.to_string();
        let base = format!("https://{vault_name}.vault.azure.net");
        let Some(subject) = &event.subject else {
            let object_name = vault_name.clone();
            return Self {
                id: base,
                vault_name,
                object_type: "Vault",
                object_name,
                version: None,
                nbf: None,
                exp: None,
            };
        };
        let object_type = match subject.kind {
            Kind::Key => "Key",
            Kind::Secret => "Secret",
        };
        Self {
            id: format!("{base}/{}/{}/{}", subject.kind.collection(), subject.name, subject.version),
            vault_name,
            object_type,
            object_name: subject.name.to_string(),
            version: Some(subject.version.to_string()),
            nbf: subject.nbf.map(Timestamp::unix),
            exp: subject.exp.map(Timestamp::unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{EventSubject, ObjectName, Occurrence, VaultName, Version};

    const WIRE: WireFormat = WireFormat { subscription: SubscriptionId(Uuid::from_u128(2)) };

    fn event(occurrence: Occurrence, subject: Option<EventSubject>) -> Event {
        let (id, at) = (Uuid::from_u128(7), Timestamp::from_unix(1_700_000_000));
        let (vault, resource_group) = (VaultName::parse("acme").unwrap(), "keyhaven".to_owned());
        Event { id, at, occurrence, vault, resource_group, subject }
    }

    fn secret(exp: Option<i64>) -> Option<EventSubject> {
        let (name, version) = (ObjectName::parse("Db").unwrap(), Version::parse(&"0a".repeat(16)).unwrap());
        Some(EventSubject { kind: Kind::Secret, name, version, nbf: None, exp: exp.map(Timestamp::from_unix) })
    }

    #[test]
    fn an_event_in_both_schemas() {
        let event = event(Occurrence::NearExpiry, secret(Some(1_702_592_000)));
        let data = r#"{"Id":"https://acme.vault.azure.net/secrets/Db/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","VaultName":"acme","ObjectType":"Secret","ObjectName":"Db","Version":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","NBF":null,"EXP":1702592000}"#;
        let topic = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/keyhaven/providers/Microsoft.KeyVault/vaults/acme";
        let grid = serde_json::to_string(&WIRE.grid(&event)).unwrap();
        assert_eq!(
            grid,
            format!(
                r#"{{"id":"00000000-0000-0000-0000-000000000007","topic":"{topic}","subject":"Db","eventType":"Microsoft.KeyVault.SecretNearExpiry","data":{data},"dataVersion":"1","metadataVersion":"1","eventTime":"2023-11-14T22:13:20Z"}}"#
            )
        );
        let cloud = serde_json::to_string(&WIRE.cloud(&event)).unwrap();
        assert_eq!(
            cloud,
            format!(
                r#"{{"id":"00000000-0000-0000-0000-000000000007","source":"{topic}","subject":"Db","type":"Microsoft.KeyVault.SecretNearExpiry","time":"2023-11-14T22:13:20Z","data":{data},"specversion":"1.0"}}"#
            )
        );
    }

    #[test]
    fn a_change_of_policies_is_one_of_the_vault() {
        let grid = serde_json::to_value(WIRE.grid(&event(Occurrence::AccessPolicyChanged, None))).unwrap();
        assert_eq!((&grid["subject"], &grid["data"]["ObjectName"]), (&"acme".into(), &"acme".into()));
        assert_eq!(grid["data"]["Id"], "https://acme.vault.azure.net");
        assert_eq!((&grid["data"]["Version"], &grid["data"]["EXP"]), (&Value::Null, &Value::Null));
    }
}
