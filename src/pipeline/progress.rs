//! Which activities of a pipeline come next, and how the whole ends.

use std::collections::BTreeMap;

use super::activity::{Activity, Dependency};
use super::definition::Pipeline;
use super::outcome::Outcome;

/// What is to be done next.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Step<'a> {
    /// The activity can begin.
    Begin(&'a Activity),
    /// The activity is skipped.
    Skip(&'a Activity),
}

/// How a pipeline ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// It succeeded.
    Succeeded,
    /// These activities failed, and what came after did not make up for it.
    Failed(Vec<&'a str>),
}

/// How far a run is.
#[derive(Clone)]
pub(crate) struct Progress<'a> {
    pipeline: &'a Pipeline,
    /// What has begun; none while it is under way.
    begun: BTreeMap<&'a str, Option<Outcome>>,
}

impl<'a> Progress<'a> {
    /// A run of which nothing has begun.
    pub(crate) const fn new(pipeline: &'a Pipeline) -> Self {
        Self { pipeline, begun: BTreeMap::new() }
    }

    /// What can begin or is skipped now. It counts as begun, or as skipped.
    pub(crate) fn next(&mut self) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        // What is skipped may let others begin.
        loop {
            let found: Vec<_> = self.pipeline.activities.iter().filter_map(|one| self.step(one)).collect();
            if found.is_empty() {
                return steps;
            }
            for step in &found {
                match step {
                    Step::Begin(activity) => self.begun.insert(&activity.name, None),
                    Step::Skip(activity) => self.begun.insert(&activity.name, Some(Outcome::Skipped)),
                };
            }
            steps.extend(found);
        }
    }

    fn step(&self, activity: &'a Activity) -> Option<Step<'a>> {
        if self.begun.contains_key(activity.name.as_str()) {
            return None;
        }
        let met = activity.depends_on.iter().map(|on| self.is_met(on)).collect::<Option<Vec<_>>>()?;
        Some(if met.into_iter().all(|met| met) { Step::Begin(activity) } else { Step::Skip(activity) })
    }

    /// Whether the dependency is met; none while that is not known.
    fn is_met(&self, on: &Dependency) -> Option<bool> {
        let outcome = self.outcome(&on.activity)?;
        Some(on.conditions.iter().any(|condition| condition.is_met_by(outcome)))
    }

    /// Keeps how the activity `name`, which has begun, ended.
    pub(crate) fn ended(&mut self, name: &str, outcome: Outcome) {
        if let Some(begun) = self.begun.get_mut(name) {
            *begun = Some(outcome);
        }
    }

    /// How the whole ended; none while something is under way or can begin.
    ///
    /// The leaves decide, a skipped one through what it depends on: "Pipeline failure and error message" of the documents.
    pub(crate) fn verdict(&self) -> Option<Verdict<'a>> {
        let all = self.pipeline.activities.iter().map(|one| self.outcome(&one.name)).collect::<Option<Vec<_>>>();
        all?;
        let is_leaf = |one: &&Activity| !self.pipeline.activities.iter().any(|other| depends(other, &one.name));
        let mut left: Vec<&'a Activity> = self.pipeline.activities.iter().filter(is_leaf).collect();
        let mut failed = Vec::new();
        while let Some(activity) = left.pop() {
            match self.outcome(&activity.name) {
                Some(Outcome::Failed) if !failed.contains(&activity.name.as_str()) => {
                    failed.push(activity.name.as_str())
                }
                Some(Outcome::Skipped) => {
                    left.extend(self.pipeline.activities.iter().filter(|one| depends(activity, &one.name)))
                }
                _ => {}
            }
        }
        Some(if failed.is_empty() { Verdict::Succeeded } else { Verdict::Failed(failed) })
    }

    fn outcome(&self, name: &str) -> Option<Outcome> {
        self.begun.get(name).copied().flatten()
    }
}

