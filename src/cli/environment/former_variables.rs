//! What a shell had before `keyhaven env` changed it. The shell itself keeps that, in variables of its own, so that
//! `env --unset` can put it back without a server.

use std::collections::BTreeMap;

use super::Changes;
use crate::app::Variables;

/// What the names of variables with former values begin with.
const PREFIX: &str = "KEYHAVEN_FORMER_";
/// The variable that lists the names of those that were not set.
const UNSET: &str = "KEYHAVEN_FORMER_UNSET";

/// The variables that `keyhaven env` has set in a shell, each with its former value; none for one that was not set. Values may be
/// credentials: deliberately no `Debug`.
#[derive(Default)]
pub(crate) struct FormerVariables(BTreeMap<String, Option<String>>);

impl FormerVariables {
    /// What the shell with the variables `all` keeps; empty where `keyhaven env` has set nothing.
    pub(crate) fn of(all: &Variables) -> Self {
        let unset = all.get(UNSET).map(String::as_str).unwrap_or_default().split_whitespace();
        let unset = unset.map(|name| (name.to_owned(), None));
        let set = all.iter().filter(|(name, _)| *name != UNSET);
        let set = set.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), Some(value.clone()))));
        Self(unset.chain(set).collect())
    }

    /// Whether `keyhaven env` has set nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `keyhaven env` has set the variable `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The environment `all` as it was before.
    pub(crate) fn before(&self, all: &Variables) -> Variables {
        let mut before = all.clone();
        let restoring = self.restoring();
        before.retain(|name, _| !restoring.remove.contains(name));
        before.extend(restoring.set);
        before
    }

    /// The changes that put everything back, and remove what the shell kept.
    pub(crate) fn restoring(&self) -> Changes {
        let mut changes = Changes::default();
        for (name, value) in &self.0 {
            changes.put_back(name, value.as_deref());
        }
        changes.remove.extend(self.kept_in());
        changes
    }

    /// Completes `changes` to an environment that was `before`: the shell keeps what it had, and what an earlier `keyhaven env` set
    /// and these do not is put back.
    pub(crate) fn keep(&self, changes: &mut Changes, before: &Variables) {
        let names: Vec<String> = changes.set.keys().cloned().collect();
        for (name, value) in self.0.iter().filter(|(name, _)| !names.contains(name)) {
            changes.put_back(name, value.as_deref());
        }
        let (had, had_not): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| before.contains_key(name));
        let kept = had.iter().map(|name| (format!("{PREFIX}{name}"), before[name].clone()));
        let kept: Variables = kept.chain([(UNSET.to_owned(), had_not.join(" "))]).collect();
        changes.remove.extend(self.kept_in().into_iter().filter(|name| !kept.contains_key(name)));
        changes.set.extend(kept);
    }

    /// The names of the variables in which the shell keeps this.
    fn kept_in(&self) -> Vec<String> {
        if self.is_empty() {
            return vec![];
        }
        let set = self.0.iter().filter(|(_, value)| value.is_some());
        set.map(|(name, _)| format!("{PREFIX}{name}")).chain([UNSET.to_owned()]).collect()
    }
}

impl Changes {
    fn put_back(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove([name]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// `all` after the changes.
    fn changed(all: &Variables, changes: &Changes) -> Variables {
        let mut changed = all.clone();
        changed.retain(|name, _| !changes.remove.contains(name));
        changed.extend(changes.set.clone());
        changed
    }

    /// A shell with the variables `all` after `keyhaven env` has set `set` in it.
    fn entered(all: &Variables, set: &[(&str, &str)]) -> Variables {
        let former = FormerVariables::of(all);
        let mut changes = Changes { set: variables(set), ..Changes::default() };
        former.keep(&mut changes, &former.before(all));
        changed(all, &changes)
    }

    #[test]
    fn what_was_set_before_comes_back_and_nothing_else_stays() {
        let own = variables(&[("HOME", "/me"), ("HTTPS_PROXY", "http://corp:1"), ("EMPTY", "")]);
        let once = entered(&own, &[("HTTPS_PROXY", "http://ours"), ("VAULT_URL", "https://ours"), ("EMPTY", "x")]);
        assert_eq!(once["HTTPS_PROXY"], "http://ours");
        assert_eq!(once["KEYHAVEN_FORMER_HTTPS_PROXY"], "http://corp:1");
        assert_eq!(once["KEYHAVEN_FORMER_UNSET"], "VAULT_URL");
        assert_eq!(FormerVariables::of(&once).before(&once), own);
        assert_eq!(changed(&once, &FormerVariables::of(&once).restoring()), own);
        assert_eq!(FormerVariables::of(&own).restoring(), Changes::default());
    }

    #[test]
    fn in_a_shell_that_was_entered_twice_the_first_values_are_kept() {
        let own = variables(&[("HTTPS_PROXY", "http://corp:1"), ("PIP_CERT", "/corp.pem")]);
        let once = entered(&own, &[("HTTPS_PROXY", "http://one"), ("VAULT_URL", "https://one"), ("PIP_CERT", "/one")]);
        let twice = entered(&once, &[("HTTPS_PROXY", "http://two"), ("KEY_VAULT_NAME", "two")]);
        assert_eq!(twice["HTTPS_PROXY"], "http://two");
        assert_eq!(twice["KEYHAVEN_FORMER_HTTPS_PROXY"], "http://corp:1");
        assert_eq!(
            (twice["PIP_CERT"].as_str(), twice.get("VAULT_URL")),
            ("/corp.pem", None),
            "what the second does not set"
        );
        assert_eq!(changed(&twice, &FormerVariables::of(&twice).restoring()), own);
    }
}
