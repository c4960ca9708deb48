//! Where runs are kept, and how they are read.

use uuid::Uuid;

use super::query::RunQuery;
use super::record::{ActivityRun, Run, Status};
use crate::management::factory::id::FactoryId;
use crate::management::refusal::Refusal;
use crate::management::{Guard, Management, expecting};
use crate::records::{Change, RecordError, Records, View, encode};
use crate::store::{Batch, EntryKey};

/// The most runs of one server at once. Ours: the service queues what comes after.
const MAX_UNDER_WAY: usize = 100;
/// The most runs that are kept of a factory; the oldest that has ended goes for a new one. Ours: the service keeps them for 45 days.
const MAX_KEPT: usize = 1000;
/// What a run shows that its server did not end.
const INTERRUPTED: &str = "The server stopped while this run was under way.";

impl Management {
    /// The run, as it is now.
    ///
    /// # Errors
    /// When there is none, or the customer's key is away.
    pub(crate) async fn run(&self, factory: &FactoryId, id: Uuid) -> Result<Run, Refusal> {
        self.opened(factory).await?;
        let view = self.records.view().await?;
        let found = self.records.get::<Run>(&view, &factory.run_key(id)).await?;
        let found = found.ok_or(Refusal::NoRun(id))?;
        Ok(self.current(found.as_ref().clone()))
    }

    /// The runs that are asked for, those that began last first.
    ///
    /// # Errors
    /// When there is no such factory, or the customer's key is away.
    pub(crate) async fn runs(&self, factory: &FactoryId, query: &RunQuery) -> Result<Vec<Run>, Refusal> {
        self.opened(factory).await?;
        let view = self.records.view().await?;
        let all = self.records.scan::<Run>(&view, &runs_of(factory), None, usize::MAX).await?;
        let mut found: Vec<_> =
            all.iter().map(|run| self.current(run.as_ref().clone())).filter(|run| query.has(run)).collect();
        found.sort_by_key(|run| std::cmp::Reverse(run.started));
        Ok(found)
    }

