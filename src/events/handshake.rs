//! The validation handshake: a webhook gets no events before it has accepted. Event Grid sends an event with a code that the
//! webhook returns; CloudEvents sends an OPTIONS request. Both carry a URL at which the webhook's owner can accept by hand.

use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::courier::{Answer, HookRequest, Reply};
use super::ledger::Accepted;
use super::retry_policy::{RetryPolicy, nth_delay};
use super::webhook::Schema;
use super::webhook_state::{ValidationCode, WebhookState};
use super::wire::{ORIGIN, WireFormat};
use crate::clock::Timestamp;
use crate::random::{self, OsRandom};

/// When the next validation request is due, and how many have failed.
pub(super) struct Handshake {
    /// When the next request is due; none while one is in flight.
    at: Option<Instant>,
    failed: usize,
}

/// One validation request.
#[derive(Clone, Copy)]
pub(super) struct ValidationRequest {
    pub(super) validation_code: ValidationCode,
}

/// The result of a validation request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted(Accepted),
    /// The webhook answered without accepting; its owner may still accept by the URL.
    Pending,
    Rejected(String),
}

/// The body of the answer to an Event Grid validation event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationResponse {
    validation_response: String,
}

impl Handshake {
    pub(super) const fn new(now: Instant) -> Self {
        Self { at: Some(now), failed: 0 }
    }

    /// When the next request is due; none while one is in flight.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.at
    }

    /// The next request if it is due, with a new code that is valid for `good_for`.
    pub(super) fn start(&mut self, now: Instant, good_for: std::time::Duration) -> Option<ValidationRequest> {
        self.at.filter(|at| *at <= now)?;
        self.at = None;
        // The code is a credential, so it never comes from a seeded generator.
        let code = random::uuid(&OsRandom);
        Some(ValidationRequest { validation_code: ValidationCode { code, until: now + good_for } })
    }

    /// Sends the next request at `at`.
    pub(super) const fn retry_at(&mut self, at: Instant) {
        self.at = Some(at);
    }

    /// The webhook did not accept: sends the next request after the policy's delay.
    pub(super) fn retry_later(&mut self, now: Instant, policy: &RetryPolicy) {
        self.at = Some(now + nth_delay(&policy.handshake_delays, self.failed));
        self.failed += 1;
    }

    /// The webhook has accepted. If it ever has to accept again, the request is due at once.
    pub(super) fn reset(&mut self) {
        *self = Self::new(Instant::now());
    }
}

impl ValidationRequest {
    /// The request to the webhook; its owner can accept at `accept_url`, to which webhook and code are added.
    pub(super) fn http_request(
        self,
        hook: &WebhookState,
        format: WireFormat,
        accept_url: Option<&str>,
        now: Timestamp,
    ) -> HookRequest {
        let (webhook, code) = (&hook.webhook, self.validation_code.code);
        let accept_url = accept_url.map(|base| format!("{base}?id={}&code={code}", hook.id.simple()));
        format.validation_request(&webhook.url, webhook.schema, code, accept_url.as_deref(), now)
    }

    pub(super) fn outcome(self, schema: Schema, reply: &Reply) -> Outcome {
        match (schema, reply) {
            (_, Reply::Failed(loss)) => Outcome::Rejected(loss.why.clone()),
            (Schema::EventGrid, Reply::Answer(answer)) => self.event_grid_outcome(answer),
            (Schema::CloudEvents, Reply::Answer(answer)) => cloud_events_outcome(answer),
        }
    }

    /// Only 200 accepts; the service excludes even 202.
    fn event_grid_outcome(self, answer: &Answer) -> Outcome {
        if answer.status != 200 {
            return Outcome::Rejected(format!("answered {} to the validation event; 200 is needed", answer.status));
        }
        match serde_json::from_slice::<ValidationResponse>(&answer.body) {
            Ok(given) if Uuid::parse_str(&given.validation_response) == Ok(self.validation_code.code) => {
                Outcome::Accepted(Accepted::default())
            }
            Ok(_) => Outcome::Rejected("its validationResponse is not the validationCode".to_owned()),
            Err(_) => Outcome::Pending,
        }
    }
}

/// The header decides, not the status: a webhook that does not know the handshake may answer OPTIONS with 200.
fn cloud_events_outcome(answer: &Answer) -> Outcome {
    let rate = answer.allowed_rate.as_ref().and_then(|rate| rate.trim().parse().ok()).filter(|rate| *rate > 0);
    match answer.allowed_origin.as_deref().map(str::trim) {
        Some(origin) if origin == "*" || origin.eq_ignore_ascii_case(ORIGIN) => Outcome::Accepted(Accepted { rate }),
        Some(_) => Outcome::Rejected("its WebHook-Allowed-Origin names another sender".to_owned()),
        None if (200..300).contains(&answer.status) => Outcome::Pending,
        None => Outcome::Rejected(format!("answered {} to OPTIONS, without WebHook-Allowed-Origin", answer.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation() -> ValidationRequest {
        ValidationRequest { validation_code: ValidationCode { code: Uuid::from_u128(5), until: Instant::now() } }
    }

    fn grid(status: u16, body: &str) -> Outcome {
        let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
        validation().outcome(Schema::EventGrid, &Reply::Answer(answer))
    }

    fn cloud(status: u16, origin: Option<&str>, rate: Option<&str>) -> Outcome {
        let (allowed_origin, allowed_rate) = (origin.map(str::to_owned), rate.map(str::to_owned));
        let answer = Answer { status, allowed_origin, allowed_rate, body: vec![] };
        validation().outcome(Schema::CloudEvents, &Reply::Answer(answer))
    }

    #[test]
    fn a_code_is_answered_with_200_or_not_at_all() {
        let code = r#"{"validationResponse":"00000000-0000-0000-0000-000000000005"}"#;
        assert_eq!(grid(200, code), Outcome::Accepted(Accepted::default()));
        for pending in ["", "ok", "{}"] {
            assert_eq!(grid(200, pending), Outcome::Pending);
        }
        for (status, body) in [(202, code), (204, ""), (500, code), (200, &*code.replace('5', "6"))] {
            assert!(matches!(grid(status, body), Outcome::Rejected(_)), "{status} {body}");
        }
    }

    #[test]
    fn an_origin_is_allowed_by_name() {
        let accepted = |rate| Outcome::Accepted(Accepted { rate });
        assert_eq!(cloud(200, Some("eventgrid.azure.net"), None), accepted(None));
        assert_eq!(cloud(405, Some("*"), Some("*")), accepted(None));
        assert_eq!(cloud(200, Some("*"), Some("120")), accepted(Some(120)));
        assert_eq!(cloud(200, Some("*"), Some("0")), accepted(None));
        assert_eq!(cloud(200, None, None), Outcome::Pending);
        assert!(matches!(cloud(405, None, None), Outcome::Rejected(_)));
        assert!(matches!(cloud(200, Some("example.org"), None), Outcome::Rejected(_)));
    }
}
