//! The role assignments, custom roles, deny assignments and management groups of the tenant, kept in the store as one record, so
//! that one revision guards every decision that was made by them; and in another record the networks that vaults' rules refer to.

mod networks;

use std::sync::Arc;

use uuid::Uuid;

use crate::access::roles::{Content, DenyAssignment, RoleAssignment, RoleBasedAccess, Scope};
use crate::records::{Change, RecordError, Records, View, encode};
use crate::store::{Batch, EntryKey, Revision};

pub(crate) use networks::{GuardedNetworks, MAX_NAME_BYTES, MAX_NAMED, MAX_RANGES};

/// The most role assignments. The service has 4,000 for a subscription; these have to fit into one record.
pub(crate) const MAX_ASSIGNMENTS: usize = 2000;
/// The most custom roles, deny assignments and management groups, of each.
pub(crate) const MAX_OTHERS: usize = 200;
/// The key of the record.
const KEY: &str = "authorization";

/// The role assignments of the tenant. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Authorization {
    records: Records,
}

/// What decisions are made by, with the guard that it has not changed since.
#[derive(Clone, Debug)]
pub(crate) struct GuardedAccess {
    /// The assignments.
    pub access: Arc<RoleBasedAccess>,
    /// The record's key and revision; 0 where there is no record.
    pub guard: (EntryKey, Revision),
}

/// Why an assignment was not made.
#[derive(Debug)]
pub(crate) enum AssignmentRefusal {
    /// The principal has this role at this scope already.
    Exists {
        /// The id of that assignment.
        id: Uuid,
    },
    /// The id is that of another assignment, whose principal, role and scope cannot change.
    IdTaken,
    /// The limit is reached.
    TooMany,
    /// The store failed.
    Record(RecordError),
}

impl From<RecordError> for AssignmentRefusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Authorization {
    /// The assignments in `records`.
    pub(crate) fn new(records: Records) -> Self {
        Self { records }
    }

    /// Those of another generation.
    pub(crate) fn with_records(&self, records: Records) -> Self {
        Self { records }
    }