    /// The runs of activities in a run that are asked for, in the order in which they began.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn activity_runs(
        &self,
        factory: &FactoryId,
        id: Uuid,
        query: &RunQuery,
    ) -> Result<Vec<ActivityRun>, Refusal> {
        let run = self.run(factory, id).await?;
        let view = self.records.view().await?;
        let all = self.records.scan::<ActivityRun>(&view, &factory.activity_runs(id), None, usize::MAX).await?;
        let shown = all.iter().map(|one| as_of(&run, one.as_ref().clone()));
        let mut found: Vec<_> = shown.filter(|one| query.has_activity(one, &run)).collect();
        found.sort_by_key(|one| (one.number, one.retries));
        Ok(found)
    }

    /// Stops a run; one that has ended stays as it is.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn cancel_run(&self, factory: &FactoryId, id: Uuid, guard: &Guard) -> Result<(), Refusal> {
        if self.run(factory, id).await?.status.is_final() {
            return Ok(());
        }
        let now = self.runs.clock().now();
        let cancelling = |view: View| async move {
            let found = self.records.entry::<Run>(&view, &factory.run_key(id)).await?;
            let (run, revision) = found.ok_or(Refusal::NoRun(id))?;
            if run.status.is_final() {
                return Ok(Change { batch: Batch::default(), answer: () });
            }
            let cancelled = Run { status: Status::Cancelled, ended: Some(now), updated: now, ..run.as_ref().clone() };
            let key = factory.run_key(id);
            Ok(Change {
                batch: Batch::default().expect(key.clone(), revision).put(key, encode(&cancelled)?),
                answer: (),
            })
        };
        self.write(guard, cancelling).await?;
        // Afterwards: a run that could not be cancelled goes on, and one that was keeps nothing any more.
        if let Some(task) = self.runs.under_way().remove(&id) {
            task.abort();
        }
        Ok(())
    }

    /// Keeps a new run. The oldest that has ended goes where there are too many.
    pub(super) async fn record_new_run(&self, factory: &FactoryId, run: &Run, guard: &Guard) -> Result<(), Refusal> {
        let recording = |view: View| async move {
            let all = self.records.scan::<Run>(&view, &runs_of(factory), None, usize::MAX).await?;
            if self.runs.under_way().len() >= MAX_UNDER_WAY {
                return Err(Refusal::TooManyRuns(MAX_UNDER_WAY));
            }
            let mut batch = expecting(&view, factory.key()).await?.put(factory.run_key(run.id), encode(run)?);
            if all.len() >= MAX_KEPT {
                batch = self.without_oldest(&view, factory, &all, batch).await?;
            }
            Ok(Change { batch, answer: () })
        };
        self.write(guard, recording).await
    }

    async fn without_oldest(
        &self,
        view: &View,
        factory: &FactoryId,
        all: &[std::sync::Arc<Run>],
        batch: Batch,
    ) -> Result<Batch, RecordError> {
        let ended = all.iter().map(|run| self.current(run.as_ref().clone())).filter(|run| run.status.is_final());
        let Some(oldest) = ended.min_by_key(|run| run.started) else { return Ok(batch) };
        let activities = view.keys(&factory.activity_runs(oldest.id), None, usize::MAX).await?;
        let batch = activities.into_iter().fold(batch, |batch, (key, _)| batch.delete(key));
        Ok(batch.delete(factory.run_key(oldest.id)))
    }

    /// Keeps how a run of an activity is, while its run is under way. A failure is logged: the run goes on.
    pub(super) async fn record_activity(&self, factory: &FactoryId, run: Uuid, activity: &ActivityRun) {
        let recording = |view: View| async move {
            let found = self.records.entry::<Run>(&view, &factory.run_key(run)).await?;
            let Some((_, revision)) = found.filter(|(run, _)| !run.status.is_final()) else {
                return Ok(Change { batch: Batch::default(), answer: () });
            };
            let batch = Batch::default().expect(factory.run_key(run), revision);
            Ok::<_, RecordError>(Change {
                batch: batch.put(factory.activity_run_key(run, activity.id), encode(activity)?),
                answer: (),
            })
        };
        if let Err(error) = self.records.update(recording).await {
            tracing::error!(%error, "the run of an activity could not be kept");
        }
    }

    /// Keeps how a run ended, unless it was cancelled or is gone.
    pub(super) async fn record_run_end(&self, factory: &FactoryId, ended: &Run) {
        let recording = |view: View| async move {
            let key = factory.run_key(ended.id);
            let found = self.records.entry::<Run>(&view, &key).await?;
            let Some((_, revision)) = found.filter(|(run, _)| !run.status.is_final()) else {
                return Ok(Change { batch: Batch::default(), answer: () });
            };
            let batch = Batch::default().expect(key.clone(), revision).put(key, encode(ended)?);
            Ok::<_, RecordError>(Change { batch, answer: () })
        };
        if let Err(error) = self.records.update(recording).await {
            tracing::error!(%error, "the end of a run could not be kept");
        }
    }

    /// The run as it is: what another process left unfinished has failed.
    fn current(&self, run: Run) -> Run {
        if run.status.is_final() || run.executor == self.runs.executor() {
            return run;
        }
        Run { status: Status::Failed, message: INTERRUPTED.to_owned(), ended: Some(run.updated), ..run }
    }
}

/// Checks that every run can be read.
///
/// # Errors
/// When one cannot, or the store cannot be read.
pub(crate) async fn check_runs(records: &Records, view: &View) -> Result<(), RecordError> {
    records.scan::<Run>(view, &EntryKey::from("factory-run/"), None, usize::MAX).await?;
    records.scan::<ActivityRun>(view, &EntryKey::from("factory-activity/"), None, usize::MAX).await.map(drop)
}

fn runs_of(factory: &FactoryId) -> EntryKey {
    let [runs, _] = factory.run_records();
    runs
}

/// An activity of a run that has ended has ended with it.
fn as_of(run: &Run, activity: ActivityRun) -> ActivityRun {
    if activity.status.is_final() || !run.status.is_final() {
        return activity;
    }
    ActivityRun { status: run.status, ended: run.ended, ..activity }
}
