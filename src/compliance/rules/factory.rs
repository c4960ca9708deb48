//! Rules for data factories.

use super::Verdict::{self, Compliant, NonCompliant, Unknown, Warned};
use crate::compliance::arguments::Arguments;
use crate::compliance::facts::{Fact, FactoryFacts};

pub(super) fn customer_key(factory: &FactoryFacts, _: &Arguments) -> Verdict {
    match &factory.customer_key {
        Fact::Known(true) => Compliant,
        Fact::Known(false) | Fact::Unset => NonCompliant("no customer-managed key encrypts it".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

pub(super) fn git(factory: &FactoryFacts, _: &Arguments) -> Verdict {
    match &factory.repository {
        Fact::Known(name) if !name.is_empty() => Compliant,
        Fact::Known(_) | Fact::Unset => NonCompliant("it has no repository".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

pub(super) fn private_link(factory: &FactoryFacts, _: &Arguments) -> Verdict {
    match &factory.private_endpoints {
        Fact::Known(0) | Fact::Unset => NonCompliant("it has no approved private endpoint".to_owned()),
        Fact::Known(_) => Compliant,
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

pub(super) fn public_access(factory: &FactoryFacts, _: &Arguments) -> Verdict {
    match &factory.public_access {
        Fact::Known(access) if access.eq_ignore_ascii_case("Disabled") => Compliant,
        Fact::Known(access) => NonCompliant(format!("its public network access is {access}")),
        Fact::Unset => NonCompliant("its public network access is not set".to_owned()),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

/// A warning: with a customer's key, access to the key is often all that a factory is given.
pub(super) fn secrets_role(factory: &FactoryFacts, _: &Arguments) -> Verdict {
    match &factory.missing_role {
        Fact::Known(why) => Warned(why.clone()),
        Fact::Unset | Fact::Unknown(_) => Compliant,
    }
}