    /// The present assignments.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn current(&self) -> Result<GuardedAccess, RecordError> {
        let view = self.records.view().await?;
        self.in_view(&view).await
    }

    /// Makes a role assignment, or gives its condition to the one of its id. Returns it as it is kept, and whether it is new.
    ///
    /// # Errors
    /// See [`AssignmentRefusal`].
    pub(crate) async fn put(&self, assignment: &RoleAssignment) -> Result<(RoleAssignment, bool), AssignmentRefusal> {
        let putting = |view: View| async move {
            let current = self.in_view(&view).await?;
            let mut content = current.access.content().clone();
            let is_new = add(&mut content, assignment)?;
            let kept = content.assignments.iter().find(|one| one.id == assignment.id).unwrap_or(assignment).clone();
            Ok::<_, AssignmentRefusal>(Change { batch: replacing(current, content)?, answer: (kept, is_new) })
        };
        self.records.update(putting).await
    }

    /// Removes the role assignment with this id, and returns it, if there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn remove(&self, id: Uuid) -> Result<Option<RoleAssignment>, RecordError> {
        let removing = |view: View| async move {
            let current = self.in_view(&view).await?;
            let mut content = current.access.content().clone();
            let removed = content.assignments.extract_if(.., |assignment| assignment.id == id).last();
            Ok::<_, RecordError>(Change { batch: replacing(current, content)?, answer: removed })
        };
        self.records.update(removing).await
    }

    /// Replaces everything by what `decide` makes of it; writes nothing when that is the same.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn replace(&self, decide: impl Fn(&Content) -> Content + Sync) -> Result<(), RecordError> {
        let decide = &decide;
        let replacing_all = |view: View| async move {
            let current = self.in_view(&view).await?;
            let content = decide(current.access.content());
            Ok::<_, RecordError>(Change { batch: replacing(current, content)?, answer: () })
        };
        self.records.update(replacing_all).await
    }

    /// Makes `wanted` the only role assignments at `scope` and below it. One that gives the same stays, with the condition that is
    /// wanted.
    ///
    /// # Errors
    /// See [`AssignmentRefusal`].
    pub(crate) async fn replace_below(
        &self,
        scope: &Scope,
        wanted: &[RoleAssignment],
    ) -> Result<(), AssignmentRefusal> {
        let replacing_below = |view: View| async move {
            let current = self.in_view(&view).await?;
            let content = with_only(current.access.content(), scope, wanted)?;
            Ok::<_, AssignmentRefusal>(Change { batch: replacing(current, content)?, answer: () })
        };
        self.records.update(replacing_below).await
    }

    /// Gives and denies at `to` what is given and denied at `from` or below it: a copy of a vault is used by the same programs. What
    /// does not fit within [`MAX_ASSIGNMENTS`] and [`MAX_OTHERS`] is left out, and said in the log.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn copy_scope(&self, from: &Scope, to: &Scope) -> Result<(), RecordError> {
        let place = |scope: &Scope| to.below(scope.relative_to(from)?).ok();
        let copied = |one: &RoleAssignment| Some(one.at(place(&one.scope)?));
        let copying = |content: &Content| {
            let mut next = content.clone();
            let left_out = content.assignments.iter().filter_map(copied);
            let left_out =
                left_out.filter(|one| matches!(add(&mut next, one), Err(AssignmentRefusal::TooMany))).count();
            if left_out > 0 {
                tracing::warn!(left_out, most = MAX_ASSIGNMENTS, "a copy lacks role assignments of its source");
            }
            let denials = content.denials.iter().filter_map(|one| Some(one.at(place(&one.scope)?)));
            let left_out = add_denials(&mut next, denials);
            if left_out > 0 {
                tracing::warn!(left_out, most = MAX_OTHERS, "a copy lacks deny assignments of its source");
            }
            next
        };
        self.replace(copying).await
    }

    /// Removes every role and deny assignment at `scope` or below: of a vault that is deleted.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn remove_below(&self, scope: &Scope) -> Result<(), RecordError> {
        self.replace(|content| without(content, scope)).await
    }

    /// What a commit must put to remove every role and deny assignment at `scope` or below; nothing where there is none. The batch that it is
    /// added to must expect the revision of the record in `view`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn removing_below(&self, view: &View, scope: &Scope) -> Result<Batch, RecordError> {
        let GuardedAccess { access, guard: (key, _) } = self.in_view(view).await?;
        let content = without(access.content(), scope);
        if content == *access.content() {
            return Ok(Batch::default());
        }
        Ok(Batch::default().put(key, encode(&RoleBasedAccess::from(content))?))
    }

    async fn in_view(&self, view: &View) -> Result<GuardedAccess, RecordError> {
        let key = EntryKey::from(KEY);
        let found = self.records.entry::<RoleBasedAccess>(view, &key).await?;
        let (access, revision) = found.unwrap_or_default();
        Ok(GuardedAccess { access, guard: (key, revision) })
    }
}

/// Adds `assignment`, or gives its condition to the one with its id; answers whether there was none.
pub(crate) fn add(content: &mut Content, assignment: &RoleAssignment) -> Result<bool, AssignmentRefusal> {
    match content.assignments.iter().find(|one| one.is_same_grant(assignment)) {
        Some(other) if other.id != assignment.id => return Err(AssignmentRefusal::Exists { id: other.id }),
        _ => {}
    }
    let count = content.assignments.len();
    match content.assignments.iter_mut().find(|one| one.id == assignment.id) {
        Some(existing) if existing.is_same_grant(assignment) => {
            // Who made it stays known, and since when it counts.
            existing.condition.clone_from(&assignment.condition);
            existing.principal_type = assignment.principal_type;
            return Ok(false);
        }
        Some(_) => return Err(AssignmentRefusal::IdTaken),
        None if count >= MAX_ASSIGNMENTS => return Err(AssignmentRefusal::TooMany),
        None => content.assignments.push(assignment.clone()),
    }
    Ok(true)
}

