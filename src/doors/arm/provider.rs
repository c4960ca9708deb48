//! A resource provider: its namespace, and its types with their api-versions. What answers its operations is in
//! [`super::endpoint`].

use super::refusal;
use crate::http::error::ApiError;
use crate::http::routes::Params;

/// A resource provider.
pub(super) struct Provider {
    /// Its namespace: `Microsoft.DataFactory`.
    pub(super) namespace: &'static str,
    /// Its resource types.
    pub(super) types: &'static [&'static ProvidedType],
}

/// A type of a provider.
pub(super) struct ProvidedType {
    /// Its name in the namespace: `factories/linkedservices`.
    pub(super) name: &'static str,
    /// Its api-versions, newest first.
    pub(super) versions: &'static [&'static str],
    /// How a version that is not among them is taken.
    pub(super) others: OtherVersions,
}

/// How an api-version that is not known is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherVersions {
    /// One with a later date is the newest known; it is refused otherwise.
    LaterAreNewest,
    /// It is refused.
    Refused,
}

/// The namespaces of `providers`.
pub(super) fn namespaces(providers: &[&Provider]) -> Vec<&'static str> {
    providers.iter().map(|provider| provider.namespace).collect()
}

impl ProvidedType {
    /// Checks the api-version in `params`.
    pub(super) fn check_version(&self, params: &Params) -> Result<(), ApiError> {
        let given = params.query().find(|(name, value)| name.eq_ignore_ascii_case("api-version") && !value.is_empty());
        let (_, version) = given.ok_or_else(refusal::missing_api_version)?;
        match self.serves(&version) {
            true => Ok(()),
            false => Err(self.unknown_version(&version)),
        }
    }

    fn serves(&self, version: &str) -> bool {
        let known = self.versions.iter().any(|known| known.eq_ignore_ascii_case(version));
        let newest = self.versions.first().copied().unwrap_or_default();
        known || (self.others == OtherVersions::LaterAreNewest && is_date(version) && version > newest)
    }

    fn unknown_version(&self, version: &str) -> ApiError {
        match self.others {
            OtherVersions::LaterAreNewest => refusal::invalid_api_version(version, self.versions),
            OtherVersions::Refused => refusal::no_registered_provider(version, self.name, self.versions),
        }
    }
}

/// Whether `version` begins with a date such as 2021-04-01.
fn is_date(version: &str) -> bool {
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = version.splitn(4, '-');
    let mut next = |length| parts.next().is_some_and(|part| digits(part, length));
    next(4) && next(2) && next(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_of_those_known_or_a_later_date() {
        let of = |others| ProvidedType { name: "x", versions: &["2022-09-01", "2015-11-01"], others };
        let (later, refused) = (of(OtherVersions::LaterAreNewest), of(OtherVersions::Refused));
        for (version, expected) in [
            ("2015-11-01", [true, true]),
            ("2026-01-01", [true, false]),
            ("2026-01-01-PREVIEW", [true, false]),
            ("2016-01-01", [false, false]),
            ("9", [false, false]),
            ("latest", [false, false]),
        ] {
            assert_eq!([later.serves(version), refused.serves(version)], expected, "{version}");
        }
    }
}
