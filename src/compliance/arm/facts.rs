//! Facts from the properties that Resource Manager takes, after the expressions in them are evaluated.

use serde_json::Value;

use super::super::facts::{Dates, Fact, KeyFacts, Log, SecretFacts, VaultFacts};
use super::super::tree::{flag, list, moment, number, text, texts};
use crate::clock::{Period, Timestamp};

/// Facts of a vault's properties. What other resources say of it is not known yet.
pub(crate) fn vault(api_version: Fact<String>, properties: &Value) -> VaultFacts {
    VaultFacts {
        api_version,
        create_mode: text(properties, &["createMode"]),
        soft_delete: flag(properties, &["enableSoftDelete"]),
        purge_protection: flag(properties, &["enablePurgeProtection"]),
        roles: flag(properties, &["enableRbacAuthorization"]),
        public_access: text(properties, &["publicNetworkAccess"]),
        default_action: text(properties, &["networkAcls", "defaultAction"]),
        ip_rules: texts(properties, &["networkAcls", "ipRules"], |rule| text(rule, &["value"])),
        private_endpoints: Fact::Known(0),
        logs: Fact::Known(vec![]),
    }
}

/// Facts of a key's properties. A key without a size or a curve gets the service's own.
pub(crate) fn key(properties: &Value, created: Fact<Timestamp>) -> KeyFacts {
    let dates = dates(properties, created);
    KeyFacts {
        kty: text(properties, &["kty"]),
        size: number(properties, &["keySize"]).or(2048),
        curve: text(properties, &["curveName"]).or("P-256".to_owned()),
        rotates: rotates(properties, &dates),
        dates,
    }
}

/// Facts of a secret's properties.
pub(crate) fn secret(properties: &Value, created: Fact<Timestamp>) -> SecretFacts {
    SecretFacts { content_type: text(properties, &["contentType"]), dates: dates(properties, created) }
}

/// A log of a diagnostic setting.
pub(crate) fn log(log: &Value, in_storage: bool) -> Log {
    let [policy, days] = ["enabled", "days"].map(|name| ["retentionPolicy", name]);
    Log::of(flag(log, &["enabled"]), in_storage, flag(log, &policy), number(log, &days))
}

/// The dates in the attributes of a key or a secret.
pub(crate) fn dates(properties: &Value, created: Fact<Timestamp>) -> Dates {
    let date = |name| moment(properties, &["attributes", name]);
    Dates { created, not_before: date("nbf"), expires: date("exp") }
}

/// When the rotation policy has the version after the first.
fn rotates(properties: &Value, dates: &Dates) -> Fact<Timestamp> {
    let actions = match list(properties, &["rotationPolicy", "lifetimeActions"]) {
        Fact::Known(actions) => actions,
        Fact::Unset => return Fact::Unset,
        Fact::Unknown(why) => return Fact::Unknown(why),
    };
    let kinds: Vec<_> = actions.iter().map(|action| (text(action, &["action", "type"]), action)).collect();
    let is = |kind: &Fact<String>, name: &str| matches!(kind, Fact::Known(kind) if kind.eq_ignore_ascii_case(name));
    let Some((_, action)) = kinds.iter().find(|(kind, _)| is(kind, "rotate")) else {
        let other = kinds.into_iter().find(|(kind, _)| !is(kind, "notify"));
        return other.map_or(Fact::Unset, |(kind, _)| match kind {
            Fact::Unknown(why) => Fact::Unknown(why),
            _ => Fact::Unknown("the action.type of its rotation policy is neither rotate nor notify".to_owned()),
        });
    };
    scheduled(&text(action, &["trigger", "timeAfterCreate"]), &text(action, &["trigger", "timeBeforeExpiry"]), dates)
}

/// When a version is followed by another: so long after its creation, or so long before its end.
pub(crate) fn scheduled(after_create: &Fact<String>, before_expiry: &Fact<String>, dates: &Dates) -> Fact<Timestamp> {
    let (period, from, is_after) = match (after_create, before_expiry) {
        (Fact::Known(period), _) => (period, &dates.created, true),
        (_, Fact::Known(period)) => (period, &dates.expires, false),
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => return Fact::Unknown(why.clone()),
        _ => return Fact::Unset,
    };
    from.clone().then(|from| {
        let parsed = period.parse::<Period>().ok();
        let at = parsed.and_then(|period| if is_after { period.after(from) } else { period.before(from) });
        at.ok_or_else(|| format!("'{period}' is no length of time"))
    })
}
