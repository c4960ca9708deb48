//! Making the steps of a plan.

use super::plan::{Plan, Unnamed};
use super::refusal::Refusal;
use super::{Action, Data};
use crate::config::Config;
use crate::directory::IdentityChange;
use crate::vault::Configured;

impl Data<'_> {
    /// Makes the steps of `plan`, which was made for `config` and has no refusal: identities, factories, then vaults with what they hold,
    /// deletions last.
    ///
    /// # Errors
    /// What creating refuses; what the store reports. What was done before stays, and applying again does the rest.
    pub(crate) async fn execute(&self, config: &Config, plan: &mut Plan) -> Result<(), Refusal> {
        self.change_identities(config).await?;
        if plan.concerns_roles() {
            self.change_roles(config, plan.prunes_roles()).await?;
        }
        if plan.concerns_networks() {
            self.change_networks(config).await?;
        }
        if plan.concerns_factories() {
            self.change_factories(config).await?;
        }
        self.release_moved_aliases(config).await?;
        for vault in config.vaults.iter().filter(|vault| plan.concerns(vault.name.as_str())) {
            self.vaults.bring_up_to(vault, self.now).await?;
        }
        if plan.steps.iter().any(|step| step.action == Action::Delete) {
            self.delete(&plan.unnamed).await?;
        }
        plan.applied = true;
        Ok(())
    }

    async fn change_identities(&self, config: &Config) -> Result<(), Refusal> {
        let all = self.directory.identities().await?;
        for wanted in &config.identities {
            if let Some(IdentityChange::Create | IdentityChange::Change(_)) = IdentityChange::of(wanted, &all) {
                self.directory.put_configured(wanted).await?;
            }
        }
        self.directory.set_configured(&config.identities);
        Ok(())
    }

    /// Takes from each vault the aliases that another one gets, so that it finds them free.
    async fn release_moved_aliases(&self, config: &Config) -> Result<(), Refusal> {
        for vault in &config.vaults {
            let others = config.vaults.iter().filter(|other| other.name != vault.name);
            let wanted_elsewhere: Vec<_> = others.flat_map(|other| &other.aliases).cloned().collect();
            self.vaults.release_aliases(&vault.name, &wanted_elsewhere).await?;
        }
        Ok(())
    }

    async fn delete(&self, unnamed: &[Unnamed]) -> Result<(), Refusal> {
        for one in unnamed {
            match one {
                Unnamed::Identity(name) => drop(self.directory.remove(name).await?),
                Unnamed::Factory(id) => self.delete_factory(id).await?,
                Unnamed::Vault(configured) => self.delete_configured(configured).await?,
            }
        }
        Ok(())
    }
}

impl Data<'_> {
    /// Deletes what a configuration made; before a vault its role assignments, so that none is left without it.
    async fn delete_configured(&self, configured: &Configured) -> Result<(), Refusal> {
        if configured.object.is_none()
            && let Some(vault) = self.vaults.find(&configured.vault).await?
        {
            let scope = vault.scope(self.directory.tenant().subscription);
            self.authorization.remove_below(&scope).await?;
        }
        Ok(self.vaults.delete_configured(configured, self.now).await?)
    }
}

impl Plan {
    /// Whether a step creates or changes the vault called `name`, or an object in it.
    fn concerns(&self, name: &str) -> bool {
        self.changes().any(|step| {
            step.vault.as_deref().unwrap_or(&step.name) == name && !matches!(step.kind, "identity" | "role" | "factory")
        })
    }
}
