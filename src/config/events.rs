//! Webhooks in the configuration file.

use serde::Deserialize;

use super::error::{ConfigError, invalid};
use crate::events::{EventType, Schema, Webhook};

/// The most webhooks: each one's deliveries occupy threads.
const MAX_WEBHOOKS: usize = 16;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsEntry {
    #[serde(default)]
    webhooks: Vec<WebhookEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookEntry {
    url: String,
    schema: Option<String>,
    #[serde(default)]
    types: Vec<String>,
}

impl EventsEntry {
    pub(super) fn webhooks(&self) -> Result<Vec<Webhook>, ConfigError> {
        let mut known: Vec<Webhook> = Vec::new();
        for (index, webhook) in self.webhooks.iter().enumerate() {
            let path = format!("events.webhooks[{index}]");
            let webhook = webhook.webhook(&path)?;
            if known.iter().any(|other| other.id() == webhook.id()) {
                return Err(invalid(path, "there are two webhooks of this 'url' and 'schema': join their 'types'"));
            }
            known.push(webhook);
        }
        match known.len() {
            0..=MAX_WEBHOOKS => Ok(known),
            _ => Err(invalid("events.webhooks", format!("must be at most {MAX_WEBHOOKS}"))),
        }
    }
}

impl WebhookEntry {
    fn webhook(&self, path: &str) -> Result<Webhook, ConfigError> {
        let schema = self.schema.as_deref().unwrap_or(Schema::default().as_str());
        let schema = Schema::parse(schema);
        let schema = schema.ok_or_else(|| invalid(format!("{path}.schema"), "must be eventgrid or cloudevents"))?;
        let kind = |(index, text): (usize, &String)| {
            let unknown = || invalid(format!("{path}.types[{index}]"), format!("must be one of {}", known_types()));
            EventType::parse(text).ok_or_else(unknown)
        };
        let types = self.types.iter().enumerate().map(kind).collect::<Result<_, _>>()?;
        // The error does not contain the URL: its query can hold an access code.
        Webhook::new(&self.url, schema, types).map_err(|why| invalid(format!("{path}.url"), why))
    }
}

fn known_types() -> String {
    EventType::ALL.map(EventType::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn webhooks(text: &str) -> Result<Vec<Webhook>, String> {
        let text = format!(r#"{{"events":{{"webhooks":{text}}}}}"#);
        Config::parse(&text).map(|config| config.webhooks).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_is_enough() {
        let hooks = webhooks(r#"[{"url":"http://localhost:1/in?code=hush"}]"#).unwrap();
        assert_eq!((hooks[0].schema, hooks[0].types.len(), hooks[0].event_types().len()), (Schema::EventGrid, 0, 7));
        let text = r#"[{"url":"https://a/in","schema":"cloudevents","types":["Microsoft.KeyVault.KeyExpired"]}]"#;
        let hooks = webhooks(text).unwrap();
        assert_eq!((hooks[0].schema, hooks[0].event_types()), (Schema::CloudEvents, vec![EventType::KeyExpired]));
        assert!(Config::parse(r#"{"events":{}}"#).unwrap().webhooks.is_empty());
    }

    #[test]
    fn what_is_wrong_is_reported_with_its_path_and_without_the_url() {
        for (text, expected) in [
            (r#"[{"url":"ftp://a/?code=hush"}]"#, "events.webhooks[0].url: must be an http or https URL"),
            (r#"[{"url":7}]"#, "events.webhooks[0].url: invalid type"),
            (r#"[{}]"#, "events.webhooks[0]: missing field `url`"),
            (r#"[{"url":"http://a","topic":"x"}]"#, "events.webhooks[0].topic: unknown field"),
            (
                r#"[{"url":"http://a","schema":"custom"}]"#,
                "events.webhooks[0].schema: must be eventgrid or cloudevents",
            ),
            (
                r#"[{"url":"http://a","types":["Microsoft.KeyVault.KeyExpired","Microsoft.KeyVault.CertificateExpired"]}]"#,
                "events.webhooks[0].types[1]: must be one of Microsoft.KeyVault.KeyNewVersionCreated, ",
            ),
            (r#"[{"url":"http://a/?hush"},{"url":"http://a/?hush"}]"#, "events.webhooks[1]: there are two webhooks"),
        ] {
            let why = webhooks(text).unwrap_err();
            assert!(why.starts_with(expected) && !why.contains("hush"), "{why}");
        }
        let many: Vec<_> = (0..17).map(|n| format!(r#"{{"url":"http://a/{n}"}}"#)).collect();
        assert_eq!(webhooks(&format!("[{}]", many.join(","))).unwrap_err(), "events.webhooks: must be at most 16");
    }
}
