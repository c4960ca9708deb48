//! Role assignments, custom roles, deny assignments and management groups as a configuration wants them.

use super::plan::Plan;
use super::{Action, Data, Step};
use crate::access::roles::{BUILT_IN, Content, RoleAssignment};
use crate::config::Config;
use crate::records::RecordError;

impl Data<'_> {
    /// Adds what `config` names and is missing; the rest is left alone. Answers the members that differ.
    pub(super) async fn add_missing_roles(&self, config: &Config) -> Result<Vec<String>, RecordError> {
        self.authorization.replace(|existing| self.wanted(existing, config, Replacing::Nothing)).await?;
        let current = self.authorization.current().await?;
        Ok(other_steps(current.access.content(), &config.access).into_iter().map(|step| step.name).collect())
    }

    /// Makes everything that `config` names as it says; with `prune` what an earlier configuration assigned and this one does not goes.
    pub(super) async fn change_roles(&self, config: &Config, prune: bool) -> Result<(), RecordError> {
        let replacing = if prune { Replacing::Unnamed } else { Replacing::Differing };
        self.authorization.replace(|existing| self.wanted(existing, config, replacing)).await
    }

    /// The steps that [`Self::change_roles`] makes.
    pub(super) async fn role_steps(&self, config: &Config, prune: bool) -> Result<Vec<Step>, RecordError> {
        let existing = self.authorization.current().await?;
        let existing = existing.access.content();
        let mut steps = Vec::new();
        for wanted in &config.access.assignments {
            if !existing.assignments.iter().any(|one| is_same(one, wanted)) {
                steps.push(Step::of_role(Action::Create, &subject(wanted, config), ""));
            }
        }
        let (action, why) = match prune {
            true => (Action::Delete, ""),
            false => (Action::Unnamed, "an earlier configuration made it; --prune deletes it"),
        };
        let unnamed = existing.assignments.iter().filter(|one| is_unnamed(one, config));
        steps.extend(unnamed.map(|one| Step::of_role(action, &subject(one, config), why)));
        steps.extend(other_steps(existing, &config.access));
        Ok(steps)
    }

    fn wanted(&self, existing: &Content, config: &Config, replacing: Replacing) -> Content {
        let mut content = existing.clone();
        let effective_from = self.now.unix() + i64::from(config.role_assignment_delay);
        if replacing == Replacing::Unnamed {
            content.assignments.retain(|one| !is_unnamed(one, config));
        }
        let missing = config
            .access
            .assignments
            .iter()
            .filter(|wanted| !existing.assignments.iter().any(|one| is_same(one, wanted)));
        let delayed = |one: &RoleAssignment| match config.role_assignment_delay {
            0 => one.clone(),
            _ => RoleAssignment { effective_from, ..one.clone() },
        };
        content.assignments.extend(missing.map(delayed));
        match replacing {
            Replacing::Nothing if *existing != Content::default() => {
                let known = |id| content.definitions.iter().any(|one| one.id == id);
                let missing: Vec<_> = config.access.definitions.iter().filter(|one| !known(one.id)).cloned().collect();
                content.definitions.extend(missing);
            }
            _ => {
                content.definitions.clone_from(&config.access.definitions);
                content.denials.clone_from(&config.access.denials);
                content.management_groups.clone_from(&config.access.management_groups);
            }
        }
        content
    }
}

/// What is replaced besides adding what is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replacing {
    /// Nothing.
    Nothing,
    /// What differs.
    Differing,
    /// What differs, and what an earlier configuration made and this one does not name.
    Unnamed,
}

/// The custom roles, deny assignments and management groups are those of the last configuration.
fn other_steps(existing: &Content, wanted: &Content) -> Vec<Step> {
    let parts = [
        ("roleDefinitions", existing.definitions == wanted.definitions),
        ("denyAssignments", existing.denials == wanted.denials),
        ("managementGroups", existing.management_groups == wanted.management_groups),
    ];
    parts
        .into_iter()
        .filter(|(_, is_same)| !is_same)
        .map(|(name, _)| Step::of_member(Action::Change, name, ""))
        .collect()
}

/// Whether two assignments give the same. Who made them and when they take effect does not count.
fn is_same(one: &RoleAssignment, other: &RoleAssignment) -> bool {
    (one.principal, one.role, &one.scope, &one.condition)
        == (other.principal, other.role, &other.scope, &other.condition)
}

fn is_unnamed(one: &RoleAssignment, config: &Config) -> bool {
    one.configured && !config.access.assignments.iter().any(|wanted| is_same(one, wanted))
}

/// `Key Vault Secrets User of shop at /subscriptions/…`
fn subject(one: &RoleAssignment, config: &Config) -> String {
    let role = BUILT_IN.iter().chain(&config.access.definitions).find(|role| role.id == one.role);
    let role = role.map_or_else(|| one.role.to_string(), |role| role.name.to_string());
    let identity = config.identities.iter().find(|identity| identity.object_id == one.principal);
    let identity = identity.map_or_else(|| one.principal.to_string(), |identity| identity.name.clone());
    format!("{role} of {identity} at {}", one.scope)
}

impl Plan {
    /// Whether a step changes who may do what.
    pub(super) fn concerns_roles(&self) -> bool {
        let members = ["roleDefinitions", "denyAssignments", "managementGroups"];
        let is_member = |step: &Step| step.kind == "member" && members.contains(&step.name.as_str());
        self.changes().any(|step| step.kind == "role" || is_member(step))
    }
}
