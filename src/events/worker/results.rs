//! What follows from the reply to an attempt: the event is done, waits for a retry, or becomes a dead letter.

use std::time::Duration;

use tokio::time::Instant;

use super::{PROBE_AFTER, Worker};
use crate::events::courier::{Answer, Reply, SendFailure};
use crate::events::dead_letters::{self, DeadLetterCause, LastAttempt};
use crate::events::queue::Delivery;
use crate::events::retry_policy::{DeliveryResult, classify, nth_delay, outcome_name};
use crate::events::webhook_state::{DeliveryFailure, State};
use crate::vault::Event;

impl Worker {
    pub(super) fn handle_reply(&mut self, delivery: &Delivery, event: &Event, reply: Reply) {
        let attempts = delivery.attempts + 1;
        let result = match &reply {
            Reply::Answer(Answer { status, .. }) => classify(*status),
            Reply::Failed(_) => DeliveryResult::Retry(Duration::ZERO),
        };
        if result != DeliveryResult::Delivered {
            self.record_attempt(delivery, &reply);
        }
        match result {
            DeliveryResult::Delivered => {
                self.set_healthy();
                self.mark_handled(delivery, |state| state.delivered += 1);
            }
            DeliveryResult::Rejected => {
                self.set_healthy();
                self.give_up(delivery, event, "UndeliverableDueToClientError", attempts);
            }
            DeliveryResult::Retry(_) if attempts >= self.deps.retry_policy.max_attempts => {
                self.record_failure(delivery);
                self.give_up(delivery, event, "MaxDeliveryAttemptsExceeded", attempts);
            }
            DeliveryResult::Retry(least) => {
                self.record_failure(delivery);
                let at = Instant::now() + self.deps.retry_policy.delay_after(attempts, least);
                let end = delivery.since.checked_add(self.deps.retry_policy.time_to_live).unwrap_or(at);
                self.hook.with(|state| state.queue.retry_at(delivery, at.min(end)));
            }
        }
    }

    fn set_healthy(&mut self) {
        self.failing.clear();
        self.probes = 0;
    }

    fn record_failure(&mut self, delivery: &Delivery) {
        if self.failing.is_empty() {
            let why = self.hook.with(|state| state.last_failure.as_ref().map(|failure| failure.why.clone()));
            tracing::warn!(
                webhook = self.hook.webhook.url.without_query(),
                why,
                "a webhook did not take an event; it is tried again"
            );
        }
        if self.failing.len() < PROBE_AFTER {
            self.failing.insert(delivery.number);
        }
        if self.failing.len() >= PROBE_AFTER {
            self.not_before = Instant::now() + nth_delay(&self.deps.retry_policy.probe_delays, self.probes);
            self.probes += 1;
        }
    }

    /// Keeps why an attempt failed, for the status and the dead letter.
    fn record_attempt(&mut self, delivery: &Delivery, reply: &Reply) {
        let at = self.deps.clock.now();
        let (outcome, status, why) = match reply {
            Reply::Answer(answer) => {
                (outcome_name(answer.status), Some(answer.status), format!("answered {}", answer.status))
            }
            Reply::Failed(SendFailure { outcome, why }) => (*outcome, None, why.clone()),
        };
        self.last_attempts.insert(delivery.number, LastAttempt { outcome, status, at });
        self.hook.with(|state| state.last_failure = Some(DeliveryFailure { at, why }));
    }

    /// Takes a delivered or given-up event from the queue. Returns whether it still waited.
    fn mark_handled(&mut self, delivery: &Delivery, count: impl FnOnce(&mut State)) -> bool {
        self.last_attempts.remove(&delivery.number);
        let waited = self.hook.with(|state| {
            let waited = state.queue.complete(delivery);
            if waited {
                state.handled.insert(delivery.number, delivery.id);
                count(state);
            }
            waited
        });
        self.flush_soon();
        waited
    }

    pub(super) fn give_up(&mut self, delivery: &Delivery, event: &Event, reason: &'static str, attempts: u32) {
        let last = self.last_attempts.get(&delivery.number).copied();
        if self.mark_handled(delivery, |state| state.dead_lettered += 1) {
            self.add_dead_letter(event, &DeadLetterCause { reason, attempts, last });
        }
    }

    /// Gives up an event that was taken from the queue because too many wait.
    pub(super) async fn give_up_excess(&mut self, delivery: &Delivery) {
        let last = self.last_attempts.remove(&delivery.number);
        match self.deps.vaults.event(delivery.number).await {
            Ok(Some(event)) if event.id == delivery.id => {
                let reason = "TooManyWaiting";
                self.add_dead_letter(&event, &DeadLetterCause { reason, attempts: delivery.attempts, last });
                self.hook.with(|state| {
                    state.handled.insert(delivery.number, delivery.id);
                    state.dead_lettered += 1;
                });
                self.flush_soon();
            }
            Ok(_) => {}
            // Without a mark it is queued again when all kept events are compared.
            Err(error) => tracing::error!(%error, "an event could not be read"),
        }
    }

    fn add_dead_letter(&mut self, event: &Event, cause: &DeadLetterCause) {
        let webhook = &self.hook.webhook;
        let (url, reason) = (webhook.url.without_query(), cause.reason);
        tracing::warn!(webhook = url, event = %event.id, reason, "an event was given up; dead-letters.jsonl has it");
        self.dead_letters.push(dead_letters::render(
            self.deps.format.object(event, webhook.schema),
            event.at,
            webhook,
            cause,
        ));
    }
}
