//! What applying a configuration would do.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::refusal::Refusal;
use super::{Action, Data, Step};
use crate::config::{self, Config};
use crate::directory::{IdentityChange, IdentityMember, IdentityRecord};
use crate::management::FactoryId;
use crate::vault::{Configured, InitialVault, ObjectChange, Setting, Vault, VaultChange};

/// The steps, in the order in which they are made.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Plan {
    /// Whether the steps were made.
    pub applied: bool,
    /// Every step.
    pub steps: Vec<Step>,
    /// What an earlier configuration made, and what goes with `Delete`.
    #[serde(skip)]
    pub(super) unnamed: Vec<Unnamed>,
}

/// Something that an earlier configuration made and this one does not name.
#[derive(Debug)]
pub(super) enum Unnamed {
    /// An identity.
    Identity(String),
    /// A factory, with what is in it.
    Factory(FactoryId),
    /// A vault, or an object in one.
    Vault(Configured),
}

impl Plan {
    /// The steps that cannot be made.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action == Action::Refuse)
    }

    /// The steps that change something.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Step> {
        let changes = |action| matches!(action, Action::Create | Action::Change | Action::Recover | Action::Delete);
        self.steps.iter().filter(move |step| changes(step.action))
    }
}

impl Data<'_> {
    /// What applying `config` to this data would do; with `prune` what an earlier configuration made goes.
    /// `certificate_refusal` says why certificates cannot name a vault's alias, if that is so; `running` is the configuration
    /// that the server was started with.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn plan(
        &self,
        config: &Config,
        running: &Config,
        prune: bool,
        certificate_refusal: impl Fn(&str) -> Option<String>,
    ) -> Result<Plan, Refusal> {
        let mut plan = Plan { steps: fixed_members(config, running), ..Plan::default() };
        let identities = self.directory.identities().await?;
        plan.steps.extend(config.identities.iter().filter_map(|wanted| identity_step(wanted, &identities)));
        plan.steps.extend(self.role_steps(config, prune).await?);
        plan.steps.extend(self.network_steps(config).await?);
        plan.steps.extend(self.factory_steps(config).await?);
        let mut present = Vec::new();
        for vault in &config.vaults {
            let uncertified = vault.aliases.iter().filter_map(|alias| certificate_refusal(alias));
            plan.steps.extend(uncertified.map(|why| Step::of_vault(Action::Refuse, &vault.name, why)));
            let changes = self.vaults.changes(vault, self.now).await?;
            let existing = self.vaults.find(&vault.name).await?;
            let step = |change| vault_step(vault, existing.as_deref(), change, config);
            plan.steps.extend(changes.iter().filter_map(step));
            present.push(existing);
        }
        plan.unnamed = self.unnamed(config, &identities).await?;
        plan.steps.extend(plan.unnamed.iter().map(|unnamed| unnamed.step(prune)));
        plan.steps.extend(self.noticed_by_programs(config, &present).await?);
        plan.steps.extend(members_of_the_next_start(config, running));
        Ok(plan)
    }

    /// What an earlier configuration made and `config` does not name. The objects of a vault that goes are not listed.
    async fn unnamed(&self, config: &Config, identities: &[Arc<IdentityRecord>]) -> Result<Vec<Unnamed>, Refusal> {
        let is_named = |name: &str| config.identities.iter().any(|wanted| wanted.name == name);
        let made = identities.iter().filter(|identity| identity.configured && !is_named(&identity.name));
        let mut unnamed: Vec<_> = made.map(|identity| Unnamed::Identity(identity.name.clone())).collect();
        unnamed.extend(self.unnamed_factories(config).await?);
        let made = self.vaults.configured(self.now).await?.into_iter().filter(|made| !names(config, made));
        let made: Vec<_> = made.collect();
        let leaving: BTreeSet<_> =
            made.iter().filter(|made| made.object.is_none()).map(|made| made.vault.clone()).collect();
        let goes_along = |made: &Configured| made.object.is_some() && leaving.contains(&made.vault);
        unnamed.extend(made.into_iter().filter(|made| !goes_along(made)).map(Unnamed::Vault));
        Ok(unnamed)
    }
}

/// Whether `config` names what an earlier one made.
fn names(config: &Config, made: &Configured) -> bool {
    let Some(vault) = config.vaults.iter().find(|vault| vault.name == made.vault) else { return false };
    match &made.object {
        None => true,
        Some(object) => vault.object_ids().any(|named| named == *object),
    }
}

/// The members at the top that can never differ from those that the server runs with, and do.
fn fixed_members(config: &Config, running: &Config) -> Vec<Step> {
    let fixed = [
        ("tenantId", config.tenant == running.tenant, running.tenant),
        ("subscriptionId", config.subscription == running.subscription, running.subscription.0),
    ];
    let fixed = fixed.into_iter().filter(|(_, is_same, _)| !is_same);
    fixed.map(|(name, _, id)| Step::of_member(Action::Refuse, name, format!("this server's is {id}"))).collect()
}

/// The members at the top that differ and that only a start reads.
fn members_of_the_next_start(config: &Config, running: &Config) -> impl Iterator<Item = Step> {
    let why = "takes effect at the next start with this file";
    let differing = config.start_only_differences(running).into_iter();
    differing.map(move |name| Step::of_member(Action::Restart, name, why))
}

