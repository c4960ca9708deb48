//! What attempts come to.

use std::time::Duration;

use tokio::time::Instant;

use super::{TROUBLED, Worker};
use crate::events::courier::{Answer, Loss, Reply};
use crate::events::dead::{self, LastAttempt, Obituary};
use crate::events::desk::{Failure, State};
use crate::events::queue::Taken;
use crate::events::terms::{Verdict, outcome, step, verdict};
use crate::vault::Event;

impl Worker {
    pub(super) fn judge(&mut self, taken: &Taken, event: &Event, reply: Reply) {
        let attempts = taken.attempts + 1;
        let judged = match &reply {
            Reply::Answer(Answer { status, .. }) => verdict(*status),
            Reply::Lost(_) => Verdict::Again(Duration::ZERO),
        };
        if judged != Verdict::Told {
            self.note(taken, &reply);
        }
        match judged {
            Verdict::Told => {
                self.is_up();
                self.settle(taken, |state| state.told += 1);
            }
            Verdict::Never => {
                self.is_up();
                self.give_up(taken, event, "UndeliverableDueToClientError", attempts);
            }
            Verdict::Again(_) if attempts >= self.tools.terms.attempts => {
                self.is_down(taken);
                self.give_up(taken, event, "MaxDeliveryAttemptsExceeded", attempts);
            }
            Verdict::Again(least) => {
                self.is_down(taken);
                let at = Instant::now() + self.tools.terms.pause(attempts, least);
                let end = taken.since + self.tools.terms.time_to_live;
                self.hook.with(|state| state.queue.again(taken, at.min(end)));
            }
        }
    }

    fn is_up(&mut self) {
        self.failing.clear();
        self.rests = 0;
    }

    fn is_down(&mut self, taken: &Taken) {
        if self.failing.is_empty() {
            let why = self.hook.with(|state| state.last_failure.as_ref().map(|failure| failure.why.clone()));
            tracing::warn!(
                webhook = self.hook.webhook.url.shown(),
                why,
                "a webhook did not take an event; it is tried again"
            );
        }
        if self.failing.len() < TROUBLED {
            self.failing.insert(taken.number);
        }
        if self.failing.len() >= TROUBLED {
            self.resumes = Instant::now() + step(&self.tools.terms.rests, self.rests);
            self.rests += 1;
        }
    }

    /// Remembers how an attempt failed.
    fn note(&mut self, taken: &Taken, reply: &Reply) {
        let at = self.tools.clock.now();
        let (outcome, status, why) = match reply {
            Reply::Answer(answer) => {
                (outcome(answer.status), Some(answer.status), format!("answered {}", answer.status))
            }
            Reply::Lost(Loss { outcome, why }) => (*outcome, None, why.clone()),
        };
        self.last.insert(taken.number, LastAttempt { outcome, status, at });
        self.hook.with(|state| state.last_failure = Some(Failure { at, why }));
    }

    /// An event needs no more telling.
    fn settle(&mut self, taken: &Taken, count: impl FnOnce(&mut State)) -> bool {
        self.last.remove(&taken.number);
        let waited = self.hook.with(|state| {
            let waited = state.queue.done(taken);
            if waited {
                state.done.insert(taken.number, taken.id);
                count(state);
            }
            waited
        });
        self.mark_soon();
        waited
    }

    pub(super) fn give_up(&mut self, taken: &Taken, event: &Event, reason: &'static str, attempts: u32) {
        let last = self.last.get(&taken.number).copied();
        if self.settle(taken, |state| state.dead += 1) {
            self.bury(event, &Obituary { reason, attempts, last });
        }
    }

    /// Gives up an event that was taken out of the queue because too many wait.
    pub(super) async fn give_up_unseen(&mut self, taken: &Taken) {
        let last = self.last.remove(&taken.number);
        match self.tools.vaults.event(taken.number).await {
            Ok(Some(event)) if event.id == taken.id => {
                let reason = "TooManyWaiting";
                self.bury(&event, &Obituary { reason, attempts: taken.attempts, last });
                self.hook.with(|state| {
                    state.done.insert(taken.number, taken.id);
                    state.dead += 1;
                });
                self.mark_soon();
            }
            Ok(_) => {}
            // It is not marked: it waits again when all that are kept are looked at.
            Err(error) => tracing::error!(%error, "an event could not be read"),
        }
    }

    fn bury(&mut self, event: &Event, obituary: &Obituary) {
        let webhook = &self.hook.webhook;
        let (url, reason) = (webhook.url.shown(), obituary.reason);
        tracing::warn!(webhook = url, event = %event.id, reason, "an event was given up; dead-letters.jsonl has it");
        self.letters.push(dead::line(self.tools.wire.object(event, webhook.schema), event.at, webhook, obituary));
    }
}
