//! What identities used of vaults, as records of an audit have it, and the least that grants it. Pure: it reads and writes nothing.

mod grants;
mod labels;
mod names;
mod needs;
mod quote;
mod record;
mod roles;
mod text;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::operation::Operation;

pub(crate) use grants::{Grants, refused_line};
pub(crate) use text::Format;

/// The most different uses that are held; further ones are counted alone.
const MOST: usize = 50_000;

/// The most characters that are shown of a text that is no name.
const MOST_SHOWN: usize = 200;

/// What identities used, each use once.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    uses: BTreeMap<Use, Count>,
    /// The names that people know identities by.
    names: BTreeMap<Uuid, String>,
    /// The vaults that a role assignment allowed something in.
    by_roles: std::collections::BTreeSet<String>,
    /// Requests that were not looked at.
    missed: u64,
    /// Requests of uses that are not held, because there are as many as are held.
    beyond_most: u64,
    /// Records with a text that cannot be a name.
    left_out: u64,
    /// That text of the first of them.
    no_name: String,
    /// Whether it ends before the last request: how many are missing is not known.
    pub is_incomplete: bool,
}

/// An operation of an identity on an object or a vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    /// The object id of the identity.
    pub principal: Uuid,
    /// The id of the vault, in the spelling of `ResourceId`.
    pub vault: String,
    /// The name of the operation.
    pub operation: &'static str,
    /// The object, in lower case; none where the operation is of the vault.
    pub object: Option<String>,
}

/// How often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Requests that were permitted, those that found nothing included.
    pub permitted: u64,
    /// Requests that lacked the permission.
    pub refused: u64,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// What it was.
    pub what: Use,
    /// The name of the identity.
    pub name: Option<String>,
    /// Whether the permission was missing.
    pub was_refused: bool,
    /// Whether a role assignment allowed it.
    pub by_roles: bool,
}

impl Usage {
    /// Adds a request.
    pub(crate) fn add(&mut self, request: Request) {
        let Request { what, name, was_refused, by_roles } = request;
        if self.uses.len() >= MOST && !self.uses.contains_key(&what) {
            self.beyond_most += 1;
            return;
        }
        if by_roles {
            self.by_roles.insert(what.vault.clone());
        }
        if let Some(name) = name {
            self.names.insert(what.principal, name);
        }
        let count = self.uses.entry(what).or_default();
        if was_refused { count.refused += 1 } else { count.permitted += 1 }
    }

    /// Counts requests that were not looked at.
    pub(crate) const fn miss(&mut self, requests: u64) {
        self.missed = self.missed.saturating_add(requests);
    }

    /// How many requests were not looked at.
    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }

    /// A line for people about the uses that are not held, if there are some: then what is needed is not known.
    pub(crate) fn beyond_most_line(&self) -> Option<String> {
        let requests = if self.beyond_most == 1 { "request" } else { "requests" };
        let line = || format!("more than {MOST} different uses: {} {requests} beyond them left out", self.beyond_most);
        (self.beyond_most > 0).then(line)
    }

    fn leave_out(&mut self, text: String) {
        if self.left_out == 0 {
            self.no_name = text;
        }
        self.left_out += 1;
    }

    /// A line for people about the records that are left out, if there are some.
    pub(crate) fn left_out_line(&self) -> Option<String> {
        let text: String = self.no_name.chars().take(MOST_SHOWN).collect();
        let records = if self.left_out == 1 { "record is" } else { "records are" };
        let why = "can be the name of no resource group, vault, object or identity";
        (self.left_out > 0).then(|| format!("{} {records} left out: {text:?} {why}", self.left_out))
    }

    /// What was used.
    pub(crate) fn permitted(&self) -> impl Iterator<Item = &Use> {
        self.uses.iter().filter(|(_, count)| count.permitted > 0).map(|(what, _)| what)
    }

    /// What was asked for and never permitted, with the number of requests.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&Use, u64)> {
        let never = self.uses.iter().filter(|(_, count)| count.permitted == 0);
        never.map(|(what, count)| (what, count.refused))
    }

    /// The name of an identity, else its object id.
    pub(crate) fn name(&self, principal: Uuid) -> String {
        self.names.get(&principal).cloned().unwrap_or_else(|| principal.to_string())
    }

    /// Whether roles decided in the vault.
    pub(crate) fn is_by_roles(&self, vault: &str) -> bool {
        self.by_roles.contains(vault)
    }
}

impl Use {
    /// The vault's name.
    pub(crate) fn vault_name(&self) -> &str {
        vault_name(&self.vault)
    }
}

/// The name in a vault's id.
fn vault_name(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// The operation of this name among `operations`.
pub(crate) fn operation_of(operations: &[&'static Operation], name: &str) -> Option<&'static Operation> {
    operations.iter().find(|operation| operation.name.eq_ignore_ascii_case(name)).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One use more than are held.
    pub(crate) fn one_use_too_many() -> Usage {
        let (mut usage, id) = (Usage::default(), Uuid::nil());
        let vault = format!("/subscriptions/{id}/resourceGroups/shop/providers/Microsoft.KeyVault/vaults/acme");
        for number in 0..=MOST {
            let object = Some(number.to_string());
            let what = Use { principal: id, vault: vault.clone(), operation: "SecretGet", object };
            usage.add(Request { what, name: None, was_refused: false, by_roles: false });
        }
        usage
    }
}
