//! The steps that a run leaves out because its caller says so.

use super::drill::Drill;

/// What to leave out: drills, steps of any drill, and single steps as `DRILL/STEP`.
#[derive(Clone, Debug, Default)]
pub struct Skip(Vec<String>);

impl Skip {
    /// What `names` say.
    ///
    /// # Errors
    /// When one names no drill and no step; the text lists them.
    pub fn parse(names: Vec<String>) -> Result<Self, String> {
        let is_known = |name: &String| {
            let is_step = |drill: &Drill| drill.steps().any(|step| is_named(name, drill.name(), step.name));
            Drill::ALL.iter().any(is_step)
        };
        match names.iter().find(|name| !is_known(name)) {
            Some(unknown) => Err(format!("no drill and no step is called '{unknown}'; there are {}", everything())),
            None => Ok(Self(names)),
        }
    }

    /// Whether a step of `drill` is left out.
    pub(super) fn has(&self, drill: &str, step: &str) -> bool {
        self.0.iter().any(|name| is_named(name, drill, step))
    }
}

fn is_named(name: &str, drill: &str, step: &str) -> bool {
    match name.split_once('/') {
        Some(parts) => parts == (drill, step),
        None => name == drill || name == step,
    }
}

/// All drills with their steps.
fn everything() -> String {
    let steps = |drill: Drill| drill.steps().map(|step| step.name).collect::<Vec<_>>().join(", ");
    Drill::ALL.map(|drill| format!("{} ({})", drill.name(), steps(drill))).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(names: &[&str]) -> Result<Skip, String> {
        Skip::parse(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn drills_steps_and_single_steps_are_left_out() {
        let skipped = skip(&["rotation", "kill-in-re-wrap", "recovery/make-factory"]).unwrap();
        assert!(skipped.has("rotation", "enable") && skipped.has("recovery", "kill-in-re-wrap"));
        assert!(skipped.has("recovery", "make-factory"));
        assert!(!skipped.has("revocation", "make-factory") && !skipped.has("recovery", "enable"));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        for name in ["rotations", "rotation/kill-in-rotation", ""] {
            let why = skip(&["rotation", name]).unwrap_err();
            assert!(
                why.starts_with(&format!("no drill and no step is called '{name}'; there are rotation (make-key, ")),
                "{why}"
            );
        }
    }
}
