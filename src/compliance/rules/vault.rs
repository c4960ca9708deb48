//! Rules for vaults.

use super::Verdict::{self, Broken, Kept, NotHere, Unknown};
use crate::access::network::AddressRange;
use crate::compliance::arguments::Arguments;
use crate::compliance::facts::{Fact, Log, VaultFacts};

/// The first api-version whose requests have soft delete on when they do not say.
const SOFT_DELETE_BY_DEFAULT: &str = "2019-09-01";
/// The first api-version whose requests can close a vault.
const PUBLIC_ACCESS: &str = "2021-06-01-preview";

pub(super) fn soft_delete(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Kept;
    }
    must_be_on(&vault.soft_delete, "soft delete")
}

pub(super) fn deletion_protection(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Kept;
    }
    let soft_delete = match (&vault.soft_delete, vault.is_asked_from(SOFT_DELETE_BY_DEFAULT)) {
        (Fact::Unset, Fact::Known(true)) => Kept,
        (Fact::Unset, Fact::Unknown(why)) => Unknown(why),
        (fact, _) => must_be_on(fact, "soft delete"),
    };
    match must_be_on(&vault.purge_protection, "purge protection") {
        Kept => soft_delete,
        finding => finding,
    }
}

pub(super) fn roles(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Kept;
    }
    match must_be_on(&vault.roles, "roles") {
        Broken(_) => Broken("access policies decide, and no roles".to_owned()),
        verdict => verdict,
    }
}

pub(super) fn public_access(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Kept;
    }
    let closed = match &vault.public_access {
        Fact::Known(access) if access.eq_ignore_ascii_case("Disabled") => Kept,
        Fact::Known(access) => Broken(format!("its public network access is {access}")),
        Fact::Unset => Broken("its public network access is not set".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    };
    match vault.is_asked_from(PUBLIC_ACCESS) {
        Fact::Known(false) => {
            Broken(format!("its api-version is older than {PUBLIC_ACCESS}, so that it cannot be closed"))
        }
        Fact::Unknown(why) if closed == Kept => Unknown(why),
        _ => closed,
    }
}

pub(super) fn firewall(vault: &VaultFacts, arguments: &Arguments) -> Verdict {
    let is_closed = public_access(vault, arguments);
    if is_closed == Kept {
        return Kept;
    }
    let open = match &vault.default_action {
        Fact::Known(action) if action.eq_ignore_ascii_case("Deny") => return addresses(vault, arguments),
        Fact::Known(action) => Broken(format!("its firewall's default action is {action}")),
        Fact::Unset => Broken("it has no firewall".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    };
    if let Unknown(_) = is_closed { is_closed } else { open }
}

/// The part of the rule about the firewall that its parameters switch on.
fn addresses(vault: &VaultFacts, arguments: &Arguments) -> Verdict {
    let lists = ["allowedIPAddresses", "forbiddenIPAddresses"].map(|name| arguments.ranges(name));
    if arguments.text("restrictIPAddresses") != "Yes" || lists.iter().all(Vec::is_empty) {
        return Kept;
    }
    let rules = match &vault.ip_rules {
        Fact::Known(rules) => rules.as_slice(),
        Fact::Unset => &[],
        Fact::Unknown(why) => return Unknown(why.clone()),
    };
    let [allowed, forbidden] = lists;
    let within = |ranges: &[AddressRange], rule: AddressRange| ranges.iter().any(|range| range.covers(rule));
    for text in rules {
        let Ok(rule) = text.parse() else { return Unknown(format!("'{text}' is no range of addresses")) };
        if !allowed.is_empty() && !within(&allowed, rule) {
            return Broken(format!("its firewall lets in {text}, which is not among the allowed addresses"));
        }
        if within(&forbidden, rule) {
            return Broken(format!("its firewall lets in {text}, which is among the forbidden addresses"));
        }
    }
    Kept
}

pub(super) fn private_link(vault: &VaultFacts, _: &Arguments) -> Verdict {
    match &vault.private_endpoints {
        Fact::Known(0) | Fact::Unset => Broken("it has no approved private endpoint".to_owned()),
        Fact::Known(_) => Kept,
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

pub(super) fn resource_logs(vault: &VaultFacts, arguments: &Arguments) -> Verdict {
    let required = arguments.number("requiredRetentionDays");
    let logs = match &vault.logs {
        Fact::Known(logs) => logs,
        Fact::Unset => return NotHere("a server's vaults have no diagnostic settings"),
        Fact::Unknown(why) => return Unknown(why.clone()),
    };
    let verdicts: Vec<_> = logs.iter().map(|log| written(log, required)).collect();
    let none = match logs.is_empty() {
        true => "no diagnostic setting has its logs",
        false => "none of its logs is enabled and kept long enough",
    };
    let unknown = || verdicts.iter().find(|verdict| matches!(verdict, Unknown(_))).cloned();
    if verdicts.contains(&Kept) { Kept } else { unknown().unwrap_or_else(|| Broken(none.to_owned())) }
}

/// Whether a log is written, and kept for so many days where it has a retention.
fn written(log: &Log, required: i64) -> Verdict {
    let enabled = must_be_on(&log.enabled, "the log");
    if enabled != Kept || !log.in_storage {
        return enabled;
    }
    match &log.retention_days {
        Fact::Known(days) if *days != 0 && *days < required => Broken(format!("kept for {days} days")),
        Fact::Unknown(why) => Unknown(why.clone()),
        Fact::Known(_) | Fact::Unset => Kept,
    }
}

fn must_be_on(fact: &Fact<bool>, what: &str) -> Verdict {
    match fact {
        Fact::Known(true) => Kept,
        Fact::Known(false) => Broken(format!("{what} is off")),
        Fact::Unset => Broken(format!("{what} is not set")),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

impl VaultFacts {
    /// Whether a deleted vault is brought back, as it was.
    fn is_recovered(&self) -> bool {
        matches!(&self.create_mode, Fact::Known(mode) if mode.eq_ignore_ascii_case("recover"))
    }

    /// Whether it is asked for by this api-version or a later one; so it is where there is no such request.
    fn is_asked_from(&self, version: &str) -> Fact<bool> {
        let from = |given: String| match given.starts_with(|c: char| c.is_ascii_digit()) {
            true => Ok(given.as_str() >= version),
            false => Err(format!("'{given}' is no api-version")),
        };
        self.api_version.clone().then(from).or(true)
    }
}
