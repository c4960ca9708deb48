//! Rules for data factories.

use super::Verdict::{self, Compliant, NonCompliant, Unknown, Warned};
use super::shared::{has_endpoint, is_closed};
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
    has_endpoint(&factory.private_endpoints)
}

pub(super) fn public_access(factory: &FactoryFacts, _: &Arguments) -> Verdict {
    is_closed(&factory.public_access)
}

/// A warning: with a customer's key, access to the key is often all that a factory is given.
pub(super) fn secrets_role(factory: &FactoryFacts, _: &Arguments) -> Verdict {
    match &factory.missing_role {
        Fact::Known(why) => Warned(why.clone()),
        Fact::Unset | Fact::Unknown(_) => Compliant,
    }
}