/// `existing` with `wanted` as the only assignments at `scope` and below it.
fn with_only(existing: &Content, scope: &Scope, wanted: &[RoleAssignment]) -> Result<Content, AssignmentRefusal> {
    let mut content = existing.clone();
    let is_wanted = |one: &RoleAssignment| wanted.iter().any(|other| one.is_same_grant(other));
    content.assignments.retain(|one| !scope.contains(&one.scope) || is_wanted(one));
    for one in wanted {
        match content.assignments.iter_mut().find(|there| there.is_same_grant(one)) {
            Some(there) => there.condition.clone_from(&one.condition),
            None => drop(add(&mut content, one)?),
        }
    }
    Ok(content)
}

/// Adds the denials that are not there; answers for how many there is no room.
fn add_denials(content: &mut Content, denials: impl Iterator<Item = DenyAssignment>) -> usize {
    let mut left_out = 0;
    for denial in denials {
        match content.denials.iter().any(|there| there.id == denial.id) {
            true => {}
            false if content.denials.len() < MAX_OTHERS => content.denials.push(denial),
            false => left_out += 1,
        }
    }
    left_out
}

/// `existing` without the role and deny assignments at `scope` and below it.
fn without(existing: &Content, scope: &Scope) -> Content {
    let mut content = existing.clone();
    content.assignments.retain(|one| !scope.contains(&one.scope));
    content.denials.retain(|one| !scope.contains(&one.scope));
    content
}

/// What a commit must do to make `content` of what there is; nothing when that is the same.
fn replacing(current: GuardedAccess, content: Content) -> Result<Batch, RecordError> {
    let GuardedAccess { access, guard: (key, revision) } = current;
    if content == *access.content() {
        return Ok(Batch::default());
    }
    let value = encode(&RoleBasedAccess::from(content))?;
    Ok(Batch::default().expect(key.clone(), revision).put(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::roles::PrincipalType;
    use crate::random;
    use crate::store::{DataKey, Store};

    fn assignment(id: u128, principal: u128) -> RoleAssignment {
        RoleAssignment {
            id: Uuid::from_u128(id),
            principal: Uuid::from_u128(principal),
            principal_type: PrincipalType::ServicePrincipal,
            role: Uuid::from_u128(9),
            scope: Scope::parse("/subscriptions/5").unwrap(),
            condition: None,
            effective_from: 0,
            configured: false,
        }
    }

    #[tokio::test]
    async fn an_assignment_is_made_once_and_removed() {
        let authorization =
            Authorization::new(Records::new(Store::memory(DataKey::from_bytes(random::secret())).unwrap()));
        let before = authorization.current().await.unwrap();
        assert_eq!(before.guard.1, 0, "there is no record yet");
        assert!(authorization.put(&assignment(1, 2)).await.unwrap().1);
        let after = authorization.current().await.unwrap();
        assert_ne!(after.guard.1, 0);
        assert!(!authorization.put(&assignment(1, 2)).await.unwrap().1);
        let twin = authorization.put(&assignment(3, 2)).await.unwrap_err();
        assert!(matches!(twin, AssignmentRefusal::Exists { id } if id == Uuid::from_u128(1)));
        let other = authorization.put(&assignment(1, 4)).await.unwrap_err();
        assert!(matches!(other, AssignmentRefusal::IdTaken));
        assert_eq!(authorization.remove(Uuid::from_u128(1)).await.unwrap(), Some(assignment(1, 2)));
        assert_eq!(authorization.remove(Uuid::from_u128(1)).await.unwrap(), None);
    }

    #[test]
    fn no_more_than_the_limit_are_made_and_they_fit_into_a_record() {
        let mut content = Content::default();
        for id in 0..MAX_ASSIGNMENTS as u128 {
            let mut one = assignment(id, id);
            one.scope = Scope::parse(&format!("/subscriptions/5/{}", "a".repeat(250))).unwrap();
            add(&mut content, &one).unwrap();
        }
        assert!(matches!(add(&mut content, &assignment(9999, 9999)), Err(AssignmentRefusal::TooMany)));
        let nothing = GuardedAccess { access: Arc::default(), guard: (EntryKey::from(KEY), 0) };
        let batch = replacing(nothing, content).unwrap();
        assert!(batch.bytes() <= crate::store::MAX_BATCH_BYTES);
    }
}
