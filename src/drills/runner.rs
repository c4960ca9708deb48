//! Playing a drill: step by step, each judged by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::capability::Lever;
use super::hooks::{Hooks, Moment};
use super::step::{Outcome, Play, Step, Verdict, Wrong};

/// Who is told how drills go on.
pub trait Listener {
    /// A drill begins.
    fn drill(&mut self, drill: &'static str);
    /// One of its steps begins.
    fn begins(&mut self, step: &'static str);
    /// The step has been judged.
    fn ended(&mut self, step: &Step);
}

/// What steps are played with.
pub(super) struct Stage<'s> {
    /// The drill's name.
    pub(super) drill: &'static str,
    /// Why a lever cannot be pulled here, if it cannot.
    pub(super) missing: &'s dyn Fn(Lever) -> Option<String>,
    /// The commands around each step.
    pub(super) hooks: Option<&'s Hooks>,
    /// Whether somebody wants it to end.
    pub(super) stop: &'s AtomicBool,
    /// Who is told.
    pub(super) listener: &'s mut dyn Listener,
}

impl Stage<'_> {
    /// Plays `plays` in `scene`, all that can be judged.
    pub(super) fn play<S>(&mut self, scene: &mut S, plays: &[Play<S>]) -> Vec<Step> {
        self.listener.drill(self.drill);
        let (mut steps, mut done) = (Vec::with_capacity(plays.len()), Vec::new());
        for play in plays {
            self.listener.begins(play.name);
            let step = match self.hindrance(play, &done) {
                Some(why) => play.judged(Err(Wrong::Missing(why)), Duration::ZERO),
                None => self.step(scene, play, &mut done),
            };
            self.listener.ended(&step);
            steps.push(step);
        }
        steps
    }

    /// Why a step cannot be tried.
    fn hindrance<S>(&self, play: &Play<S>, done: &[&str]) -> Option<String> {
        if self.stop.load(Ordering::Relaxed) {
            return Some("the drill was interrupted".to_owned());
        }
        let levers = play.levers.iter().find_map(|lever| (self.missing)(*lever).map(|how| lever.missing(&how)));
        let undone = || play.after.iter().find(|before| !done.contains(*before));
        levers.or_else(|| undone().map(|before| format!("it depends on the step '{before}', which was not done")))
    }

    /// A step whose command fails has failed, but what it did is done: later steps go on from there.
    fn step<S>(&self, scene: &mut S, play: &Play<S>, done: &mut Vec<&'static str>) -> Step {
        let before = self.hook(play.name, Moment::Before);
        let started = Instant::now();
        let outcome = (play.act)(scene);
        let took = started.elapsed();
        if outcome.is_ok() {
            done.push(play.name);
        }
        let after = self.hook(play.name, Moment::After);
        play.judged(outcome.and_then(|seen| before.and(after).map(|()| seen).map_err(Wrong::Seen)), took)
    }

    fn hook(&self, step: &str, moment: Moment) -> Result<(), String> {
        self.hooks.map_or(Ok(()), |hooks| hooks.run(self.drill, step, moment))
    }
}

impl<S> Play<S> {
    fn judged(&self, outcome: Outcome, took: Duration) -> Step {
        let (verdict, seen) = match outcome {
            Ok(seen) => (Verdict::Passed, seen),
            Err(Wrong::Seen(seen)) => (Verdict::Failed, seen),
            Err(Wrong::Missing(why)) => (Verdict::NotRun, why),
        };
        Step { name: self.name, done: self.done, expected: self.expected, seen, took, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told(Vec<String>);

    impl Listener for Told {
        fn drill(&mut self, drill: &'static str) {
            self.0.push(drill.to_owned());
        }
        fn begins(&mut self, _: &'static str) {}
        fn ended(&mut self, step: &Step) {
            self.0.push(format!("{} {}: {}", step.name, step.verdict.words(), step.seen));
        }
    }

    const fn play(
        name: &'static str,
        after: &'static [&'static str],
        levers: &'static [Lever],
        act: fn(&mut u32) -> Outcome,
    ) -> Play<u32> {
        Play { name, done: "", expected: "", after, levers, act }
    }

    fn counts(scene: &mut u32) -> Outcome {
        *scene += 1;
        Ok(format!("{scene}"))
    }

    const PLAYS: &[Play<u32>] = &[
        play("one", &[], &[], counts),
        play("bad", &["one"], &[], |_| Err(Wrong::seen("other"))),
        play("hindered", &["one", "bad"], &[], counts),
        play("timed", &[], &[Lever::Clock], counts),
        play("free", &["one"], &[Lever::Policy], counts),
    ];

    fn played(hooks: Option<&Hooks>, stop: &AtomicBool) -> Vec<String> {
        let mut told = Told::default();
        let missing = |lever| (lever == Lever::Clock).then(|| "give one".to_owned());
        let mut stage = Stage { drill: "drill", missing: &missing, hooks, stop, listener: &mut told };
        stage.play(&mut 0, PLAYS);
        told.0
    }

    #[test]
    fn a_failed_step_stops_only_what_depends_on_it() {
        let expected = [
            "drill",
            "one passed: 1",
            "bad failed: other",
            "hindered not run: it depends on the step 'bad', which was not done",
            "timed not run: the lever 'clock' is missing: give one",
            "free passed: 2",
        ];
        assert_eq!(played(None, &AtomicBool::new(false)), expected);
    }

    #[test]
    fn whoever_interrupts_leaves_the_rest_not_run() {
        let told = played(None, &AtomicBool::new(true));
        assert!(told[1..].iter().all(|line| line.ends_with("not run: the drill was interrupted")), "{told:?}");
    }

    #[test]
    fn a_command_that_fails_fails_its_step_and_no_other() {
        let command = r#"test "$KEYHAVEN_DRILL_STEP $KEYHAVEN_DRILL_MOMENT" != "one after" || { echo no; exit 3; }"#;
        let hooks = Hooks::new(command.to_owned(), Default::default());
        let told = played(Some(&hooks), &AtomicBool::new(false));
        assert!(told[1].starts_with("one failed: after the step, the command ended with status 3: no"), "{told:?}");
        assert_eq!(told[5], "free passed: 2");
    }
}
