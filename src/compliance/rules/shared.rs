//! What rules for several kinds of resources look at alike.

use super::Verdict::{self, Compliant, NonCompliant, Unknown};
use crate::compliance::facts::Fact;

/// Whether a value is among the allowed ones; `what` is its name in a finding.
pub(super) fn one_of(fact: &Fact<String>, allowed: &[String], what: &str) -> Verdict {
    match fact {
        Fact::Known(value) if allowed.iter().any(|one| one.eq_ignore_ascii_case(value)) => Compliant,
        Fact::Known(value) => NonCompliant(format!("{what} is {value}")),
        Fact::Unset => NonCompliant(format!("{what} is not set")),
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}

/// Whether it is one of these, whatever its case.
pub(super) fn is_one_of(value: &str, all: &[&str]) -> bool {
    all.iter().any(|one| one.eq_ignore_ascii_case(value))
}

/// Whether public network access is disabled.
pub(super) fn is_closed(public_access: &Fact<String>) -> Verdict {
    one_of(public_access, &["Disabled".to_owned()], "its public network access")
}

/// Whether there is an approved private endpoint.
pub(super) fn has_endpoint(approved: &Fact<usize>) -> Verdict {
    match approved {
        Fact::Known(0) | Fact::Unset => NonCompliant("it has no approved private endpoint".to_owned()),
        Fact::Known(_) => Compliant,
        Fact::Unknown(why) => Unknown(why.clone()),
    }
}
