//! Whether a webhook wants events: nobody is sent any who has not accepted. Event Grid asks with an event that holds a
//! code, to be answered; CloudEvents by a question of HTTP's own. Both can also be accepted by a URL that goes along.

use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::courier::{Answer, Letter, Reply};
use super::desk::{Hook, Offer};
use super::ledger::Accepted;
use super::terms::{Terms, step};
use super::webhook::Schema;
use super::wire::ORIGIN;
use super::worker::Tools;
use crate::random::{self, OsRandom};

/// When a webhook is asked, and how often it was.
pub(super) struct Handshake {
    /// When it is asked next; not while it is being asked.
    at: Option<Instant>,
    failed: usize,
}

/// One time of asking.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub(super) offer: Offer,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted(Accepted),
    /// It took the question, and may accept by the URL.
    Undecided,
    Refused(String),
}

/// What answers an Event Grid validation event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationResponse {
    validation_response: String,
}

impl Handshake {
    pub(super) const fn new(now: Instant) -> Self {
        Self { at: Some(now), failed: 0 }
    }

    /// When the webhook is to be asked, if it is not being asked.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.at
    }

    /// A question, if it is time for one; its code is good for `good_for`.
    pub(super) fn begin(&mut self, now: Instant, good_for: std::time::Duration) -> Option<Question> {
        self.at.filter(|at| *at <= now)?;
        self.at = None;
        // Whoever knows the code decides: it is never one that a seed gives.
        let code = random::uuid(&OsRandom);
        Some(Question { offer: Offer { code, until: now + good_for } })
    }

    /// The webhook is asked again at `at`.
    pub(super) const fn again(&mut self, at: Instant) {
        self.at = Some(at);
    }

    /// The webhook did not accept, and is asked again after a while.
    pub(super) fn failed(&mut self, now: Instant, terms: &Terms) {
        self.at = Some(now + step(&terms.handshakes, self.failed));
        self.failed += 1;
    }

    /// The webhook has accepted. Should it have to accept again, it is asked at once.
    pub(super) fn end(&mut self) {
        *self = Self::new(Instant::now());
    }
}

impl Question {
    pub(super) fn letter(self, tools: &Tools, hook: &Hook) -> Letter {
        let code = self.offer.code;
        let accept_at = tools.accept_at.as_ref().map(|base| format!("{base}?id={}&code={code}", hook.id.simple()));
        let webhook = &hook.webhook;
        tools.wire.question(&webhook.url, webhook.schema, code, accept_at.as_deref(), tools.clock.now())
    }

    pub(super) fn outcome(self, schema: Schema, reply: &Reply) -> Outcome {
        match (schema, reply) {
            (_, Reply::Lost(loss)) => Outcome::Refused(loss.why.clone()),
            (Schema::EventGrid, Reply::Answer(answer)) => self.validated(answer),
            (Schema::CloudEvents, Reply::Answer(answer)) => permitted(answer),
        }
    }

    /// Nothing but 200 will do, 202 neither.
    fn validated(self, answer: &Answer) -> Outcome {
        if answer.status != 200 {
            return Outcome::Refused(format!("answered {} to the validation event; 200 is needed", answer.status));
        }
        match serde_json::from_slice::<ValidationResponse>(&answer.body) {
            Ok(given) if Uuid::parse_str(&given.validation_response) == Ok(self.offer.code) => {
                Outcome::Accepted(Accepted::default())
            }
            Ok(_) => Outcome::Refused("its validationResponse is not the validationCode".to_owned()),
            Err(_) => Outcome::Undecided,
        }
    }
}

/// A status says nothing: who does not know the question may answer it with 200.
fn permitted(answer: &Answer) -> Outcome {
    let rate = answer.allowed_rate.as_ref().and_then(|rate| rate.trim().parse().ok()).filter(|rate| *rate > 0);
    match answer.allowed_origin.as_deref().map(str::trim) {
        Some(origin) if origin == "*" || origin.eq_ignore_ascii_case(ORIGIN) => Outcome::Accepted(Accepted { rate }),
        Some(_) => Outcome::Refused("its WebHook-Allowed-Origin names another sender".to_owned()),
        None if (200..300).contains(&answer.status) => Outcome::Undecided,
        None => Outcome::Refused(format!("answered {} to OPTIONS, without WebHook-Allowed-Origin", answer.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question { offer: Offer { code: Uuid::from_u128(5), until: Instant::now() } }
    }

    fn grid(status: u16, body: &str) -> Outcome {
        let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
        question().outcome(Schema::EventGrid, &Reply::Answer(answer))
    }

    fn cloud(status: u16, origin: Option<&str>, rate: Option<&str>) -> Outcome {
        let (allowed_origin, allowed_rate) = (origin.map(str::to_owned), rate.map(str::to_owned));
        let answer = Answer { status, allowed_origin, allowed_rate, body: vec![] };
        question().outcome(Schema::CloudEvents, &Reply::Answer(answer))
    }

    #[test]
    fn a_code_is_answered_with_200_or_not_at_all() {
        let code = r#"{"validationResponse":"00000000-0000-0000-0000-000000000005"}"#;
        assert_eq!(grid(200, code), Outcome::Accepted(Accepted::default()));
        for undecided in ["", "ok", "{}"] {
            assert_eq!(grid(200, undecided), Outcome::Undecided);
        }
        for (status, body) in [(202, code), (204, ""), (500, code), (200, &*code.replace('5', "6"))] {
            assert!(matches!(grid(status, body), Outcome::Refused(_)), "{status} {body}");
        }
    }

    #[test]
    fn an_origin_is_allowed_by_name() {
        let accepted = |rate| Outcome::Accepted(Accepted { rate });
        assert_eq!(cloud(200, Some("eventgrid.azure.net"), None), accepted(None));
        assert_eq!(cloud(405, Some("*"), Some("*")), accepted(None));
        assert_eq!(cloud(200, Some("*"), Some("120")), accepted(Some(120)));
        assert_eq!(cloud(200, Some("*"), Some("0")), accepted(None));
        assert_eq!(cloud(200, None, None), Outcome::Undecided);
        assert!(matches!(cloud(405, None, None), Outcome::Refused(_)));
        assert!(matches!(cloud(200, Some("example.org"), None), Outcome::Refused(_)));
    }
}
