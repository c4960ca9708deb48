//! Who may do what in the vaults of a drill: by access policies in one, by roles in the other. The factory has what Azure's guide
//! to customer-managed keys names ("Encrypt Azure Data Factory with customer-managed keys"), and no more.

use serde_json::{Value, json};

use super::Controls;
use crate::clock::Timestamp;
use crate::drills::admin::AdminError;
use crate::drills::environment::identity::DrillIdentity;
use crate::drills::environment::vaults::{Mode, named};
use crate::factory::RECOMMENDED_ROLE;
use crate::random::{self, OsRandom};
use crate::remote::Method;

/// The permissions that a factory needs on keys.
const KEYS: [&str; 3] = ["get", "wrapKey", "unwrapKey"];
/// The permissions that it needs on secrets, for credentials that are stored there.
const SECRETS: [&str; 1] = ["get"];
/// The permissions of the operator; `all` does not include `purge`.
const EVERYTHING: [&str; 2] = ["all", "purge"];
/// The role for the factory's references to secrets.
const SECRETS_ROLE: &str = "Key Vault Secrets User";
/// The role of the operator.
const OPERATOR_ROLE: &str = "Key Vault Administrator";
/// The role of a factory's own administrators.
const CONTRIBUTOR_ROLE: &str = "Data Factory Contributor";

impl Controls {
    /// Gives the factory what it needs in each vault, and the operator everything.
    pub(super) fn give_access(&self) -> Result<(), AdminError> {
        self.grant_policy()?;
        self.assign(&self.operator, OPERATOR_ROLE)?;
        self.assign(&self.factory, SECRETS_ROLE)?;
        self.assign_role()
    }

    /// Takes all of it back.
    pub(super) fn withdraw_access(&self) -> Result<(), AdminError> {
        let policies = self.put_policies(&[]);
        let roles = self.unassign(|assignment| self.factory.owns(assignment) || self.operator.owns(assignment));
        policies.and(roles)
    }

    /// What of it is in a vault that was there before, and what removes it.
    pub(super) fn how_to_withdraw_access(&self) -> String {
        let (vault, ids) = (&self.vaults.name, format!("{}, {}", self.factory.object_id, self.operator.object_id));
        match self.vaults.mode {
            Mode::Policies => format!(
                "access policies of the vault {vault} for the object ids {ids}: PUT /admin/vaults/{vault} of the admin API, \
                 with the accessPolicies that shall stay"
            ),
            Mode::Roles => format!(
                "role assignments at the vault {vault} for the object ids {ids}: DELETE /admin/role-assignments/GUID of the \
                 admin API"
            ),
        }
    }

    /// Grants the factory's policy.
    pub(crate) fn grant_policy(&self) -> Result<(), AdminError> {
        self.put_policies(&[self.factory.policy(&KEYS, &SECRETS), self.operator.policy(&EVERYTHING, &EVERYTHING)])
    }

    /// Withdraws the factory's policy.
    pub(crate) fn withdraw_policy(&self) -> Result<(), AdminError> {
        self.put_policies(&[self.operator.policy(&EVERYTHING, &EVERYTHING)])
    }

    /// Gives the factory's identity the role for its key.
    pub(crate) fn assign_role(&self) -> Result<(), AdminError> {
        self.assign(&self.factory, RECOMMENDED_ROLE)
    }

    /// Withdraws that role; it keeps the one for secrets.
    pub(crate) fn withdraw_role(&self) -> Result<(), AdminError> {
        self.unassign(|assignment| self.factory.owns(assignment) && assignment["role"] == RECOMMENDED_ROLE)
    }

    /// Gives the factory's identity the role that the factory's own administrators have.
    pub(crate) fn make_contributor(&self) -> Result<(), AdminError> {
        self.assign(&self.factory, CONTRIBUTOR_ROLE)
    }

    /// Replaces the policies of this run's identities, in the vault that has policies.
    fn put_policies(&self, ours: &[Value]) -> Result<(), AdminError> {
        let all = self.admin.send(Method::GET, "/admin/vaults", None)?;
        let vault = self.vaults.of_mode(Mode::Policies).and_then(|name| Some((name, named(&all, name)?)));
        let Some((name, vault)) = vault else { return Ok(()) };
        let mut policies = vault["accessPolicies"].as_array().cloned().unwrap_or_default();
        policies.retain(|policy| !self.factory.owns(policy) && !self.operator.owns(policy));
        policies.extend_from_slice(ours);
        self.put(name, &json!({"accessPolicies": policies}))
    }

    /// Gives `identity` a role at the vault in which roles decide, unless it has it.
    fn assign(&self, identity: &DrillIdentity, role: &str) -> Result<(), AdminError> {
        let Some(name) = self.vaults.of_mode(Mode::Roles) else { return Ok(()) };
        let is_it = |one: &Value| identity.owns(one) && one["role"] == role;
        if self.role_assignments()?.iter().any(is_it) {
            return Ok(());
        }
        let vault = self.admin.send(Method::GET, &format!("/admin/vaults/{name}"), None)?;
        self.assign_at(identity, role, vault["id"].as_str().unwrap_or_default())
    }

    /// Gives `identity` a role at `scope`, and waits until it counts.
    pub(super) fn assign_at(&self, identity: &DrillIdentity, role: &str, scope: &str) -> Result<(), AdminError> {
        let entry = json!({"objectId": identity.object_id, "role": role, "scope": scope});
        let path = format!("/admin/role-assignments/{}", random::uuid(&OsRandom));
        let made = self.admin.send(Method::PUT, &path, Some(&entry))?;
        self.wait_until_effective(&made)
    }

    /// Moves a virtual clock to when `assignment` counts, at a server that delays that. With the machine's clock it counts later.
    fn wait_until_effective(&self, assignment: &Value) -> Result<(), AdminError> {
        let from = assignment["effectiveFrom"].as_str().and_then(Timestamp::parse);
        match from.filter(|_| self.is_virtual) {
            Some(from) if from > self.now()? => self.set_clock(from),
            _ => Ok(()),
        }
    }

    pub(super) fn unassign(&self, is_it: impl Fn(&Value) -> bool) -> Result<(), AdminError> {
        for assignment in self.role_assignments()?.iter().filter(|one| is_it(one)) {
            let path = format!("/admin/role-assignments/{}", assignment["name"].as_str().unwrap_or_default());
            self.admin.send(Method::DELETE, &path, None)?;
        }
        Ok(())
    }

    fn role_assignments(&self) -> Result<Vec<Value>, AdminError> {
        let all = self.admin.send(Method::GET, "/admin/role-assignments", None)?;
        Ok(all["roleAssignments"].as_array().cloned().unwrap_or_default())
    }
}
