//! Data factories as a configuration wants them.

use super::plan::{Plan, Unnamed};
use super::refusal::Refusal;
use super::{Action, Data, Step};
use crate::config::Config;
use crate::management::{ConfiguredFactory, FactoryDifference, FactoryId};

impl Data<'_> {
    /// Makes those that `config` names and that are missing; the rest is left alone. Answers what exists and differs, in words.
    pub(super) async fn add_missing_factories(&self, config: &Config) -> Result<Vec<String>, Refusal> {
        let mut differing = Vec::new();
        for wanted in &config.factories {
            match &self.differences(wanted).await?[..] {
                [] => {}
                // One whose identity is taken is refused with that.
                [FactoryDifference::Missing | FactoryDifference::IdentityTaken(_)] => self.configure(wanted).await?,
                differences => differing.push(format!("factory {} ({})", wanted.id.name(), members(differences))),
            }
        }
        Ok(differing)
    }

    /// Makes and changes the factories that `config` names.
    pub(super) async fn change_factories(&self, config: &Config) -> Result<(), Refusal> {
        for wanted in &config.factories {
            if !self.differences(wanted).await?.is_empty() {
                self.configure(wanted).await?;
            }
        }
        Ok(())
    }

    /// The steps that [`Self::change_factories`] makes.
    pub(super) async fn factory_steps(&self, config: &Config) -> Result<Vec<Step>, Refusal> {
        let mut steps = Vec::new();
        for wanted in &config.factories {
            steps.extend(step(wanted, &self.differences(wanted).await?));
        }
        Ok(steps)
    }

    /// Those that an earlier configuration made and `config` does not name.
    pub(super) async fn unnamed_factories(&self, config: &Config) -> Result<Vec<Unnamed>, Refusal> {
        let made = self.management.configured_factories().await;
        let made = made.map_err(|refusal| Refusal::of_factory("", refusal))?;
        let is_named =
            |id: &FactoryId| config.factories.iter().any(|one| one.id.name().eq_ignore_ascii_case(id.name()));
        Ok(made.into_iter().filter(|id| !is_named(id)).map(Unnamed::Factory).collect())
    }

    /// Deletes a factory with everything in it, its identity, and the role assignments at it.
    pub(super) async fn delete_factory(&self, id: &FactoryId) -> Result<(), Refusal> {
        let deleted = self.management.delete_configured_factory(id).await;
        deleted.map_err(|refusal| Refusal::of_factory(id.name(), refusal))
    }

    async fn differences(&self, wanted: &ConfiguredFactory) -> Result<Vec<FactoryDifference>, Refusal> {
        let found = self.management.factory_differences(wanted).await;
        found.map_err(|refusal| Refusal::of_factory(wanted.id.name(), refusal))
    }

    async fn configure(&self, wanted: &ConfiguredFactory) -> Result<(), Refusal> {
        let done = self.management.configure_factory(wanted, self.now).await;
        done.map_err(|refusal| Refusal::of_factory(wanted.id.name(), refusal))
    }
}

/// What must happen for a factory that differs so.
fn step(wanted: &ConfiguredFactory, differences: &[FactoryDifference]) -> Option<Step> {
    let name = wanted.id.name();
    let fixed: Vec<_> = differences.iter().filter(|difference| is_fixed(difference)).cloned().collect();
    Some(match differences {
        [] => return None,
        [FactoryDifference::Missing] => Step::of_factory(Action::Create, name, ""),
        [FactoryDifference::IdentityTaken(by)] => {
            Step::of_factory(Action::Refuse, name, format!("the identity '{by}' has the name or an id of its own"))
        }
        _ if !fixed.is_empty() => {
            let why = format!("{}: said when the factory is made, and stays", members(&fixed));
            Step::of_factory(Action::Refuse, name, why)
        }
        [FactoryDifference::PublicAccess, ..] => {
            let change = if wanted.is_private { "Enabled -> Disabled" } else { "Disabled -> Enabled" };
            let member = format!("publicNetworkAccess ({change})");
            let all = std::iter::once(member).chain(differences[1..].iter().map(|one| member_of(one).to_owned()));
            Step::of_factory(Action::Change, name, all.collect::<Vec<_>>().join(", "))
        }
        _ => Step::of_factory(Action::Change, name, members(differences)),
    })
}

fn is_fixed(difference: &FactoryDifference) -> bool {
    use FactoryDifference::{Location, ResourceGroup, Subscription};
    matches!(difference, Subscription | ResourceGroup | Location)
}

fn members(differences: &[FactoryDifference]) -> String {
    differences.iter().map(member_of).collect::<Vec<_>>().join(", ")
}

/// The member of the configuration for a difference.
const fn member_of(difference: &FactoryDifference) -> &'static str {
    match difference {
        FactoryDifference::Missing | FactoryDifference::IdentityTaken(_) => "name",
        FactoryDifference::Subscription => "subscriptionId",
        FactoryDifference::ResourceGroup => "resourceGroup",
        FactoryDifference::Location => "location",
        FactoryDifference::PublicAccess => "publicNetworkAccess",
        FactoryDifference::PrivateEndpoints => "privateEndpoints",
    }
}

impl Plan {
    /// Whether a step makes or changes a factory.
    pub(super) fn concerns_factories(&self) -> bool {
        self.changes().any(|step| step.kind == "factory" && step.action != Action::Delete)
    }
}
