//! Virtual networks, perimeters and private endpoints as a configuration wants them.

use super::plan::Plan;
use super::{Action, Data, Step};
use crate::access::network::Networks;
use crate::config::Config;
use crate::records::RecordError;

impl Data<'_> {
    /// Adds those that `config` names and that are missing; the rest is left alone. Answers the members that differ.
    pub(super) async fn add_missing_networks(&self, config: &Config) -> Result<Vec<String>, RecordError> {
        self.authorization.replace_networks(|existing| existing.with_missing(&config.networks)).await?;
        Ok(self.network_steps(config).await?.into_iter().map(|step| step.name).collect())
    }

    /// Makes the networks those of `config`.
    pub(super) async fn change_networks(&self, config: &Config) -> Result<(), RecordError> {
        self.authorization.replace_networks(|_| config.networks.clone()).await
    }

    /// The steps that [`Self::change_networks`] makes.
    pub(super) async fn network_steps(&self, config: &Config) -> Result<Vec<Step>, RecordError> {
        let (existing, wanted) = (self.authorization.networks().await?.networks, &config.networks);
        let members = [
            ("virtualNetworks", existing.virtual_networks == wanted.virtual_networks),
            ("perimeters", existing.perimeters == wanted.perimeters),
            ("privateEndpoints", existing.private_endpoints == wanted.private_endpoints),
        ];
        let differing = members.into_iter().filter(|(_, is_same)| !is_same);
        Ok(differing.map(|(name, _)| Step::of_member(Action::Change, name, "")).collect())
    }
}

impl Networks {
    /// These, and what `wanted` names besides.
    fn with_missing(&self, wanted: &Self) -> Self {
        let mut all = wanted.clone();
        all.virtual_networks.extend(self.virtual_networks.clone());
        all.perimeters.extend(self.perimeters.clone());
        all.private_endpoints.extend(self.private_endpoints.clone());
        all
    }
}

impl Plan {
    /// Whether a step changes what vaults' network rules refer to.
    pub(super) fn concerns_networks(&self) -> bool {
        let members = ["virtualNetworks", "perimeters", "privateEndpoints"];
        self.changes().any(|step| step.kind == "member" && members.contains(&step.name.as_str()))
    }
}
