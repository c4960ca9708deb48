//! Webhooks: URL, schema, and the types of events that they get.

use std::fmt;

use hyper::Uri;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::vault::{Event, Kind, Occurrence};

/// The namespace of webhook ids (UUID version 5).
const IDS: Uuid = Uuid::from_u128(0x6b9e_7c1a_0000_4000_8000_0000_0000_e7e8);

/// A receiver of events.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    /// Where events are sent.
    pub url: WebhookUrl,
    /// The form of the events.
    pub schema: Schema,
    /// The types that it gets; empty means all.
    pub types: Vec<EventType>,
}

/// The URL of a webhook. Its query often holds a secret code, so only [`WebhookUrl::full`] shows the query.
#[derive(Clone)]
pub(crate) struct WebhookUrl {
    full: Zeroizing<String>,
    without_query: String,
    is_loopback: bool,
}

/// The schema that events are sent in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Event Grid's own.
    #[default]
    EventGrid,
    /// CloudEvents 1.0.
    CloudEvents,
}

/// The types of events, by the service's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum EventType {
    /// A key, or a new version of one, was created.
    #[serde(rename = "Microsoft.KeyVault.KeyNewVersionCreated")]
    KeyNewVersionCreated,
    /// A key's latest version is about to expire.
    #[serde(rename = "Microsoft.KeyVault.KeyNearExpiry")]
    KeyNearExpiry,
    /// A key's latest version has expired.
    #[serde(rename = "Microsoft.KeyVault.KeyExpired")]
    KeyExpired,
    /// A secret, or a new version of one, was created.
    #[serde(rename = "Microsoft.KeyVault.SecretNewVersionCreated")]
    SecretNewVersionCreated,
    /// A secret's latest version is about to expire.
    #[serde(rename = "Microsoft.KeyVault.SecretNearExpiry")]
    SecretNearExpiry,
    /// A secret's latest version has expired.
    #[serde(rename = "Microsoft.KeyVault.SecretExpired")]
    SecretExpired,
    /// A vault's access policies were changed.
    #[serde(rename = "Microsoft.KeyVault.VaultAccessPolicyChanged")]
    VaultAccessPolicyChanged,
}

impl Webhook {
    /// The webhook at `url`, which gets `types` of events; all when there are none.
    ///
    /// # Errors
    /// What is wrong with the URL; the text does not hold the URL.
    pub(crate) fn new(url: &str, schema: Schema, types: Vec<EventType>) -> Result<Self, &'static str> {
        Ok(Self { url: WebhookUrl::parse(url)?, schema, types })
    }

    /// The id of its records in the store, derived from URL and schema.
    pub(crate) fn id(&self) -> Uuid {
        let name = Zeroizing::new(format!("{:?} {}", self.schema, self.url.full()));
        Uuid::new_v5(&IDS, name.as_bytes())
    }

    /// The types of events that it gets, each once.
    pub(crate) fn event_types(&self) -> Vec<EventType> {
        EventType::ALL.into_iter().filter(|kind| self.types.is_empty() || self.types.contains(kind)).collect()
    }
}

impl WebhookUrl {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "must be a URL")?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let (Some(scheme), Some(authority)) = (scheme, uri.authority()) else {
            return Err("must be an http or https URL");
        };
        if authority.as_str().contains('@') || text.contains('#') {
            return Err("must have no user name, password or fragment");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host == "localhost" || host.parse().is_ok_and(|host: std::net::IpAddr| host.is_loopback());
        let without_query = format!("{scheme}://{authority}{}", uri.path());
        Ok(Self { full: Zeroizing::new(text.to_owned()), without_query, is_loopback })
    }

    /// The URL with its query, for sending.
    pub(crate) fn full(&self) -> &str {
        &self.full
    }

    /// The URL without its query, for logs and answers.
    pub(crate) fn without_query(&self) -> &str {
        &self.without_query
    }

    /// Whether it leads to this machine, so that no proxy is used.
    pub(super) const fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_query)
    }
}

impl Schema {
    /// The schema called `text`, as a configuration names it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::EventGrid, Self::CloudEvents].into_iter().find(|schema| schema.as_str() == text)
    }

    /// `eventgrid` or `cloudevents`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::EventGrid => "eventgrid",
            Self::CloudEvents => "cloudevents",
        }
    }
}

