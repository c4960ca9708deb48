//! Runs a drill step by step. A failed step stops only those that depend on it; these are reported with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::capability::Capability;
use super::hooks::{HookPoint, Hooks};
use super::skip::Skip;
use super::step::{BlockedStep, Outcome, Step, StepError, StepPlan, Verdict};

/// Observes the progress of drills.
pub trait Observer {
    /// A drill starts.
    fn drill_started(&mut self, drill: &'static str);
    /// One of its steps starts.
    fn step_started(&mut self, step: &'static str);
    /// The step has its verdict.
    fn step_finished(&mut self, step: &Step);
}

/// Runs the steps of one drill.
pub(super) struct Runner<'s> {
    /// The drill's name.
    pub(super) drill: &'static str,
    /// What is left out.
    pub(super) skip: &'s Skip,
    /// Returns how to get a capability that the environment lacks.
    pub(super) missing: &'s dyn Fn(Capability) -> Option<String>,
    /// Whether a step that cannot run has failed.
    pub(super) require_all: bool,
    /// The commands to run around each step.
    pub(super) hooks: Option<&'s Hooks>,
    /// Set to stop before the next step.
    pub(super) stop: &'s AtomicBool,
    /// Observes the progress.
    pub(super) observer: &'s mut dyn Observer,
}

impl Runner<'_> {
    /// Runs `plans` on `state`, each step whose dependencies passed and whose needs are met.
    pub(super) fn run<S>(&mut self, state: &mut S, plans: &[StepPlan<S>]) -> Vec<Step> {
        self.observer.drill_started(self.drill);
        let (mut steps, mut done) = (Vec::with_capacity(plans.len()), Vec::new());
        let mut blocked: Vec<&str> = Vec::new();
        for (at, plan) in plans.iter().enumerate() {
            if blocked.contains(&plan.name) {
                continue;
            }
            self.observer.step_started(plan.name);
            let mut step = match self.unmet_need(plan) {
                _ if self.is_skipped(plan) => self.finish(plan, Err(StepError::Skipped), Duration::ZERO),
                Some(why) => self.finish(plan, Err(StepError::NotRunnable(why)), Duration::ZERO),
                None => self.step(state, plan, &mut done),
            };
            if !done.contains(&plan.name) {
                step.blocked = self.blocked_by(plan.name, &plans[at + 1..], &blocked);
                blocked.extend(step.blocked.iter().map(|step| step.name));
            }
            self.observer.step_finished(&step);
            steps.push(step);
        }
        steps
    }

    fn is_skipped<S>(&self, plan: &StepPlan<S>) -> bool {
        self.skip.has(self.drill, plan.name)
    }

    /// Why a step cannot run, whatever the steps before it did.
    fn unmet_need<S>(&self, plan: &StepPlan<S>) -> Option<String> {
        if self.stop.load(Ordering::Relaxed) {
            return Some("the drill was interrupted".to_owned());
        }
        plan.needs.iter().find_map(|capability| (self.missing)(*capability).map(|how| capability.missing(&how)))
    }

    /// The steps of `later` that depend on `cause`, directly or through one another, and are in `known` not yet. Not
    /// among them are those with a reason of their own, which their own report gives.
    fn blocked_by<S>(&self, cause: &'static str, later: &[StepPlan<S>], known: &[&str]) -> Vec<BlockedStep> {
        let (mut undone, mut blocked) = (vec![cause], Vec::new());
        for plan in later.iter().filter(|plan| !known.contains(&plan.name)) {
            if plan.depends_on.iter().any(|before| undone.contains(before)) {
                undone.push(plan.name);
                let has_need = self.unmet_need(plan).is_some() && !self.stop.load(Ordering::Relaxed);
                if !has_need && !self.is_skipped(plan) {
                    blocked.push(BlockedStep { name: plan.name, done: plan.done, expected: plan.expected });
                }
            }
        }
        blocked
    }

    /// Runs one step with its hooks. When only a hook fails the step fails too, but later steps may depend on it: its work is
    /// done.
    fn step<S>(&self, state: &mut S, plan: &StepPlan<S>, done: &mut Vec<&'static str>) -> Step {
        let before = self.hook(plan.name, HookPoint::Before);
        let started = Instant::now();
        let outcome = (plan.run)(state);
        let took = started.elapsed();
        if outcome.is_ok() {
            done.push(plan.name);
        }
        let after = self.hook(plan.name, HookPoint::After);
        let outcome = outcome.and_then(|seen| before.and(after).map(|()| seen).map_err(StepError::Unexpected));
        self.finish(plan, outcome, took)
    }

    fn hook(&self, step: &str, moment: HookPoint) -> Result<(), String> {
        self.hooks.map_or(Ok(()), |hooks| hooks.run(self.drill, step, moment))
    }

