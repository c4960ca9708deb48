//! The worker of one webhook: a task that runs the handshake, sends events, retries failures, writes dead letters, and marks
//! handled events in the store. A slow webhook delays its own worker alone.

mod flush;
mod intake;
mod results;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::courier::{Courier, Reply};
use super::dead_letters::{DeadLetters, LastAttempt};
use super::handshake::{Handshake, Outcome, ValidationRequest};
use super::ledger::{Accepted, Ledger, Subscription};
use super::queue::Delivery;
use super::retry_policy::RetryPolicy;
use super::webhook_state::{DeliveryFailure, State, WebhookState};
use super::wire::WireFormat;
use crate::clock::Clock;
use crate::vault::{Event, Refusal, Vaults};

/// The most concurrent deliveries to one webhook.
const MAX_IN_FLIGHT: usize = 8;
/// After so many failed events without a success a webhook counts as down and is probed with one event at a time. (The
/// service does so after ten: "Delayed delivery".)
const PROBE_AFTER: usize = 10;
/// The most events that wait for one webhook; beyond, the oldest become dead letters.
pub(super) const MAX_WAITING: usize = 10_000;
/// Handled events that are marked at once, without waiting for more.
const FLUSH_BATCH: usize = 500;
/// The pause after a failed read or write of the store.
const STORE_RETRY: Duration = Duration::from_secs(5);
/// How long a stopping server waits for deliveries in flight.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// What all workers share.
pub(super) struct WorkerDeps {
    pub(super) vaults: Vaults,
    pub(super) ledger: Ledger,
    pub(super) courier: Arc<dyn Courier>,
    pub(super) dead_letters: DeadLetters,
    pub(super) retry_policy: RetryPolicy,
    pub(super) format: WireFormat,
    /// The system clock.
    pub(super) clock: Arc<dyn Clock>,
    /// The URL, without a query, at which a webhook's owner can accept; none without an admin API.
    pub(super) accept_url: Option<String>,
}

/// A worker's state that no other task sees.
pub(super) struct Worker {
    pub(super) hook: Arc<WebhookState>,
    pub(super) deps: Arc<WorkerDeps>,
    pub(super) subscription: Subscription,
    in_flight: JoinSet<Finished>,
    /// The last attempt for each event that waits for a retry.
    last_attempts: HashMap<u64, LastAttempt>,
    /// The events that failed since the last success.
    failing: BTreeSet<u64>,
    /// Failed probes since the webhook counts as down.
    probes: usize,
    /// When the next delivery may start.
    not_before: Instant,
    handshake: Handshake,
    /// Dead letters that are not written yet, one JSON object each.
    dead_letters: Vec<String>,
    /// When the next flush is due, if anything is to be flushed.
    flush_at: Option<Instant>,
    /// When a flush may be tried after one that failed.
    flush_not_before: Instant,
    /// When the store may be read after a read that failed.
    read_not_before: Instant,
}

/// The result of a task that the worker spawned.
enum Finished {
    /// A delivery got this reply.
    Delivery(Delivery, Event, Reply),
    /// The event's time to live is over.
    Expired(Delivery, Event),
    /// The event no longer exists.
    Gone(Delivery),
    /// The event could not be read.
    Unread(Delivery, Refusal),
    /// The handshake got this reply.
    Handshake(ValidationRequest, Reply),
}

impl Worker {
    pub(super) fn new(hook: Arc<WebhookState>, deps: Arc<WorkerDeps>) -> Self {
        let now = Instant::now();
        Self {
            hook,
            deps,
            subscription: Subscription::default(),
            in_flight: JoinSet::new(),
            last_attempts: HashMap::new(),
            failing: BTreeSet::new(),
            probes: 0,
            not_before: now,
            handshake: Handshake::new(now),
            dead_letters: vec![],
            flush_at: None,
            flush_not_before: now,
            read_not_before: now,
        }
    }

