//! Rules for vaults.

use super::Verdict::{self, Compliant, NonCompliant, NotApplicable, Unknown};
use super::shared::{has_endpoint, is_closed};
use crate::access::network::AddressRange;
use crate::compliance::arguments::Arguments;
use crate::compliance::facts::{Fact, Log, VaultFacts};

/// The first api-version whose requests have soft delete on when they do not say.
const SOFT_DELETE_BY_DEFAULT: &str = "2019-09-01";
/// The first api-version whose requests can close a vault.
const PUBLIC_ACCESS: &str = "2021-06-01-preview";

pub(super) fn soft_delete(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Compliant;
    }
    must_be_on(&vault.soft_delete, "soft delete")
}

pub(super) fn deletion_protection(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Compliant;
    }
    let soft_delete = match (&vault.soft_delete, vault.is_asked_from(SOFT_DELETE_BY_DEFAULT)) {
        (Fact::Unset, Fact::Known(true)) => Compliant,
        (Fact::Unset, Fact::Unknown(why)) => Unknown(why),
        (fact, _) => must_be_on(fact, "soft delete"),
    };
    match must_be_on(&vault.purge_protection, "purge protection") {
        Compliant => soft_delete,
        finding => finding,
    }
}

pub(super) fn roles(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Compliant;
    }
    match must_be_on(&vault.roles, "roles") {
        NonCompliant(_) => NonCompliant("access policies decide, and no roles".to_owned()),
        verdict => verdict,
    }
}

pub(super) fn public_access(vault: &VaultFacts, _: &Arguments) -> Verdict {
    if vault.is_recovered() {
        return Compliant;
    }
    let closed = is_closed(&vault.public_access);
    match vault.is_asked_from(PUBLIC_ACCESS) {
        Fact::Known(false) => {
            NonCompliant(format!("its api-version is older than {PUBLIC_ACCESS}, so that it cannot be closed"))
        }
        Fact::Unknown(why) if closed == Compliant => Unknown(why),
        _ => closed,
    }
}

pub(super) fn firewall(vault: &VaultFacts, arguments: &Arguments) -> Verdict {
    let is_closed = public_access(vault, arguments);
    if is_closed == Compliant {
        return Compliant;
    }
    let open = match &vault.default_action {
        Fact::Known(action) if action.eq_ignore_ascii_case("Deny") => return addresses(vault, arguments),
        Fact::Known(action) => NonCompliant(format!("its firewall's default action is {action}")),
        Fact::Unset => NonCompliant("it has no firewall".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    };
    if let Unknown(_) = is_closed { is_closed } else { open }
}

/// The part of the rule about the firewall that its parameters switch on.
fn addresses(vault: &VaultFacts, arguments: &Arguments) -> Verdict {
    let lists = ["allowedIPAddresses", "forbiddenIPAddresses"].map(|name| arguments.ranges(name));
    if arguments.text("restrictIPAddresses") != "Yes" || lists.iter().all(Vec::is_empty) {
        return Compliant;
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
            return NonCompliant(format!("its firewall lets in {text}, which is not among the allowed addresses"));
        }
        if within(&forbidden, rule) {
            return NonCompliant(format!("its firewall lets in {text}, which is among the forbidden addresses"));
        }
    }
    Compliant
}

pub(super) fn private_link(vault: &VaultFacts, _: &Arguments) -> Verdict {
    has_endpoint(&vault.private_endpoints)
}

pub(super) fn resource_logs(vault: &VaultFacts, arguments: &Arguments) -> Verdict {
    let required = arguments.number("requiredRetentionDays");
    let logs = match &vault.logs {
        Fact::Known(logs) => logs,
        Fact::Unset => return NotApplicable("a server's vaults have no diagnostic settings"),
        Fact::Unknown(why) => return Unknown(why.clone()),
    };
    let verdicts: Vec<_> = logs.iter().map(|log| written(log, required)).collect();
    let none = match logs.is_empty() {
        true => "no diagnostic setting has its logs",
        false => "none of its logs is enabled and kept long enough",
    };
    let unknown = || verdicts.iter().find(|verdict| matches!(verdict, Unknown(_))).cloned();
    if verdicts.contains(&Compliant) { Compliant } else { unknown().unwrap_or_else(|| NonCompliant(none.to_owned())) }
}

/// Whether a log is written, and kept for so many days where it has a retention.
fn written(log: &Log, required: i64) -> Verdict {
    let enabled = must_be_on(&log.enabled, "the log");
    if enabled != Compliant || !log.in_storage {
        return enabled;
    }
    match &log.retention_days {
        Fact::Known(days) if *days != 0 && *days < required => NonCompliant(format!("kept for {days} days")),
        Fact::Unknown(why) => Unknown(why.clone()),
        Fact::Known(_) | Fact::Unset => Compliant,
    }
}

fn must_be_on(fact: &Fact<bool>, what: &str) -> Verdict {
    match fact {
        Fact::Known(true) => Compliant,
        Fact::Known(false) => NonCompliant(format!("{what} is off")),
        Fact::Unset => NonCompliant(format!("{what} is not set")),
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
