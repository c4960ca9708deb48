//! Custom roles, deny assignments and management groups as a configuration wants them.

use super::{Action, Step};
use crate::access::roles::{Content, DenyAssignment, ManagementGroup, RoleDefinition};
use crate::authorization::MAX_OTHERS;

/// A custom role, a deny assignment or a management group.
trait Part: Clone + PartialEq {
    /// The member of the configuration that has them.
    const MEMBER: &'static str;

    /// Those of `content`.
    fn of(content: &Content) -> &Vec<Self>;

    /// Whether `other` is this one, perhaps changed.
    fn is(&self, other: &Self) -> bool;

    /// How a step names it.
    fn name(&self) -> String;

    /// Whether it says the same as `other`, which is this one.
    fn says_the_same(&self, other: &Self) -> bool {
        self == other
    }

    /// Whether it and `other` cannot be there together.
    fn excludes(&self, _other: &Self) -> bool {
        false
    }

    /// Whether a configuration made it.
    fn is_configured(&self) -> bool {
        true
    }

    /// Whether something in `content` needs it.
    fn is_needed(&self, _content: &Content) -> bool {
        false
    }
}

impl Part for RoleDefinition {
    const MEMBER: &'static str = "roleDefinitions";

    fn of(content: &Content) -> &Vec<Self> {
        &content.definitions
    }

    fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn excludes(&self, other: &Self) -> bool {
        self.id != other.id && self.name.eq_ignore_ascii_case(&other.name)
    }

    fn is_needed(&self, content: &Content) -> bool {
        content.assignments.iter().any(|one| one.role == self.id)
    }
}

impl Part for DenyAssignment {
    const MEMBER: &'static str = "denyAssignments";

    fn of(content: &Content) -> &Vec<Self> {
        &content.denials
    }

    fn is(&self, other: &Self) -> bool {
        (self.principal, &self.scope, &self.denies) == (other.principal, &other.scope, &other.denies)
    }

    fn name(&self) -> String {
        format!("of {} at {}", self.principal, self.scope)
    }

    fn is_configured(&self) -> bool {
        !self.copied
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Part for ManagementGroup {
    const MEMBER: &'static str = "managementGroups";

    fn of(content: &Content) -> &Vec<Self> {
        &content.management_groups
    }

    fn is(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// The members of the configuration in which `existing` lacks something of `wanted`, or has it otherwise.
pub(super) fn differing_members(existing: &Content, wanted: &Content) -> Vec<&'static str> {
    let members = [
        differs::<RoleDefinition>(existing, wanted),
        differs::<DenyAssignment>(existing, wanted),
        differs::<ManagementGroup>(existing, wanted),
    ];
    members.into_iter().flatten().collect()
}

/// Adds to `content` what is `wanted` and missing, as far as there is room.
pub(super) fn add_missing_parts(content: &mut Content, wanted: &Content) {
    content.definitions = with_missing(content, wanted);
    content.denials = with_missing(content, wanted);
    content.management_groups = with_missing(content, wanted);
}

/// Makes `content` have what is `wanted`; with `prune` what an earlier configuration made and this one does not name goes.
pub(super) fn change_parts(content: &mut Content, wanted: &Content, prune: bool) {
    content.definitions = changed(content, wanted, prune);
    content.denials = changed(content, wanted, prune);
    content.management_groups = changed(content, wanted, prune);
}

/// The steps that [`change_parts`] makes of `existing`; `next` has the role assignments as they are after it.
pub(super) fn part_steps(existing: &Content, next: &Content, wanted: &Content, prune: bool) -> Vec<Step> {
    let mut all = steps::<RoleDefinition>(existing, next, wanted, prune);
    all.extend(steps::<DenyAssignment>(existing, next, wanted, prune));
    all.extend(steps::<ManagementGroup>(existing, next, wanted, prune));
    all
}

fn differs<T: Part>(existing: &Content, wanted: &Content) -> Option<&'static str> {
    let is_there = |one: &T| T::of(existing).iter().any(|there| there.is(one) && there.says_the_same(one));
    (!T::of(wanted).iter().all(is_there)).then_some(T::MEMBER)
}

fn with_missing<T: Part>(existing: &Content, wanted: &Content) -> Vec<T> {
    let mut next = T::of(existing).clone();
    for one in T::of(wanted) {
        if next.len() < MAX_OTHERS && !next.iter().any(|there| there.is(one)) {
            next.push(one.clone());
        }
    }
    next
}

fn changed<T: Part>(existing: &Content, wanted: &Content, prune: bool) -> Vec<T> {
    let wanted = T::of(wanted);
    let is_named = |one: &T| wanted.iter().any(|other| one.is(other));
    let mut next: Vec<T> =
        T::of(existing).iter().filter(|one| !prune || !one.is_configured() || is_named(one)).cloned().collect();
    for one in wanted {
        match next.iter_mut().find(|there| there.is(one)) {
            Some(there) if there.says_the_same(one) => {}
            Some(there) => there.clone_from(one),
            // The plan has refused what would be too many.
            None => next.push(one.clone()),
        }
    }
    next
}

fn steps<T: Part>(existing: &Content, next: &Content, wanted: &Content, prune: bool) -> Vec<Step> {
    let step = |action, detail: String| Step::of_member(action, T::MEMBER, detail);
    let mut steps: Vec<_> =
        differs::<T>(existing, wanted).map(|_| step(Action::Change, String::new())).into_iter().collect();
    if changed::<T>(existing, wanted, prune).len() > MAX_OTHERS {
        steps.push(step(Action::Refuse, format!("there would be more than {MAX_OTHERS}; --prune deletes the unnamed")));
    }
    let is_named = |one: &T| T::of(wanted).iter().any(|other| one.is(other));
    let unnamed = T::of(existing).iter().filter(|one| one.is_configured() && !is_named(one));
    steps.extend(unnamed.map(|one| {
        let (action, why) = match prune {
            true if one.is_needed(next) => (Action::Refuse, ": role assignments have it: remove these first"),
            true => (Action::Delete, ""),
            false if T::of(wanted).iter().any(|other| one.excludes(other)) => {
                (Action::Refuse, ": the former one has another id; --prune deletes it")
            }
            false => (Action::Unnamed, ": an earlier configuration made it; --prune deletes it"),
        };
        step(action, format!("{}{why}", one.name()))
    }));
    steps
}

impl Step {
    /// Whether it is about custom roles, deny assignments or management groups.
    pub(super) fn is_of_part(&self) -> bool {
        let members = [RoleDefinition::MEMBER, DenyAssignment::MEMBER, ManagementGroup::MEMBER];
        self.kind == "member" && members.contains(&self.name.as_str())
    }
}
