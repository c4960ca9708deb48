//! Brings data up to a configuration. At the start what is missing is created, and the rest is left alone; `apply` and
//! `--watch` create and change what the configuration names, and delete only what an earlier one made, when they are asked to.
//! Knows no HTTP and no files.

mod execute;
mod factories;
mod networks;
mod noticed;
mod places;
mod plan;
mod refusal;
mod role_parts;
mod roles;
mod step;

use crate::authorization::Authorization;
use crate::clock::Timestamp;
use crate::config::{self, Config};
use crate::directory::Directory;
use crate::management::Management;
use crate::vault::{Difference, Vaults};

pub(crate) use plan::Plan;
pub(crate) use refusal::Refusal;
pub(crate) use step::{Action, Step};

/// The data that a configuration is compared with.
pub(crate) struct Data<'a> {
    /// The vaults.
    pub vaults: &'a Vaults,
    /// The identities.
    pub directory: &'a Directory,
    /// Their roles.
    pub authorization: &'a Authorization,
    /// The resources; nothing of a configuration asks a vault by them.
    pub management: Management,
    /// The present time of the vault clock.
    pub now: Timestamp,
}

impl Data<'_> {
    /// Creates what `config` names and is missing. Answers what exists and differs, in words.
    ///
    /// # Errors
    /// When a key cannot be generated or the store fails.
    pub(crate) async fn create_missing(&self, config: &Config) -> Result<Vec<String>, Refusal> {
        let names = self.directory.ensure(&config.identities).await?;
        let mut differing: Vec<_> = names.into_iter().map(|name| format!("identity {name}")).collect();
        differing.extend(self.add_missing_roles(config).await?);
        differing.extend(self.add_missing_networks(config).await?);
        differing.extend(self.add_missing_factories(config).await?);
        for vault in &config.vaults {
            let applied = self.vaults.apply(vault.clone(), self.now).await?;
            for made in applied.created {
                tracing::debug!(made, "made from the configuration");
            }
            differing.extend(applied.differs.iter().map(in_words));
        }
        Ok(differing)
    }
}

fn in_words(difference: &Difference) -> String {
    match difference {
        Difference::Vault { name, settings } => {
            let members: Vec<_> = settings.iter().map(|setting| config::setting_member(*setting)).collect();
            format!("vault {name} ({})", members.join(", "))
        }
        Difference::Object(object) => object.to_string(),
        Difference::DeletedObject(object) => format!("{object} (it is deleted, and can be recovered)"),
    }
}
