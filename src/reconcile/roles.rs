//! Role assignments, custom roles, deny assignments and management groups as a configuration wants them.

use super::plan::Plan;
use super::refusal::Refusal;
use super::role_parts::{add_missing_parts, change_parts, differing_members, part_steps};
use super::{Action, Data, Step};
use crate::access::roles::{Content, RoleAssignment};
use crate::authorization::{AssignmentRefusal, MAX_ASSIGNMENTS, add};
use crate::config::Config;
use crate::records::RecordError;

impl Data<'_> {
    /// Adds what `config` names and is missing; the rest is left alone. Answers the members that differ.
    pub(super) async fn add_missing_roles(&self, config: &Config) -> Result<Vec<String>, Refusal> {
        let placed = self.placed_assignments(config).await?;
        self.authorization.replace(|existing| self.with_missing(existing, (&placed, config))).await?;
        let current = self.authorization.current().await?;
        let existing = current.access.content();
        let is_there = |wanted: &RoleAssignment| existing.assignments.iter().any(|one| is_same(one, wanted));
        let differ = !placed.iter().all(is_there);
        let others = differing_members(existing, &config.access).into_iter().map(str::to_owned);
        Ok(differ.then(|| "roleAssignments".to_owned()).into_iter().chain(others).collect())
    }

    /// Makes everything that `config` names as it says; with `prune` what an earlier configuration assigned and this one does not goes.
    pub(super) async fn change_roles(&self, config: &Config, prune: bool) -> Result<(), RecordError> {
        self.authorization.replace(|existing| self.as_wanted(existing, config, prune)).await?;
        let current = self.authorization.current().await?;
        let is_there =
            |wanted: &RoleAssignment| current.access.content().assignments.iter().any(|one| is_same(one, wanted));
        // The plan has refused what does not fit; another request may have come in between.
        config.access.assignments.iter().all(is_there).then_some(()).ok_or(RecordError::Busy)
    }

    /// The steps that [`Self::change_roles`] makes.
    pub(super) async fn role_steps(&self, config: &Config, prune: bool) -> Result<Vec<Step>, RecordError> {
        let current = self.authorization.current().await?;
        let existing = current.access.content();
        let mut next = without_unnamed(existing, config, prune);
        let mut steps: Vec<_> =
            config.access.assignments.iter().filter_map(|wanted| assignment_step(&mut next, wanted, config)).collect();
        let (action, why) = match prune {
            true => (Action::Delete, ""),
            false => (Action::Unnamed, "an earlier configuration made it; --prune deletes it"),
        };
        let unnamed = existing.assignments.iter().filter(|one| is_unnamed(one, config));
        steps.extend(unnamed.map(|one| Step::of_role(action, &subject(one, config), why)));
        steps.extend(part_steps(existing, &next, &config.access, prune));
        Ok(steps)
    }

    /// `existing` with what `config` names besides, its role assignments where they are `placed`; what does not fit is left out.
    fn with_missing(&self, existing: &Content, (placed, config): (&[RoleAssignment], &Config)) -> Content {
        let (mut content, wanted) = (existing.clone(), &config.access);
        for assignment in placed {
            if !existing.assignments.iter().any(|one| one.is_same_grant(assignment)) {
                let _ = add(&mut content, &self.delayed(assignment, config));
            }
        }
        add_missing_parts(&mut content, wanted);
        content
    }

    /// `existing` as `config` wants it.
    fn as_wanted(&self, existing: &Content, config: &Config, prune: bool) -> Content {
        let mut content = without_unnamed(existing, config, prune);
        for wanted in &config.access.assignments {
            let there = content.assignments.iter_mut().find(|one| one.is_same_grant(wanted));
            match there {
                Some(there) => there.condition.clone_from(&wanted.condition),
                // The plan has refused what cannot be added.
                None => drop(add(&mut content, &self.delayed(wanted, config))),
            }
        }
        change_parts(&mut content, &config.access, prune);
        content
    }

    /// `assignment` as it is made now.
    fn delayed(&self, assignment: &RoleAssignment, config: &Config) -> RoleAssignment {
        let effective_from = match config.role_assignment_delay {
            0 => assignment.effective_from,
            delay => self.now.unix() + i64::from(delay),
        };
        RoleAssignment { effective_from, ..assignment.clone() }
    }
}

/// What must happen for `wanted` to be among the assignments `next`, to which it is added.
fn assignment_step(next: &mut Content, wanted: &RoleAssignment, config: &Config) -> Option<Step> {
    let step = |action, why: &str| Some(Step::of_role(action, &subject(wanted, config), why));
    match next.assignments.iter().find(|one| one.is_same_grant(wanted)) {
        Some(one) if one.condition == wanted.condition => None,
        Some(_) => step(Action::Change, "condition"),
        None => match add(next, wanted) {
            Ok(_) => step(Action::Create, ""),
            Err(AssignmentRefusal::TooMany) => {
                step(Action::Refuse, &format!("there would be more than {MAX_ASSIGNMENTS} role assignments"))
            }
            Err(_) => step(Action::Refuse, "another role assignment has its name"),
        },
    }
}

/// `existing`; with `prune` without what an earlier configuration made and this one does not name.
fn without_unnamed(existing: &Content, config: &Config, prune: bool) -> Content {
    let mut content = existing.clone();
    content.assignments.retain(|one| !prune || !is_unnamed(one, config));
    content
}

/// Whether two assignments give the same. Who made them and when they take effect does not count.
fn is_same(one: &RoleAssignment, other: &RoleAssignment) -> bool {
    one.is_same_grant(other) && one.condition == other.condition
}

fn is_unnamed(one: &RoleAssignment, config: &Config) -> bool {
    one.configured && !config.access.assignments.iter().any(|wanted| one.is_same_grant(wanted))
}

/// `Key Vault Secrets User of shop at /subscriptions/…`
fn subject(one: &RoleAssignment, config: &Config) -> String {
    let role = config.access.role(one.role);
    let role = role.map_or_else(|| one.role.to_string(), |role| role.name.to_string());
    let identity = config.identities.iter().find(|identity| identity.object_id == one.principal);
    let identity = identity.map_or_else(|| one.principal.to_string(), |identity| identity.name.clone());
    format!("{role} of {identity} at {}", one.scope)
}

impl Plan {
    /// Whether a step changes who may do what.
    pub(super) fn concerns_roles(&self) -> bool {
        self.changes().any(Step::concerns_roles)
    }

    /// Whether a step withdraws what an earlier configuration gave.
    pub(super) fn prunes_roles(&self) -> bool {
        self.changes().any(|step| step.action == Action::Delete && step.concerns_roles())
    }
}

impl Step {
    fn concerns_roles(&self) -> bool {
        self.kind == "role" || self.is_of_part()
    }
}
