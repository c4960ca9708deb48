//! The built-in rules of Azure Policy for vaults, keys and secrets, for data factories and their linked services, each a small function
//! over facts. Ids, names, versions, effects, parameters and conditions are those of `built-in-policies/policyDefinitions/Key Vault`
//! and `/Data Factory` in Azure/azure-policy (April 2026). Left out are deprecated rules, those that only deploy or modify, those of
//! certificates and of managed HSMs, of integration runtimes and of outbound traffic.

mod factory;
mod linked_service;
mod object;
mod shared;
mod table;
mod vault;

use super::arguments::{Arguments, Parameter};
use super::facts::{FactoryFacts, KeyFacts, LinkedServiceFacts, SecretFacts, VaultFacts};

pub(super) use table::{RULES, UNREAD, WARNINGS};

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// A short name of ours.
    pub id: &'static str,
    /// The name of Azure's definition, a GUID; empty where Azure has none.
    pub guid: &'static str,
    /// The definition's version.
    pub version: &'static str,
    /// The definition's display name.
    pub title: &'static str,
    /// The effects that it takes.
    pub effects: &'static [&'static str],
    /// Its parameters besides the effect.
    pub parameters: &'static [Parameter],
    /// What to set, in Resource Manager's words.
    pub remedy: &'static str,
    /// The same in those of Terraform's azurerm.
    pub terraform: &'static str,
    /// What it looks at, and how.
    pub check: Check,
}

/// How a rule is held against a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    /// A rule for vaults.
    Vault(fn(&VaultFacts, &Arguments) -> Verdict),
    /// A rule for keys.
    Key(fn(&KeyFacts, &Arguments) -> Verdict),
    /// A rule for secrets.
    Secret(fn(&SecretFacts, &Arguments) -> Verdict),
    /// A rule for factories.
    Factory(fn(&FactoryFacts, &Arguments) -> Verdict),
    /// A rule for linked services.
    LinkedService(fn(&LinkedServiceFacts, &Arguments) -> Verdict),
    /// No rule of Azure's: what cannot be read was not checked.
    Unread,
}

/// What a rule finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Compliant,
    /// What is wrong.
    NonCompliant(String),
    /// It cannot be known; why.
    Unknown(String),
    /// What is worth a warning, and no finding.
    Warned(String),
    /// There is nothing of the kind that it looks at here; why.
    NotApplicable(&'static str),
}

impl Check {
    /// The kind of resource.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Vault(_) => "vault",
            Self::Key(_) => "key",
            Self::Secret(_) => "secret",
            Self::Factory(_) => "factory",
            Self::LinkedService(_) => "linked-service",
            Self::Unread => "file",
        }
    }
}

impl Rule {
    /// The id of Azure's definition; none where Azure has none.
    pub(crate) fn definition_id(&self) -> Option<String> {
        let id = || format!("/providers/Microsoft.Authorization/policyDefinitions/{}", self.guid);
        (!self.guid.is_empty()).then(id)
    }
}

#[cfg(test)]
mod tests;