fn depends(activity: &Activity, on: &str) -> bool {
    activity.depends_on.iter().any(|dependency| dependency.activity == on)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A pipeline of `Wait` activities: their names, and what each depends on.
    fn pipeline(activities: &[(&str, &[(&str, &str)])]) -> Pipeline {
        let activity = |(name, on): &(&str, &[(&str, &str)])| {
            let on: Vec<Value> =
                on.iter().map(|(on, how)| json!({"activity": on, "dependencyConditions": [how]})).collect();
            json!({"name": name, "type": "Wait", "dependsOn": on, "typeProperties": {"waitTimeInSeconds": 1}})
        };
        let all: Vec<Value> = activities.iter().map(activity).collect();
        Pipeline::parse(&json!({"activities": all})).unwrap()
    }

    /// Runs it: those of `failing` fail, all others succeed. The names that began, in order, and whether the whole succeeded.
    fn run(pipeline: &Pipeline, failing: &[&str]) -> (Vec<String>, bool) {
        let (mut progress, mut began) = (Progress::new(pipeline), Vec::new());
        loop {
            for step in progress.next() {
                let Step::Begin(activity) = step else { continue };
                let fails = failing.contains(&activity.name.as_str());
                progress.ended(&activity.name, if fails { Outcome::Failed } else { Outcome::Succeeded });
                began.push(activity.name.clone());
            }
            if let Some(verdict) = progress.verdict() {
                return (began, verdict == Verdict::Succeeded);
            }
        }
    }

    #[test]
    fn the_leaves_decide_as_the_documents_say() {
        let catching = pipeline(&[("a", &[]), ("on-failure", &[("a", "Failed")])]);
        let both = pipeline(&[("a", &[]), ("good", &[("a", "Succeeded")]), ("bad", &[("a", "Failed")])]);
        let skipping = pipeline(&[("a", &[]), ("b", &[("a", "Succeeded")]), ("c", &[("b", "Skipped")])]);
        let completed = pipeline(&[("a", &[]), ("b", &[("a", "Completed")]), ("c", &[("b", "Completed")])]);
        for (pipeline, failing, began, succeeded) in [
            (&catching, vec!["a"], vec!["a", "on-failure"], true),
            // The leaf is skipped, so what it depends on decides.
            (&catching, vec![], vec!["a"], true),
            (&catching, vec!["a", "on-failure"], vec!["a", "on-failure"], false),
            (&both, vec!["a"], vec!["a", "bad"], false),
            (&both, vec![], vec!["a", "good"], true),
            (&both, vec!["good"], vec!["a", "good"], false),
            (&skipping, vec!["a"], vec!["a", "c"], true),
            (&skipping, vec![], vec!["a", "b"], true),
            (&completed, vec!["a", "b"], vec!["a", "b", "c"], true),
        ] {
            assert_eq!(
                run(pipeline, &failing),
                (began.into_iter().map(str::to_owned).collect(), succeeded),
                "{failing:?}"
            );
        }
    }

    #[test]
    fn what_was_skipped_does_not_count_as_completed() {
        let pipeline = pipeline(&[("a", &[]), ("b", &[("a", "Failed")]), ("c", &[("b", "Completed")])]);
        assert_eq!(run(&pipeline, &[]), (vec!["a".to_owned()], true));
    }

    proptest! {
        #[test]
        fn every_run_ends_and_nothing_begins_before_its_time(
            edges in prop::collection::vec((0usize..8, 0usize..8, 0usize..4), 0..20),
            failing in prop::collection::vec(any::<bool>(), 8),
        ) {
            let names = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"];
            let how = ["Succeeded", "Failed", "Skipped", "Completed"];
            let on: Vec<Vec<(&str, &str)>> = (0..8)
                .map(|at| edges.iter().filter(|(from, to, _)| *from == at && to < from).map(|(_, to, c)| (names[*to], how[*c])).collect())
                .collect();
            let activities: Vec<_> = names.iter().copied().zip(on.iter().map(Vec::as_slice)).collect();
            let pipeline = pipeline(&activities);
            let (mut progress, mut begun, mut ended) = (Progress::new(&pipeline), BTreeSet::new(), BTreeSet::new());
            for _ in 0..=names.len() {
                for step in progress.next() {
                    let (Step::Begin(activity) | Step::Skip(activity)) = step;
                    let name = activity.name.as_str();
                    prop_assert!(activity.depends_on.iter().all(|on| ended.contains(on.activity.as_str())), "{name} began too early");
                    prop_assert!(begun.insert(name), "{name} began twice");
                    ended.insert(name);
                    let at = names.iter().position(|known| *known == name).unwrap();
                    let outcome = if failing[at] { Outcome::Failed } else { Outcome::Succeeded };
                    if matches!(step, Step::Begin(_)) { progress.ended(name, outcome) }
                }
            }
            prop_assert_eq!(begun.len(), names.len());
            prop_assert!(progress.verdict().is_some());
        }
    }
}
