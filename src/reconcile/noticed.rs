//! What programs notice of another configuration: `keyhaven env` has given them an identity, whose access can go.

use super::{Action, Data, Step};
use crate::config::Config;
use crate::directory::{IdentitySelector, UnknownIdentities};
use crate::vault::Refusal;

impl Data<'_> {
    /// A note when programs that sign in as the present default identity lose access to a vault of `config`.
    ///
    /// # Errors
    /// What the store reports.
    pub(super) async fn noticed_by_programs(&self, config: &Config) -> Result<Option<Step>, Refusal> {
        let present = self.directory.select(&IdentitySelector::Default, UnknownIdentities::Reject).await?;
        let Some(present) = present else { return Ok(None) };
        let (id, groups) = (present.object_id, &present.groups);
        let mut lost = Vec::new();
        for wanted in &config.vaults {
            let existing = self.vaults.find(&wanted.name).await?;
            let had =
                existing.is_some_and(|vault| vault.access_policies.iter().any(|policy| policy.lets_in(id, groups)));
            if had && !wanted.access_policies.iter().any(|policy| policy.lets_in(id, groups)) {
                lost.push(wanted.name.to_string());
            }
        }
        Ok((!lost.is_empty()).then(|| Step::of_identity(Action::Note, &present.name, words(&lost, config))))
    }
}

fn words(lost: &[String], config: &Config) -> String {
    let next = config.default_identity().map(|identity| format!(" with --identity {}", identity.name));
    let (vaults, next) = (lost.join(", "), next.unwrap_or_default());
    format!("programs that sign in as it lose access to {vaults}: take env and .env anew{next}")
}
