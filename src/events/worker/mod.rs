//! One webhook's worker: asks whether it wants events, sends those that it is to be told, tries again what failed, gives up
//! what will not be taken, and marks what is done. It waits for its own webhook alone.

mod marking;
mod reading;
mod verdicts;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::courier::{Courier, Reply};
use super::dead::{DeadLetters, LastAttempt};
use super::desk::{Failure, Hook, State};
use super::handshake::{Handshake, Outcome, Question};
use super::ledger::{Accepted, Ledger, Subscription};
use super::queue::Taken;
use super::terms::Terms;
use super::wire::Wire;
use crate::clock::Clock;
use crate::vault::{Event, Refusal, Vaults};

/// Deliveries to one webhook that are under way at once.
const AT_ONCE: usize = 8;
/// Once so many events have failed with no success in between, a webhook is thought to be down, and tried with one event
/// at a time. (The service does so after ten: "Delayed delivery".)
const TROUBLED: usize = 10;
/// The most events that wait for one webhook; then the oldest are given up.
pub(super) const MOST_WAITING: usize = 10_000;
/// Marks that are not waited for any longer.
const MARKS_AT_ONCE: usize = 500;
/// When what the store did not do is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long deliveries that are under way are waited for when the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// What workers work with.
pub(super) struct Tools {
    pub(super) vaults: Vaults,
    pub(super) ledger: Ledger,
    pub(super) courier: Arc<dyn Courier>,
    pub(super) dead: DeadLetters,
    pub(super) terms: Terms,
    pub(super) wire: Wire,
    /// The system clock.
    pub(super) clock: Arc<dyn Clock>,
    /// Where a webhook's owner can accept, without the query; nowhere when there is no admin API.
    pub(super) accept_at: Option<String>,
}

/// The worker.
pub(super) struct Worker {
    pub(super) hook: Arc<Hook>,
    pub(super) tools: Arc<Tools>,
    pub(super) subscription: Subscription,
    away: JoinSet<Back>,
    /// The last attempt for each event that is tried again.
    last: HashMap<u64, LastAttempt>,
    /// Events that have failed since the last success.
    failing: BTreeSet<u64>,
    rests: usize,
    /// Nothing is sent before.
    resumes: Instant,
    handshake: Handshake,
    /// Dead letters that are not written yet.
    letters: Vec<String>,
    mark_at: Option<Instant>,
    /// Nothing is marked before.
    marks_from: Instant,
    read_at: Instant,
}

/// What comes back to the worker.
enum Back {
    /// What a delivery came to.
    Delivery(Taken, Event, Reply),
    /// The event's time is over.
    Expired(Taken, Event),
    /// There is no such event any more.
    Gone(Taken),
    /// The event could not be read.
    Unread(Taken, Refusal),
    /// What the question came to whether the webhook wants events.
    Question(Question, Reply),
}

impl Worker {
    pub(super) fn new(hook: Arc<Hook>, tools: Arc<Tools>) -> Self {
        let now = Instant::now();
        Self {
            hook,
            tools,
            subscription: Subscription::default(),
            away: JoinSet::new(),
            last: HashMap::new(),
            failing: BTreeSet::new(),
            rests: 0,
            resumes: now,
            handshake: Handshake::new(now),
            letters: vec![],
            mark_at: None,
            marks_from: now,
            read_at: now,
        }
    }