    /// Runs until the server stops.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            self.read_and_flush().await;
            self.start_deliveries();
            let next = self.next_wakeup();
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(Ok(finished)) = self.in_flight.join_next(), if !self.in_flight.is_empty() => self.handle(finished).await,
                () = self.hook.changed() => {}
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
        let waited = tokio::time::timeout(STOP_GRACE, async {
            while let Some(Ok(finished)) = self.in_flight.join_next().await {
                self.handle(finished).await;
            }
        });
        let _ = waited.await;
        self.flush().await;
    }

    /// Queues new events, gives up excess ones, and flushes, each when it is due.
    async fn read_and_flush(&mut self) {
        let now = Instant::now();
        if self.read_not_before <= now && !self.read().await {
            self.read_not_before = now + STORE_RETRY;
        }
        if self.has_excess() {
            for delivery in self.hook.with(|state| state.queue.take_excess(MAX_WAITING, FLUSH_BATCH)) {
                self.give_up_excess(&delivery).await;
            }
        }
        let handled = self.hook.with(|state| state.handled.len());
        if self.flush_at.is_some_and(|at| at <= now || (handled >= FLUSH_BATCH && self.flush_not_before <= now)) {
            self.flush().await;
        }
    }

    /// Starts as many deliveries as may run now; before the webhook has accepted, the handshake.
    fn start_deliveries(&mut self) {
        let now = Instant::now();
        let Some(accepted) = self.hook.with(|state| state.accepted) else { return self.start_handshake(now) };
        while self.in_flight.len() < self.max_in_flight() && self.not_before <= now {
            let next = |state: &mut State| may_send(state).then(|| state.queue.next(now)).flatten();
            let Some(delivery) = self.hook.with(next) else { return };
            self.not_before = delivery_interval(accepted).map_or(self.not_before, |pause| now + pause);
            self.in_flight.spawn(deliver(self.deps.clone(), self.hook.clone(), delivery));
        }
    }

    /// Sends the validation request when it is due.
    fn start_handshake(&mut self, now: Instant) {
        let Some(validation) = self.handshake.start(now, self.deps.retry_policy.acceptance_timeout) else { return };
        self.hook.with(|state| state.validation_code = Some(validation.validation_code));
        let deps = &self.deps;
        let request = validation.http_request(&self.hook, deps.format, deps.accept_url.as_deref(), deps.clock.now());
        let reply = deps.courier.send(request);
        self.in_flight.spawn(async move { Finished::Handshake(validation, reply.await) });
    }

    /// Whether too many events wait. Dead letters that are not written yet go first, which bounds them.
    fn has_excess(&self) -> bool {
        self.dead_letters.len() < FLUSH_BATCH && self.hook.with(|state| state.queue.len() > MAX_WAITING)
    }

    fn max_in_flight(&self) -> usize {
        if self.failing.len() < PROBE_AFTER { MAX_IN_FLIGHT } else { 1 }
    }

    /// When the worker has to act again without being notified.
    fn next_wakeup(&self) -> Option<Instant> {
        let now = Instant::now();
        let (due, accepted, unread) = self.hook.with(|state| {
            let due = state.queue.due(now).filter(|_| may_send(state));
            (due, state.accepted.is_some(), state.has_new_events())
        });
        let has_room = accepted && self.in_flight.len() < self.max_in_flight();
        let sends = due.filter(|_| has_room).map(|due| due.max(self.not_before));
        let asks = self.handshake.due().filter(|_| !accepted);
        let gives_up = self.has_excess().then_some(now);
        [sends, asks, unread.then_some(self.read_not_before), self.flush_at, gives_up].into_iter().flatten().min()
    }

    async fn handle(&mut self, finished: Finished) {
        match finished {
            Finished::Delivery(delivery, event, reply) => self.handle_reply(&delivery, &event, reply),
            Finished::Expired(delivery, event) => {
                self.give_up(&delivery, &event, "TimeToLiveExceeded", delivery.attempts);
            }
            Finished::Gone(delivery) => {
                self.last_attempts.remove(&delivery.number);
                self.hook.with(|state| state.queue.complete(&delivery));
            }
            Finished::Unread(delivery, why) => {
                tracing::error!(%why, "an event could not be read");
                self.hook.with(|state| state.queue.retry_at(&delivery, Instant::now() + STORE_RETRY));
            }
            Finished::Handshake(validation, reply) => self.handle_validation(validation, &reply).await,
        }
    }

    async fn handle_validation(&mut self, validation: ValidationRequest, reply: &Reply) {
        let now = Instant::now();
        match validation.outcome(self.hook.webhook.schema, reply) {
            Outcome::Accepted(accepted) => match self.deps.accept(&self.hook, accepted).await {
                Ok(()) => self.handshake.reset(),
                Err(error) => {
                    tracing::error!(%error, "a webhook's acceptance could not be stored");
                    self.handshake.retry_at(now + STORE_RETRY);
                }
            },
            Outcome::Pending if self.deps.accept_url.is_some() => {
                self.handshake.retry_at(validation.validation_code.until)
            }
            Outcome::Pending => self.validation_failed(now, "answered without accepting".to_owned()),
            Outcome::Rejected(why) => self.validation_failed(now, why),
        }
    }

    fn validation_failed(&mut self, now: Instant, why: String) {
        let at = self.deps.clock.now();
        let accepted = self.hook.with(|state| state.accepted.is_some());
        if accepted {
            return self.handshake.reset();
        }
        tracing::warn!(
            webhook = self.hook.webhook.url.without_query(),
            why,
            "a webhook has not accepted; it is asked again"
        );
        self.hook.with(|state| {
            state.last_failure = Some(DeliveryFailure { at, why });
            state.validation_code = None;
        });
        self.handshake.retry_later(now, &self.deps.retry_policy);
    }
}

impl WorkerDeps {
    /// Stores that a webhook has accepted, and lets its worker send.
    pub(super) async fn accept(&self, hook: &WebhookState, accepted: Accepted) -> Result<(), Refusal> {
        self.ledger.accept(hook.id, accepted).await?;
        tracing::info!(webhook = hook.webhook.url.without_query(), "a webhook has accepted; events are delivered");
        hook.with(|state| {
            state.accepted = Some(accepted);
            state.validation_code = None;
            state.queue.restart_lifetimes(Instant::now());
        });
        hook.notify();
        Ok(())
    }
}

/// Whether more may be sent. While the store takes no marks, deliveries stop: a restart would repeat all of them.
fn may_send(state: &State) -> bool {
    state.handled.len() < 2 * FLUSH_BATCH
}

/// Resolves when the server stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The pause between deliveries to a webhook that has limited their rate.
fn delivery_interval(accepted: Accepted) -> Option<Duration> {
    accepted.rate.map(|rate| Duration::from_secs(60) / rate.max(1))
}

async fn deliver(deps: Arc<WorkerDeps>, hook: Arc<WebhookState>, delivery: Delivery) -> Finished {
    let event = match deps.vaults.event(delivery.number).await {
        Ok(Some(event)) if event.id == delivery.id => event,
        Ok(_) => return Finished::Gone(delivery),
        Err(why) => return Finished::Unread(delivery, why),
    };
    if delivery.since.elapsed() >= deps.retry_policy.time_to_live {
        return Finished::Expired(delivery, event);
    }
    let webhook = &hook.webhook;
    let request = deps.format.notification(&event, &webhook.url, webhook.schema, delivery.attempts);
    let reply = deps.courier.send(request).await;
    Finished::Delivery(delivery, event, reply)
}