impl EventType {
    /// Every type. (The service's types for certificates come with certificates.)
    pub(crate) const ALL: [Self; 7] = [
        Self::KeyNewVersionCreated,
        Self::KeyNearExpiry,
        Self::KeyExpired,
        Self::SecretNewVersionCreated,
        Self::SecretNearExpiry,
        Self::SecretExpired,
        Self::VaultAccessPolicyChanged,
    ];

    /// The type of this full name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The full name, as "Azure Key Vault as Event Grid source" lists them.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::KeyNewVersionCreated => "Microsoft.KeyVault.KeyNewVersionCreated",
            Self::KeyNearExpiry => "Microsoft.KeyVault.KeyNearExpiry",
            Self::KeyExpired => "Microsoft.KeyVault.KeyExpired",
            Self::SecretNewVersionCreated => "Microsoft.KeyVault.SecretNewVersionCreated",
            Self::SecretNearExpiry => "Microsoft.KeyVault.SecretNearExpiry",
            Self::SecretExpired => "Microsoft.KeyVault.SecretExpired",
            Self::VaultAccessPolicyChanged => "Microsoft.KeyVault.VaultAccessPolicyChanged",
        }
    }

    /// The type of `event`.
    pub(super) fn of(event: &Event) -> Self {
        let kind = event.subject.as_ref().map(|subject| subject.kind);
        match (event.occurrence, kind) {
            (Occurrence::AccessPolicyChanged, _) | (_, None) => Self::VaultAccessPolicyChanged,
            (Occurrence::NewVersionCreated, Some(Kind::Key)) => Self::KeyNewVersionCreated,
            (Occurrence::NearExpiry, Some(Kind::Key)) => Self::KeyNearExpiry,
            (Occurrence::Expired, Some(Kind::Key)) => Self::KeyExpired,
            (Occurrence::NewVersionCreated, Some(Kind::Secret)) => Self::SecretNewVersionCreated,
            (Occurrence::NearExpiry, Some(Kind::Secret)) => Self::SecretNearExpiry,
            (Occurrence::Expired, Some(Kind::Secret)) => Self::SecretExpired,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(url: &str, schema: Schema) -> Result<Webhook, &'static str> {
        Webhook::new(url, schema, vec![])
    }

    #[test]
    fn the_query_is_shown_by_nothing() {
        let hook = hook("https://hooks.example:8443/in/1?code=hush&x=1", Schema::EventGrid).unwrap();
        assert_eq!(hook.url.without_query(), "https://hooks.example:8443/in/1");
        assert!(!format!("{hook:?}").contains("hush"));
        assert!(hook.url.full().ends_with("?code=hush&x=1"));
    }

    #[test]
    fn only_urls_that_can_be_posted_to_are_taken() {
        for (url, why) in [
            ("", "must be a URL"),
            ("/in", "must be an http or https URL"),
            ("ftp://a/in", "must be an http or https URL"),
            ("http://me:hush@a/in", "must have no user name"),
            ("http://a/in#here", "must have no user name"),
            ("http://a b/", "must be a URL"),
        ] {
            assert!(hook(url, Schema::EventGrid).unwrap_err().starts_with(why), "{url}");
        }
        for (url, near) in
            [("http://localhost:1/", true), ("http://[::1]/", true), ("http://127.9.9.9", true), ("http://a", false)]
        {
            assert_eq!(hook(url, Schema::EventGrid).unwrap().url.is_loopback(), near, "{url}");
        }
    }

    #[test]
    fn an_id_goes_by_url_and_schema() {
        let id = |url, schema| hook(url, schema).unwrap().id();
        assert_eq!(id("http://a/?c=1", Schema::EventGrid), id("http://a/?c=1", Schema::EventGrid));
        assert_ne!(id("http://a/?c=1", Schema::EventGrid), id("http://a/?c=1", Schema::CloudEvents));
        assert_ne!(id("http://a/?c=1", Schema::EventGrid), id("http://a/?c=2", Schema::EventGrid));
    }

    #[test]
    fn every_type_has_the_same_name_everywhere() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(EventType::parse("Microsoft.KeyVault.CertificateExpired"), None);
    }
}
