//! What a server's clients used: collected while it runs, and held against what a configuration grants.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::StartError;
use crate::access::roles::{OperationAttempt, RoleBasedAccess, RoleDecision, Scope};
use crate::access::{self, AccessPolicy, Decision, Identity};
use crate::audit::{Follower, Schema, Sink};
use crate::config::Config;
use crate::doors::vault;
use crate::operation::{Operation, Permission};
use crate::trail::RecentTrail;
use crate::usage::{Usage, Use, operation_of};

/// What was used so far; shared with the thread that adds to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CollectedUsage(Arc<Mutex<Usage>>);

impl CollectedUsage {
    /// Takes what there is.
    pub(crate) fn take(&self) -> Usage {
        std::mem::take(&mut *self.lock())
    }

    /// Lets `collector` add what there still is, for so long at the most. What was used is incomplete when it does not, and when
    /// there is none.
    pub(super) async fn complete(&self, collector: Option<Follower>, most: Duration) {
        let is_complete = match collector {
            Some(collector) => collector.finish(most).await,
            None => false,
        };
        self.lock().is_incomplete = !is_complete;
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the records of trails to what was used.
pub(super) struct UsageSink {
    pub(super) usage: CollectedUsage,
    pub(super) schema: Schema,
    pub(super) operations: Vec<&'static Operation>,
}

impl Sink for UsageSink {
    fn take(&mut self, lost: u64, trails: &[RecentTrail]) -> std::io::Result<()> {
        let mut usage = self.usage.lock();
        usage.miss(lost);
        for entry in trails {
            usage.add_record(&serde_json::to_value(self.schema.record(entry))?, &self.operations);
        }
        Ok(())
    }
}

/// Every operation of the data plane.
pub(crate) fn data_plane_operations() -> Vec<&'static Operation> {
    vault::operations().collect()
}

/// What was used and `config` does not grant. Each vault that the file names (`names_vaults`: it names some)
/// is decided in its own mode, any other by role assignments.
///
/// # Errors
/// When the id of a vault that was used cannot be read.
pub(crate) fn not_granted<'u>(
    config: &Config,
    names_vaults: bool,
    usage: &'u Usage,
) -> Result<Vec<&'u Use>, StartError> {
    let roles = RoleBasedAccess::from(config.access.clone());
    let operations = data_plane_operations();
    let mut missing = Vec::new();
    for used in usage.permitted() {
        let Some(operation) = operation_of(&operations, used.operation) else {
            missing.push(used);
            continue;
        };
        let named = config.vaults.iter().find(|vault| vault.name.as_str().eq_ignore_ascii_case(used.vault_name()));
        let granted = match named.filter(|vault| names_vaults && !vault.role_based) {
            Some(vault) => by_policies(config, &vault.access_policies, used, operation.permission),
            None => by_roles(config, &roles, used, operation.permission)?,
        };
        if !granted {
            missing.push(used);
        }
    }
    Ok(missing)
}

fn by_policies(config: &Config, policies: &[AccessPolicy], used: &Use, permission: Permission) -> bool {
    access::decide(policies, &identity(config, used), permission) == Decision::Allowed
}

fn by_roles(config: &Config, roles: &RoleBasedAccess, used: &Use, permission: Permission) -> Result<bool, StartError> {
    let Permission::Vault { collection, data_action, .. } = permission else { return Ok(false) };
    let object = used.object.as_ref().map(|object| format!("/{collection}/{object}")).unwrap_or_default();
    let resource =
        Scope::parse(&format!("{}{object}", used.vault)).map_err(|error| StartError::new(error.to_string()))?;
    let who = &identity(config, used);
    let attempt = OperationAttempt { who, action: data_action, resource: &resource, now: i64::MAX };
    Ok(matches!(roles.decide_operation(attempt).decision, RoleDecision::Allowed { .. }))
}

/// The identity that used it, with its groups as far as the configuration has them.
fn identity(config: &Config, used: &Use) -> Identity {
    let known = config.identities.iter().find(|identity| identity.object_id == used.principal);
    Identity {
        tenant: config.tenant,
        object_id: used.principal,
        app_id: known.map(|identity| identity.client_id).unwrap_or_default(),
        groups: known.map(|identity| identity.groups.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::trail::{Received, RecentTrails, Trail};

    const MOST: Duration = Duration::from_secs(10);

    /// Takes nothing.
    struct Failing;

    impl Sink for Failing {
        fn take(&mut self, _: u64, _: &[RecentTrail]) -> std::io::Result<()> {
            Err(std::io::Error::other("full"))
        }
    }

    fn followed(sink: impl Sink) -> Follower {
        let recent = Arc::new(RecentTrails::default());
        recent.add(Timestamp::from_unix(0), Trail::new("vault"), &Received::default());
        Follower::start(recent, sink).unwrap()
    }

    #[tokio::test]
    async fn what_was_used_is_incomplete_unless_a_thread_has_looked_at_every_request() {
        let usage = CollectedUsage::default();
        usage.complete(None, MOST).await;
        assert!(usage.take().is_incomplete, "no thread");
        usage.complete(Some(followed(Failing)), MOST).await;
        assert!(usage.take().is_incomplete, "the last ones are missing");
        let schema =
            Schema { tenant: uuid::Uuid::nil(), subscription: crate::resource_id::SubscriptionId(uuid::Uuid::nil()) };
        let sink = UsageSink { usage: usage.clone(), schema, operations: data_plane_operations() };
        usage.complete(Some(followed(sink)), MOST).await;
        assert!(!usage.take().is_incomplete);
    }
}
