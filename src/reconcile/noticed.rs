//! Warns when a new configuration takes access from an identity that `keyhaven env` has given to programs.

use super::refusal::Refusal;
use super::{Action, Data, Step};
use crate::access::AccessPolicy;
use crate::access::roles::{RoleDefinition, Scope};
use crate::config::Config;
use crate::directory::{IdentityRecord, IdentitySelector, UnknownIdentities};
use crate::vault::{Guarded, InitialVault, Vault};

impl Data<'_> {
    /// A note when programs that sign in as the present default identity lose access to a vault of `config`; `existing` are
    /// those vaults now, in the same order.
    ///
    /// # Errors
    /// What the store reports.
    pub(super) async fn noticed_by_programs(
        &self,
        config: &Config,
        existing: &[Option<Guarded<Vault>>],
    ) -> Result<Option<Step>, Refusal> {
        let present = self.directory.select(&IdentitySelector::Default, UnknownIdentities::Reject).await?;
        let Some(present) = present else { return Ok(None) };
        let lets_in = |policy: &AccessPolicy| policy.lets_in(present.object_id, &present.groups);
        let loses = |wanted: &InitialVault, vault: &Vault| {
            // Where roles decide already, the steps name each role that goes.
            !vault.role_based
                && vault.access_policies.iter().any(lets_in)
                && match wanted.role_based {
                    true => !self.has_role(config, &present, wanted),
                    false => !wanted.access_policies.iter().any(lets_in),
                }
        };
        let vaults = config.vaults.iter().zip(existing);
        let lost = vaults.filter(|(wanted, vault)| vault.as_deref().is_some_and(|vault| loses(wanted, vault)));
        let lost: Vec<_> = lost.map(|(wanted, _)| wanted.name.to_string()).collect();
        Ok((!lost.is_empty()).then(|| Step::of_identity(Action::Note, &present.name, words(&lost, config))))
    }

    /// Whether `config` gives `identity` a role for something in `vault`. Owner, for one, has no data action.
    fn has_role(&self, config: &Config, identity: &IdentityRecord, vault: &InitialVault) -> bool {
        let scope = Scope::from(&vault.resource_id(self.directory.tenant().subscription));
        let reaches = |at: &Scope| at.contains(&scope) || scope.contains(at) || at.management_group().is_some();
        let is_its = |principal| principal == identity.object_id || identity.groups.contains(&principal);
        let permits = |id| config.access.role(id).is_some_and(RoleDefinition::has_data_actions);
        let assignments = &config.access.assignments;
        assignments.iter().any(|one| is_its(one.principal) && reaches(&one.scope) && permits(one.role))
    }
}

fn words(lost: &[String], config: &Config) -> String {
    let next = config.default_identity().map(|identity| format!(" with --identity {}", identity.name));
    let (vaults, next) = (lost.join(", "), next.unwrap_or_default());
    format!("programs that sign in as it lose access to {vaults}: take env and .env anew{next}")
}
