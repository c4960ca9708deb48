//! Who hears of what happened: events go to webhooks as Event Grid would send them. Each webhook has a worker of its own,
//! which waits for that webhook alone; nothing here is in the way of a request, which is answered once its event is in the
//! store. What a webhook was told is marked there too, so that a restart forgets nothing: at least once, in order for
//! each object.

mod courier;
mod dead;
mod desk;
mod handshake;
mod ledger;
mod queue;
mod terms;
mod webhook;
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
use crate::vault::{Fresh, Refusal, Vaults};

pub use desk::{Failure, Standing};
pub use terms::Terms;
pub use webhook::{EventType, HookUrl, Schema, Webhook};
pub use wire::{GridEvent, Wire};

use courier::{Courier, Network};
use dead::DeadLetters;
use desk::Hook;
use ledger::{Accepted, Ledger};
use worker::{Tools, Worker};

/// Events that are kept at the least, told or not.
const KEPT: usize = 10_000;
/// How many more there may be before the oldest are taken away, all in one go.
const SPARE: usize = 1_000;

/// What happens to events.
pub struct Events {
    hooks: Vec<Arc<Hook>>,
    tools: Arc<Tools>,
    stop: watch::Sender<bool>,
}

/// What [`Events`] are made of.
pub struct Means {
    /// The vaults in which things happen.
    pub vaults: Vaults,
    /// Where it is kept what webhooks were told.
    pub records: Records,
    /// Who wants to hear.
    pub webhooks: Vec<Webhook>,
    /// What the vaults' resource ids are made of.
    pub wire: Wire,
    /// When an attempt is made again.
    pub terms: Terms,
    /// The system clock.
    pub clock: Arc<dyn Clock>,
    /// Where dead letters lie.
    pub dead_letters: PathBuf,
    /// The URL, without a query, at which a webhook's owner can accept; none where there is no admin API.
    pub accept_at: Option<String>,
}

impl Events {
    /// Events that are delivered once [`Events::keep_running`] is called.
    pub fn new(means: Means) -> Self {
        Self::over(means, Arc::new(Network::default()))
    }

    fn over(means: Means, courier: Arc<dyn Courier>) -> Self {
        let tools = Tools {
            vaults: means.vaults,
            ledger: Ledger::new(means.records),
            courier,
            dead: DeadLetters::new(means.dead_letters),
            terms: means.terms,
            wire: means.wire,
            clock: means.clock,
            accept_at: means.accept_at,
        };
        let hooks = means.webhooks.into_iter().map(|webhook| Arc::new(Hook::new(webhook))).collect();
        Self { hooks, tools: Arc::new(tools), stop: watch::Sender::new(false) }
    }

    /// Subscribes the webhooks that are not subscribed yet: they hear of what happens from now on. Those that are not
    /// configured any more are forgotten.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn subscribe(&self) -> Result<(), Refusal> {
        let hooks: Vec<_> = self.hooks.iter().map(|hook| hook.id).collect();
        self.tools.ledger.forget_others(&hooks).await?;
        self.subscribe_in(&self.tools.ledger, &self.tools.vaults).await
    }

    /// Subscribes the webhooks in records that are to replace all that there are, in which `vaults` lie: what happens once
    /// they do is what is told.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn subscribe_to(&self, records: &Records, vaults: &Vaults) -> Result<(), Refusal> {
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
    pub async fn keep_running(self: Arc<Self>) {
        let mut workers = JoinSet::new();
        for hook in &self.hooks {
            workers.spawn(Worker::new(hook.clone(), self.tools.clone()).run(self.stop.subscribe()));
        }
        self.hand_out().await;
        while workers.join_next().await.is_some() {}
    }

    /// Delivers no more. What is under way is waited for a moment; the rest is told after the next start.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Hands new events out to the workers, and takes the oldest away when there are too many.
    async fn hand_out(&self) {
        let (mut stop, mut spare) = (self.stop.subscribe(), 0);
        loop {
            spare = match self.tools.vaults.fresh_events() {
                Fresh::Some(numbers) if numbers.is_empty() => spare,
                fresh => {
                    self.hooks.iter().for_each(|hook| hook.post(&fresh));
                    self.after(&fresh, spare).await
                }
            };
            tokio::select! {
                () = worker::stopped(&mut stop) => return,
                () = self.tools.vaults.events_committed() => {}
            }
        }
    }

    /// How many events there are beyond those that are kept, after `fresh` ones; negative while there is room.
    async fn after(&self, fresh: &Fresh, spare: i64) -> i64 {
        let spare = match fresh {
            Fresh::Some(numbers) => spare.saturating_add_unsigned(numbers.len() as u64),
            Fresh::All => i64::MAX,
        };
        if spare <= SPARE as i64 {
            return spare;
        }
        match self.prune().await {
            Ok(left) => left,
            Err(error) => {
                tracing::error!(%error, "old events could not be taken away");
                0
            }
        }
    }

    /// Takes the oldest events away that nobody waits for. Answers how many could be made before it is done again,
    /// counted from [`SPARE`].
    async fn prune(&self) -> Result<i64, Refusal> {
        let numbers = self.tools.vaults.event_numbers().await?;
        let beyond = numbers.len() as i64 - KEPT as i64;
        if beyond <= SPARE as i64 {
            return Ok(beyond);
        }
        let waits = |number: &u64| self.hooks.iter().any(|hook| hook.with(|state| state.waits_for(*number)));
        let old: Vec<_> = numbers[..numbers.len() - KEPT].iter().copied().filter(|number| !waits(number)).collect();
        for old in old.chunks(SPARE) {
            // In this order: a mark without an event is found and taken away, an event without its mark is told again.
            self.tools.vaults.forget_events(old).await?;
            let hooks: Vec<_> = self.hooks.iter().map(|hook| hook.id).collect();
            self.tools.ledger.unmark(&hooks, old).await?;
        }
        Ok(0)
    }

    /// At most `limit` kept events, those numbered higher than `after` alone, with their numbers.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn kept(&self, after: u64, limit: usize) -> Result<Vec<(u64, GridEvent)>, Refusal> {
        let events = self.tools.vaults.events(after, limit).await?;
        Ok(events.iter().map(|(number, event)| (*number, self.tools.wire.grid(event))).collect())
    }

    /// How each webhook stands, in the order of the configuration.
    pub fn standings(&self) -> Vec<Standing> {
        self.hooks.iter().map(|hook| hook.standing()).collect()
    }

    /// Accepts for the webhook `id`, with the code that it was sent. Answers whether that is (still) its code.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn accept(&self, id: &str, code: &str) -> Result<bool, Refusal> {
        let id = Uuid::parse_str(id).ok();
        let Some(hook) = self.hooks.iter().find(|hook| Some(hook.id) == id) else { return Ok(false) };
        let offer = hook.with(|state| state.offer.filter(|offer| Instant::now() < offer.until));
        let is_its = |code: Uuid, expected: Uuid| credential::matches(code.as_bytes(), expected.as_bytes());
        match (offer, Uuid::parse_str(code)) {
            (Some(offer), Ok(code)) if is_its(code, offer.code) => {
                self.tools.accept(hook, Accepted::default()).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