fn identity_step(wanted: &IdentityRecord, all: &[Arc<IdentityRecord>]) -> Option<Step> {
    let step = |action, detail| Some(Step::of_identity(action, &wanted.name, detail));
    match IdentityChange::of(wanted, all)? {
        IdentityChange::Create => step(Action::Create, String::new()),
        IdentityChange::Change(members) => step(Action::Change, member_names(&members)),
        IdentityChange::FixedIds(ids) => step(Action::Refuse, format!("its ids never change ({})", member_names(&ids))),
        IdentityChange::Taken { by } => step(Action::Refuse, format!("the identity '{by}' has an id of it")),
    }
}

fn member_names(members: &[IdentityMember]) -> String {
    members.iter().map(|member| config::identity_member(*member)).collect::<Vec<_>>().join(", ")
}

fn vault_step(vault: &InitialVault, existing: Option<&Vault>, change: &VaultChange, config: &Config) -> Option<Step> {
    let name = &vault.name;
    Some(match change {
        VaultChange::Create => Step::of_vault(Action::Create, name, ""),
        VaultChange::Settings(settings) => {
            let members: Vec<_> = settings.iter().map(|setting| setting_words(vault, existing, *setting)).collect();
            Step::of_vault(Action::Change, name, members.join(", "))
        }
        VaultChange::FixedSetting(setting) => Step::of_vault(Action::Refuse, name, config::fixed_setting(*setting)),
        // A vault of the same configuration gives it up.
        VaultChange::AliasTaken { owner, .. } if config.vaults.iter().any(|other| other.name == *owner) => return None,
        VaultChange::AliasTaken { alias, owner } => {
            Step::of_vault(Action::Refuse, name, format!("the vault '{owner}' answers on the alias {alias}"))
        }
        VaultChange::Object(object, change) => {
            let (action, detail) = object_words(*change);
            Step::of_object(action, name, object, detail)
        }
    })
}

/// `sku (premium -> standard)`; the name alone where the values are long.
fn setting_words(wanted: &InitialVault, existing: Option<&Vault>, setting: Setting) -> String {
    let member = config::setting_member(setting);
    let switch = |on: bool| if on { "true" } else { "false" }.to_owned();
    let values = existing.and_then(|now| match setting {
        Setting::Sku => Some((now.sku.name().to_owned(), wanted.sku.name().to_owned())),
        Setting::SoftDelete => Some((switch(now.soft_delete), switch(wanted.soft_delete))),
        Setting::PurgeProtection => Some((switch(now.purge_protection), switch(wanted.purge_protection))),
        Setting::RoleBased => Some((switch(now.role_based), switch(wanted.role_based))),
        Setting::PublicNetworkAccess => {
            Some((now.network.public_access.name().to_owned(), wanted.network.public_access.name().to_owned()))
        }
        Setting::DeletionDelay => Some((format!("PT{}S", now.deletion_delay), format!("PT{}S", wanted.deletion_delay))),
        Setting::Aliases
        | Setting::RetentionDays
        | Setting::AccessPolicies
        | Setting::NetworkAcls
        | Setting::PrivateEndpoints
        | Setting::Subscription
        | Setting::ResourceGroup
        | Setting::Location => None,
    });
    values.map_or_else(|| member.to_owned(), |(from, to)| format!("{member} ({from} -> {to})"))
}

const fn object_words(change: ObjectChange) -> (Action, &'static str) {
    match change {
        ObjectChange::Create => (Action::Create, ""),
        ObjectChange::Recover => (Action::Recover, ""),
        ObjectChange::Value => (Action::Change, "value (a new version)"),
        ObjectChange::ContentType => (Action::Change, "contentType"),
        ObjectChange::FixedKeyType => (Action::Refuse, "a key's type and size never change: name another key"),
        ObjectChange::InTransition => {
            (Action::Refuse, "it is being deleted, purged or recovered: apply again in a moment")
        }
    }
}

impl Unnamed {
    fn step(&self, prune: bool) -> Step {
        let (action, why) = match prune {
            true => (Action::Delete, ""),
            false => (Action::Unnamed, "an earlier configuration made it; --prune deletes it"),
        };
        match self {
            Self::Identity(name) => Step::of_identity(action, name, why),
            Self::Factory(id) if prune => {
                Step::of_factory(action, id.name(), "with all that it holds and its identity, for good")
            }
            Self::Factory(id) => Step::of_factory(action, id.name(), why),
            Self::Vault(Configured { vault, object: Some(object) }) => Step::of_object(action, vault, object, why),
            Self::Vault(Configured { vault, object: None }) if prune => {
                Step::of_vault(action, vault, "with all that it holds, for good")
            }
            Self::Vault(Configured { vault, object: None }) => Step::of_vault(action, vault, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(step: Step) -> Plan {
        Plan { steps: vec![step], ..Plan::default() }
    }

    #[test]
    fn what_is_called_like_a_member_of_the_file_is_none() {
        for (member, of_roles) in [("perimeters", false), ("denyAssignments", true)] {
            let identity = plan(Step::of_identity(Action::Create, member, ""));
            assert!(!identity.concerns_networks() && !identity.concerns_roles(), "{member}");
            let change = plan(Step::of_member(Action::Change, member, ""));
            assert_eq!((change.concerns_networks(), change.concerns_roles()), (!of_roles, of_roles));
        }
    }
}