    /// Works until the server stops.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            self.catch_up().await;
            self.begin();
            let next = self.next_moment();
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(Ok(back)) = self.away.join_next(), if !self.away.is_empty() => self.come_back(back).await,
                () = self.hook.news() => {}
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
        let waited = tokio::time::timeout(FAREWELL, async {
            while let Some(Ok(back)) = self.away.join_next().await {
                self.come_back(back).await;
            }
        });
        let _ = waited.await;
        self.mark().await;
    }

    /// Looks at what is new, gives up what is too much, and marks what is done, where it is time.
    async fn catch_up(&mut self) {
        let now = Instant::now();
        if self.read_at <= now && !self.read().await {
            self.read_at = now + AFTER_FAILURE;
        }
        if self.has_too_many() {
            for taken in self.hook.with(|state| state.queue.surplus(MOST_WAITING, MARKS_AT_ONCE)) {
                self.give_up_unseen(&taken).await;
            }
        }
        let done = self.hook.with(|state| state.done.len());
        if self.mark_at.is_some_and(|at| at <= now || (done >= MARKS_AT_ONCE && self.marks_from <= now)) {
            self.mark().await;
        }
    }

    /// Starts what may be started.
    fn begin(&mut self) {
        let now = Instant::now();
        let Some(accepted) = self.hook.with(|state| state.accepted) else { return self.ask(now) };
        while self.away.len() < self.most_at_once() && self.resumes <= now {
            let next =
                |state: &mut State| (state.done.len() < 2 * MARKS_AT_ONCE).then(|| state.queue.next(now)).flatten();
            let Some(taken) = self.hook.with(next) else { return };
            self.resumes = pace(accepted).map_or(self.resumes, |pause| now + pause);
            self.away.spawn(deliver(self.tools.clone(), self.hook.clone(), taken));
        }
    }

    /// Asks whether the webhook wants events, when it is time.
    fn ask(&mut self, now: Instant) {
        let Some(question) = self.handshake.begin(now, self.tools.terms.acceptance) else { return };
        self.hook.with(|state| state.offer = Some(question.offer));
        let letter = question.letter(&self.tools, &self.hook);
        let reply = self.tools.courier.carry(letter);
        self.away.spawn(async move { Back::Question(question, reply.await) });
    }

    /// Whether some that wait are to be given up. Those that were are written down first.
    fn has_too_many(&self) -> bool {
        self.letters.len() < MARKS_AT_ONCE && self.hook.with(|state| state.queue.len() > MOST_WAITING)
    }

    fn most_at_once(&self) -> usize {
        if self.failing.len() < TROUBLED { AT_ONCE } else { 1 }
    }

    /// When there is something to do again, if nothing comes in between.
    fn next_moment(&self) -> Option<Instant> {
        let now = Instant::now();
        let (due, accepted, unread) =
            self.hook.with(|state| (state.queue.due(now), state.accepted.is_some(), state.has_news()));
        let may_send = accepted && self.away.len() < self.most_at_once();
        let sends = due.filter(|_| may_send).map(|due| due.max(self.resumes));
        let asks = self.handshake.due().filter(|_| !accepted);
        let gives_up = self.has_too_many().then_some(now);
        [sends, asks, unread.then_some(self.read_at), self.mark_at, gives_up].into_iter().flatten().min()
    }

    async fn come_back(&mut self, back: Back) {
        match back {
            Back::Delivery(taken, event, reply) => self.judge(&taken, &event, reply),
            Back::Expired(taken, event) => self.give_up(&taken, &event, "TimeToLiveExceeded", taken.attempts),
            Back::Gone(taken) => {
                self.hook.with(|state| state.queue.done(&taken));
            }
            Back::Unread(taken, why) => {
                tracing::error!(%why, "an event could not be read");
                self.hook.with(|state| state.queue.again(&taken, Instant::now() + AFTER_FAILURE));
            }
            Back::Question(question, reply) => self.answered(question, &reply).await,
        }
    }

    async fn answered(&mut self, question: Question, reply: &Reply) {
        let now = Instant::now();
        match question.outcome(self.hook.webhook.schema, reply) {
            Outcome::Accepted(accepted) => match self.tools.accept(&self.hook, accepted).await {
                Ok(()) => self.handshake.end(),
                Err(error) => {
                    tracing::error!(%error, "that a webhook wants events could not be remembered");
                    self.handshake.again(now + AFTER_FAILURE);
                }
            },
            Outcome::Undecided => self.handshake.again(question.offer.until),
            Outcome::Refused(why) => self.refused(now, why),
        }
    }

    fn refused(&mut self, now: Instant, why: String) {
        let at = self.tools.clock.now();
        let accepted = self.hook.with(|state| state.accepted.is_some());
        if accepted {
            return self.handshake.end();
        }
        tracing::warn!(webhook = self.hook.webhook.url.shown(), why, "a webhook has not accepted; it is asked again");
        self.hook.with(|state| {
            state.last_failure = Some(Failure { at, why });
            state.offer = None;
        });
        self.handshake.failed(now, &self.tools.terms);
    }
}

impl Tools {
    /// A webhook wants events.
    pub(super) async fn accept(&self, hook: &Hook, accepted: Accepted) -> Result<(), Refusal> {
        self.ledger.accept(hook.id, accepted).await?;
        tracing::info!(webhook = hook.webhook.url.shown(), "a webhook has accepted and is told of events");
        hook.with(|state| {
            state.accepted = Some(accepted);
            state.offer = None;
            state.queue.begin(Instant::now());
        });
        hook.tell();
        Ok(())
    }
}

/// Resolves when the server stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What is waited for between deliveries to a webhook that has said how many it wants.
fn pace(accepted: Accepted) -> Option<Duration> {
    accepted.rate.map(|rate| Duration::from_secs(60) / rate.max(1))
}

async fn deliver(tools: Arc<Tools>, hook: Arc<Hook>, taken: Taken) -> Back {
    let event = match tools.vaults.event(taken.number).await {
        Ok(Some(event)) if event.id == taken.id => event,
        Ok(_) => return Back::Gone(taken),
        Err(why) => return Back::Unread(taken, why),
    };
    if Instant::now() >= taken.since + tools.terms.time_to_live {
        return Back::Expired(taken, event);
    }
    let webhook = &hook.webhook;
    let letter = tools.wire.notification(&event, &webhook.url, webhook.schema, taken.attempts);
    let reply = tools.courier.carry(letter).await;
    Back::Delivery(taken, event, reply)
}
