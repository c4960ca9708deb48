//! Roles in vaults that are not where a configuration has them: a start leaves such a vault where it is, and so the roles in it count there.

use super::Data;
use super::refusal::Refusal;
use crate::access::roles::{RoleAssignment, Scope};
use crate::config::Config;

impl Data<'_> {
    /// The role assignments of `config`; those at its vaults and below are where these vaults are.
    pub(super) async fn placed_assignments(&self, config: &Config) -> Result<Vec<RoleAssignment>, Refusal> {
        let tenant = self.directory.tenant().subscription;
        let mut elsewhere = Vec::new();
        for wanted in &config.vaults {
            let Some(existing) = self.vaults.find(&wanted.name).await? else { continue };
            let (named, is) = (Scope::from(&wanted.resource_id(tenant)), existing.scope(tenant));
            if named != is {
                elsewhere.push((named, is));
            }
        }
        let placed = |one: &RoleAssignment| {
            let moved = |(named, is): &(Scope, Scope)| is.below(one.scope.relative_to(named)?).ok();
            match elsewhere.iter().find_map(moved) {
                Some(scope) => RoleAssignment { configured: one.configured, ..one.at(scope) },
                None => one.clone(),
            }
        };
        Ok(config.access.assignments.iter().map(placed).collect())
    }
}
