//! Delivers the events of vaults to webhooks, as Event Grid does: at least once, and in order for each object. Each webhook
//! has a worker task of its own. A request is answered as soon as its event is in the store; delivery never delays it. The
//! store also marks each event that a webhook has handled, so that a restart continues where the last run ended.

mod courier;
mod dead_letters;
mod handshake;
mod ledger;
mod queue;
mod retry_policy;
mod webhook;
mod webhook_state;
mod wire;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock::Clock;
use crate::crypto::credential;
use crate::records::Records;
use crate::vault::{NewEvents, Refusal, Vaults};

pub use retry_policy::RetryPolicy;
pub(crate) use webhook::{EventType, Schema, Webhook};
pub(crate) use webhook_state::WebhookStatus;
pub(crate) use wire::{GridEvent, WireFormat};

use courier::{Courier, Network};
use dead_letters::DeadLetters;
use ledger::{Accepted, Ledger};
use webhook_state::WebhookState;
use worker::{Worker, WorkerDeps};

/// Events that are kept at the least, whether they were delivered or not.
const MIN_KEPT: usize = 10_000;
/// How many more there may be before the oldest are deleted, all at once.
const PRUNE_BATCH: usize = 1_000;

/// Delivers events to the configured webhooks.
pub(crate) struct Events {
    hooks: Vec<Arc<WebhookState>>,
    deps: Arc<WorkerDeps>,
    stop: watch::Sender<bool>,
}

/// What [`Events`] depend on.
pub(crate) struct Deps {
    /// The vaults whose events are delivered.
    pub vaults: Vaults,
    /// Where subscriptions and marks are stored.
    pub records: Records,
    /// The configured webhooks.
    pub webhooks: Vec<Webhook>,
    /// How events are written.
    pub format: WireFormat,
    /// When a failed attempt is retried.
    pub retry_policy: RetryPolicy,
    /// The system clock.
    pub clock: Arc<dyn Clock>,
    /// The file of dead letters.
    pub dead_letters: PathBuf,
    /// The URL, without a query, at which a webhook's owner can accept; none without an admin API.
    pub accept_url: Option<String>,
}

impl Events {
    /// Delivers nothing before [`Events::keep_running`] is called.
    pub(crate) fn new(deps: Deps) -> Self {
        Self::with_courier(deps, Arc::new(Network::default()))
    }

    fn with_courier(deps: Deps, courier: Arc<dyn Courier>) -> Self {
        let worker_deps = WorkerDeps {
            vaults: deps.vaults,
            ledger: Ledger::new(deps.records),
            courier,
            dead_letters: DeadLetters::new(deps.dead_letters),
            retry_policy: deps.retry_policy,
            format: deps.format,
            clock: deps.clock,
            accept_url: deps.accept_url,
        };
        let hooks = deps.webhooks.into_iter().map(|webhook| Arc::new(WebhookState::new(webhook))).collect();
        Self { hooks, deps: Arc::new(worker_deps), stop: watch::Sender::new(false) }
    }