    fn finish<S>(&self, plan: &StepPlan<S>, outcome: Outcome, took: Duration) -> Step {
        let (verdict, seen) = match outcome {
            Ok(seen) => (Verdict::Passed, seen),
            Err(StepError::Unexpected(seen)) => (Verdict::Failed, seen),
            Err(StepError::Skipped) => (Verdict::Skipped, "left out by --skip".to_owned()),
            Err(StepError::NotRunnable(why)) if self.require_all => (Verdict::Failed, format!("not run: {why}")),
            Err(StepError::NotRunnable(why)) => (Verdict::NotRun, why),
        };
        let StepPlan { name, done, expected, .. } = *plan;
        Step { name, done, expected, seen, took, verdict, blocked: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Recorded(Vec<String>);

    impl Observer for Recorded {
        fn drill_started(&mut self, drill: &'static str) {
            self.0.push(drill.to_owned());
        }
        fn step_started(&mut self, _: &'static str) {}
        fn step_finished(&mut self, step: &Step) {
            self.0.push(format!("{} {}: {}", step.name, step.verdict.words(), step.seen));
            self.0.extend(step.blocked.iter().map(|blocked| format!("  {}", blocked.name)));
        }
    }

    const fn plan(
        name: &'static str,
        depends_on: &'static [&'static str],
        needs: &'static [Capability],
        run: fn(&mut u32) -> Outcome,
    ) -> StepPlan<u32> {
        StepPlan { name, done: "", expected: "", depends_on, needs, run }
    }

    fn counts(state: &mut u32) -> Outcome {
        *state += 1;
        Ok(format!("{state}"))
    }

    const STEPS: &[StepPlan<u32>] = &[
        plan("one", &[], &[], counts),
        plan("bad", &["one"], &[], |_| Err(StepError::unexpected("other"))),
        plan("hindered", &["one", "bad"], &[], counts),
        plan("further", &["hindered"], &[], counts),
        plan("timed", &["further"], &[Capability::Clock], counts),
        plan("after-timed", &["timed"], &[], counts),
        plan("free", &["one"], &[Capability::Policy], counts),
    ];

    fn run(hooks: Option<&Hooks>, stop: &AtomicBool) -> Vec<String> {
        run_with(hooks, stop, false)
    }

    fn run_with(hooks: Option<&Hooks>, stop: &AtomicBool, require_all: bool) -> Vec<String> {
        run_without(&Skip::default(), hooks, stop, require_all)
    }

    fn run_without(skip: &Skip, hooks: Option<&Hooks>, stop: &AtomicBool, require_all: bool) -> Vec<String> {
        let mut recorded = Recorded::default();
        let missing = |capability| (capability == Capability::Clock).then(|| "give one".to_owned());
        let observer = &mut recorded;
        let mut runner = Runner { drill: "rotation", skip, missing: &missing, require_all, hooks, stop, observer };
        runner.run(&mut 0, STEPS);
        recorded.0
    }

    #[test]
    fn a_failed_step_stops_only_what_depends_on_it_and_is_reported_with_it() {
        let expected = [
            "rotation",
            "one passed: 1",
            "bad failed: other",
            "  hindered",
            "  further",
            "  after-timed",
            "timed not run: it needs a clock that can be moved: give one",
            "free passed: 2",
        ];
        assert_eq!(run(None, &AtomicBool::new(false)), expected);
    }

    #[test]
    fn a_step_that_is_not_run_fails_when_all_are_required() {
        let lines = run_with(None, &AtomicBool::new(false), true);
        let timed = "timed failed: not run: it needs a clock that can be moved: give one";
        assert_eq!(lines[6..], [timed, "free passed: 2"]);
    }

    #[test]
    fn a_skipped_step_is_reported_as_such_and_does_not_fail_when_all_are_required() {
        let skip = Skip::parse(vec!["rotation".to_owned()]).unwrap();
        let lines = run_without(&skip, None, &AtomicBool::new(false), true);
        assert_eq!(lines.len(), 8);
        assert!(lines[1..].iter().all(|line| line.ends_with(" skipped: left out by --skip")), "{lines:?}");
    }

    #[test]
    fn an_interruption_leaves_the_rest_not_run() {
        let lines = run(None, &AtomicBool::new(true));
        assert_eq!(lines[1], "one not run: the drill was interrupted");
        assert_eq!(lines[2..], ["  bad", "  hindered", "  further", "  timed", "  after-timed", "  free"]);
    }

    #[test]
    fn a_command_that_fails_fails_its_step_and_no_other() {
        let command = r#"test "$KEYHAVEN_DRILL_STEP $KEYHAVEN_DRILL_MOMENT" != "one after" || { echo no; exit 3; }"#;
        let hooks = Hooks::new(command.to_owned(), Default::default());
        let lines = run(Some(&hooks), &AtomicBool::new(false));
        assert!(lines[1].starts_with("one failed: after the step, the command ended with status 3: no"), "{lines:?}");
        assert_eq!(lines.last().unwrap(), "free passed: 2");
    }
}
