//! May this caller do this operation in this vault? By the vault's access policies, or by role assignments where it has roles.

use super::State;
use super::refusal;
use crate::access::roles::{OperationAttempt, RoleDecision, Scope};
use crate::access::{self, Decision, Identity};
use crate::authorization::GuardedAccess;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::operation::{Operation, Permission};
use crate::resource_id::SubscriptionId;
use crate::trail::{Missing, Trail};
use crate::vault::{Guard, ObjectName, Vault};

/// What a permitted request is bound to.
#[derive(Debug, Default)]
pub(super) struct Permit {
    /// What was read besides the vault for the decision, and must still be so when a write commits.
    pub(super) guard: Option<Guard>,
    /// The same, of the decision about the caller's address; boxed because few vaults ask for it.
    pub(super) network_guard: Option<Box<Guard>>,
    /// The refusal of a symmetric key, where reading the key was all that allowed the use of it.
    pub(super) refusal_if_symmetric: Option<Box<ApiError>>,
}

/// A request to be decided.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) operation: &'static Operation,
    pub(super) params: &'a Params,
    pub(super) who: &'a Identity,
}

impl State {
    /// Decides by the vault's mode.
    pub(super) async fn permit(&self, asked: Asked<'_>, vault: &Vault, trail: &mut Trail) -> Result<Permit, ApiError> {
        match vault.role_based {
            false => self.permit_by_policies(asked, vault, trail),
            true => self.permit_by_roles(asked, vault, trail).await,
        }
    }

    fn permit_by_policies(&self, asked: Asked<'_>, vault: &Vault, trail: &mut Trail) -> Result<Permit, ApiError> {
        match access::decide(&vault.access_policies, asked.who, asked.operation.permission) {
            Decision::Allowed => Ok(Permit::default()),
            Decision::Missing(permission) => {
                trail.missing = Some(Missing::Permission(permission));
                Err(refusal::forbidden_by_policy(permission, vault, asked.who, self.directory.issuer()))
            }
        }
    }

    async fn permit_by_roles(&self, asked: Asked<'_>, vault: &Vault, trail: &mut Trail) -> Result<Permit, ApiError> {
        let Permission::Vault { collection, data_action: action, .. } = asked.operation.permission else {
            return self.permit_by_policies(asked, vault, trail);
        };
        let current = self.authorization.current().await;
        let GuardedAccess { access, guard } = current.map_err(|error| refusal::error(error.into()))?;
        let resource = resource(vault, self.directory.tenant().subscription, collection, asked.params);
        let (who, now) = (asked.who, self.clock.now().unix());
        let decided = access.decide_operation(OperationAttempt { who, action, resource: &resource, now });
        let refused = |decision| {
            let refused = refusal::ByRoles { action, resource: &resource, decision };
            refusal::forbidden_by_roles(refused, vault, asked.who, self.directory.issuer())
        };
        match decided.decision {
            RoleDecision::Allowed { assignment } => {
                trail.assignment = Some(assignment);
                let refusal_if_symmetric =
                    decided.public_keys_only.then(|| Box::new(refused(RoleDecision::NoAssignment)));
                Ok(Permit { guard: Some(guard), refusal_if_symmetric, ..Permit::default() })
            }
            decision @ (RoleDecision::NoAssignment | RoleDecision::Denied { .. }) => {
                trail.missing = Some(Missing::DataAction(action));
                Err(refused(decision))
            }
        }
    }
}

/// The scope that a request is of: the object that its path names, else the vault.
fn resource(vault: &Vault, tenant: SubscriptionId, collection: &str, params: &Params) -> Scope {
    let name = params.get("name");
    // What is no name lies in the vault: it is refused later.
    match ObjectName::is_name(&name) {
        true => vault.object_scope(tenant, collection, &name),
        false => vault.scope(tenant),
    }
}
