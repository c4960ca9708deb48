//! Rules for keys and secrets.

use super::Verdict::{self, Compliant, NonCompliant, Unknown};
use super::shared::{is_one_of, one_of};
use crate::clock::Timestamp;
use crate::compliance::arguments::Arguments;
use crate::compliance::facts::{Dates, Fact, KeyFacts, SecretFacts};

/// Seconds in a day.
const DAY: i64 = 86_400;

pub(super) fn key_expiration(key: &KeyFacts, _: &Arguments) -> Verdict {
    expires(&key.dates)
}

pub(super) fn key_validity(key: &KeyFacts, arguments: &Arguments) -> Verdict {
    validity(&key.dates, arguments)
}

pub(super) fn key_days_left(key: &KeyFacts, arguments: &Arguments) -> Verdict {
    days_left(&key.dates, arguments)
}

pub(super) fn key_active(key: &KeyFacts, arguments: &Arguments) -> Verdict {
    active(&key.dates, arguments)
}

pub(super) fn secret_expiration(secret: &SecretFacts, _: &Arguments) -> Verdict {
    expires(&secret.dates)
}

pub(super) fn secret_validity(secret: &SecretFacts, arguments: &Arguments) -> Verdict {
    validity(&secret.dates, arguments)
}

pub(super) fn secret_days_left(secret: &SecretFacts, arguments: &Arguments) -> Verdict {
    days_left(&secret.dates, arguments)
}

pub(super) fn secret_active(secret: &SecretFacts, arguments: &Arguments) -> Verdict {
    active(&secret.dates, arguments)
}

pub(super) fn content_type(secret: &SecretFacts, _: &Arguments) -> Verdict {
    match &secret.content_type {
        Fact::Known(_) => Compliant,
        Fact::Unset => NonCompliant("it has no content type".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

pub(super) fn key_type(key: &KeyFacts, arguments: &Arguments) -> Verdict {
    one_of(&key.kty, &arguments.texts("allowedKeyTypes"), "its type")
}

pub(super) fn hsm(key: &KeyFacts, _: &Arguments) -> Verdict {
    match &key.kty {
        Fact::Known(kty) if is_one_of(kty, &["RSA-HSM", "EC-HSM"]) => Compliant,
        Fact::Known(kty) => NonCompliant(format!("its type is {kty}")),
        Fact::Unset => NonCompliant("its type is not set".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

pub(super) fn rsa_size(key: &KeyFacts, arguments: &Arguments) -> Verdict {
    let least = arguments.number("minimumRSAKeySize");
    match (&key.kty, &key.size) {
        (Fact::Known(kty), _) if !is_one_of(kty, &["RSA", "RSA-HSM"]) => Compliant,
        (_, Fact::Known(size)) if *size >= least => Compliant,
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Unknown(why.clone()),
        (_, Fact::Known(size)) => NonCompliant(format!("it has {size} bits")),
        (_, Fact::Unset) => NonCompliant("its size is not set".to_owned()),
    }
}

pub(super) fn curve(key: &KeyFacts, arguments: &Arguments) -> Verdict {
    let of_curve = one_of(&key.curve, &arguments.texts("allowedECNames"), "its curve");
    match &key.kty {
        Fact::Known(kty) if !is_one_of(kty, &["EC", "EC-HSM"]) => Compliant,
        Fact::Unknown(why) if of_curve != Compliant => Unknown(why.clone()),
        _ => of_curve,
    }
}

pub(super) fn rotation(key: &KeyFacts, arguments: &Arguments) -> Verdict {
    let days = arguments.number("maximumDaysToRotate");
    match (&key.rotates, &key.dates.created) {
        (Fact::Unset, _) => NonCompliant("no rotation is scheduled".to_owned()),
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Unknown(why.clone()),
        (Fact::Known(at), Fact::Known(created)) if *at > after(*created, days) => {
            NonCompliant(format!("it rotates {at}, {} days after it was made", between(*created, *at)))
        }
        _ => Compliant,
    }
}

fn expires(dates: &Dates) -> Verdict {
    match &dates.expires {
        Fact::Known(_) => Compliant,
        Fact::Unset => NonCompliant("it never expires".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

fn validity(dates: &Dates, arguments: &Arguments) -> Verdict {
    let days = arguments.number("maximumValidityInDays");
    match (&dates.expires, &dates.created) {
        (Fact::Unset, _) => NonCompliant("it never expires".to_owned()),
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Unknown(why.clone()),
        (Fact::Known(end), Fact::Known(created)) if *end > after(*created, days) => {
            NonCompliant(format!("it expires {end}, {} days after it was made", between(*created, *end)))
        }
        _ => Compliant,
    }
}

fn days_left(dates: &Dates, arguments: &Arguments) -> Verdict {
    let days = arguments.number("minimumDaysBeforeExpiration");
    match &dates.expires {
        Fact::Known(end) if *end < after(arguments.now, days) => {
            NonCompliant(format!("it expires {end}, in {} days", between(arguments.now, *end)))
        }
        Fact::Known(_) | Fact::Unset => Compliant,
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

fn active(dates: &Dates, arguments: &Arguments) -> Verdict {
    let days = arguments.number("maximumValidityInDays");
    let since = if dates.not_before == Fact::Unset { &dates.created } else { &dates.not_before };
    match since {
        Fact::Known(since) if arguments.now > after(*since, days) => {
            NonCompliant(format!("it is active since {since}, for {} days", between(*since, arguments.now)))
        }
        Fact::Known(_) | Fact::Unset => Compliant,
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

fn after(start: Timestamp, days: i64) -> Timestamp {
    start.plus_seconds(days.saturating_mul(DAY))
}

/// Whole days from one moment to another.
const fn between(start: Timestamp, end: Timestamp) -> i64 {
    end.unix().saturating_sub(start.unix()).div_euclid(DAY)
}