    /// Subscribes new webhooks to all events from now on, and removes the records of webhooks that are no longer
    /// configured.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn subscribe(&self) -> Result<(), Refusal> {
        let hooks: Vec<_> = self.hooks.iter().map(|hook| hook.id).collect();
        self.deps.ledger.remove_other_webhooks(&hooks).await?;
        self.subscribe_in(&self.deps.ledger, &self.deps.vaults).await
    }

    /// Subscribes the webhooks in a new generation, `records`, that holds `vaults` and is to replace all data: they get the events
    /// from its publication on.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn subscribe_in_generation(&self, records: &Records, vaults: &Vaults) -> Result<(), Refusal> {
        self.subscribe_in(&Ledger::new(records.clone()), vaults).await
    }

    async fn subscribe_in(&self, ledger: &Ledger, vaults: &Vaults) -> Result<(), Refusal> {
        for hook in &self.hooks {
            let accepted = hook.with(|state| state.accepted);
            ledger.subscribe(vaults, &hook.webhook, accepted).await?;
        }
        Ok(())
    }

    /// Delivers events until [`Events::stop`].
    pub(crate) async fn keep_running(self: Arc<Self>) {
        let mut workers = JoinSet::new();
        for hook in &self.hooks {
            workers.spawn(Worker::new(hook.clone(), self.deps.clone()).run(self.stop.subscribe()));
        }
        self.distribute().await;
        while workers.join_next().await.is_some() {}
    }

    /// Stops delivering. Deliveries in flight get a moment to end; all others follow after the next start.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Passes new events to every worker, and prunes the oldest when there are too many.
    async fn distribute(&self) {
        let (mut stop, mut spare) = (self.stop.subscribe(), 0);
        loop {
            spare = match self.deps.vaults.take_new_events() {
                NewEvents::Numbers(numbers) if numbers.is_empty() => spare,
                fresh => {
                    self.hooks.iter().for_each(|hook| hook.add_new(&fresh));
                    self.prune_when_due(&fresh, spare).await
                }
            };
            tokio::select! {
                () = worker::stopped(&mut stop) => return,
                () = self.deps.vaults.wait_for_events() => {}
            }
        }
    }

    /// Counts `fresh` events into `spare`, the number of events beyond [`MIN_KEPT`] (negative while there is room), and prunes
    /// once that exceeds [`PRUNE_BATCH`]. Returns the new number.
    async fn prune_when_due(&self, fresh: &NewEvents, spare: i64) -> i64 {
        let spare = match fresh {
            NewEvents::Numbers(numbers) => spare.saturating_add_unsigned(numbers.len() as u64),
            NewEvents::All => i64::MAX,
        };
        if spare <= PRUNE_BATCH as i64 {
            return spare;
        }
        match self.prune().await {
            Ok(left) => left,
            Err(error) => {
                tracing::error!(%error, "old events could not be deleted");
                0
            }
        }
    }

    /// Deletes the oldest events that no webhook still has to handle. Returns the number of events beyond [`MIN_KEPT`].
    async fn prune(&self) -> Result<i64, Refusal> {
        let numbers = self.deps.vaults.event_numbers().await?;
        let beyond = numbers.len() as i64 - MIN_KEPT as i64;
        if beyond <= PRUNE_BATCH as i64 {
            return Ok(beyond);
        }
        let waits = |number: &u64| self.hooks.iter().any(|hook| hook.with(|state| state.waits_for(*number)));
        let old: Vec<_> = numbers[..numbers.len() - MIN_KEPT].iter().copied().filter(|number| !waits(number)).collect();
        for old in old.chunks(PRUNE_BATCH) {
            // In this order: a mark without an event is found and deleted; an event without its mark is sent again.
            self.deps.vaults.delete_events(old).await?;
            let hooks: Vec<_> = self.hooks.iter().map(|hook| hook.id).collect();
            self.deps.ledger.unmark(&hooks, old).await?;
        }
        Ok(0)
    }

    /// At most `limit` kept events with numbers above `after`, each with its number.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn list(&self, after: u64, limit: usize) -> Result<Vec<(u64, GridEvent)>, Refusal> {
        let events = self.deps.vaults.events(after, limit).await?;
        Ok(events.iter().map(|(number, event)| (*number, self.deps.format.grid(event))).collect())
    }

    /// The status of each webhook, in the order of the configuration.
    pub(crate) fn webhook_statuses(&self) -> Vec<WebhookStatus> {
        self.hooks.iter().map(|hook| hook.status()).collect()
    }

    /// Accepts for the webhook `id` with the validation code that it was sent. Returns whether the code is valid.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn accept(&self, id: &str, code: &str) -> Result<bool, Refusal> {
        let id = Uuid::parse_str(id).ok();
        let Some(hook) = self.hooks.iter().find(|hook| Some(hook.id) == id) else { return Ok(false) };
        let validation_code =
            hook.with(|state| state.validation_code.filter(|validation_code| Instant::now() < validation_code.until));
        let is_its = |code: Uuid, expected: Uuid| credential::matches(code.as_bytes(), expected.as_bytes());
        match (validation_code, Uuid::parse_str(code)) {
            (Some(validation_code), Ok(code)) if is_its(code, validation_code.code) => {
                self.deps.accept(hook, Accepted::default()).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
