//! Checks vaults, keys and secrets, data factories and linked services against the built-in rules of Azure Policy for Key Vault and Data
//! Factory: facts of them, read from an ARM template, a Terraform plan or a running server's answers; the rules; the report. Pure: it reads and writes nothing, and it
//! knows no value of a secret, each of which is taken out of a file when it is parsed. What cannot be read is a finding: nothing
//! passes that was not seen.

mod arguments;
mod arm;
mod connection_string;
mod facts;
mod file;
mod lines;
mod report;
mod rules;
mod secrets;
mod selection;
mod server;
mod terraform;
mod tree;

use arguments::Arguments;
use facts::Facts;
use rules::{Check, Verdict};

pub(crate) use arguments::Parameter;
pub(crate) use facts::Resource;
pub(crate) use file::{Parsed, parse, resources};
pub(crate) use report::{Checked, Report};
pub(crate) use rules::Rule;
pub(crate) use selection::{Selected, rules_from_policies, rules_with_defaults};
pub(crate) use server::{factory, key, secret, vault};

/// Every rule.
pub(crate) fn all_rules() -> &'static [Rule] {
    rules::RULES
}

/// Holds every resource against the rules for its kind, and says what else is worth a warning.
pub(crate) fn check(resources: Vec<Resource>, selected: &[Selected]) -> Vec<Checked> {
    let mut all = vec![];
    for (index, resource) in resources.into_iter().enumerate() {
        let resource = std::sync::Arc::new(resource);
        let checked = |rule, verdict, remedy| Checked { rule, index, resource: resource.clone(), verdict, remedy };
        if let Facts::Unread(why) = &resource.facts {
            let unread = &rules::UNREAD;
            all.push(checked(unread, Verdict::Unknown(why.clone()), unread.remedy.to_owned()));
        }
        for Selected { rule, arguments } in selected {
            if let Some(verdict) = verdict(rule, &resource.facts, arguments) {
                all.push(checked(rule, verdict, arguments.fill(rule.remedy_of(&resource))));
            }
        }
        for rule in rules::WARNINGS {
            if let Some(verdict @ Verdict::Warned(_)) = verdict(rule, &resource.facts, &Arguments::NONE) {
                all.push(checked(rule, verdict, rule.remedy_of(&resource).to_owned()));
            }
        }
    }
    all
}

/// What a rule finds; none where it is for another kind of resource.
fn verdict(rule: &Rule, facts: &Facts, arguments: &Arguments) -> Option<Verdict> {
    match (rule.check, facts) {
        (Check::Vault(check), Facts::Vault(vault)) => Some(check(vault, arguments)),
        (Check::Key(check), Facts::Key(key)) => Some(check(key, arguments)),
        (Check::Secret(check), Facts::Secret(secret)) => Some(check(secret, arguments)),
        (Check::Factory(check), Facts::Factory(factory)) => Some(check(factory, arguments)),
        (Check::LinkedService(check), Facts::LinkedService(service)) => Some(check(service, arguments)),
        _ => None,
    }
}

impl Rule {
    /// What to set, in the words of what makes the resource.
    const fn remedy_of(&self, resource: &Resource) -> &'static str {
        if resource.is_azurerm { self.terraform } else { self.remedy }
    }
}
