//! `api-version`: required, and any plausible value is taken, because clients of every year are.

use hyper::StatusCode;

use super::exchange::Query;
use crate::http::error::ApiError;

/// The newest version known, named to whoever sends something else.
const NEWEST: &str = "2026-04-01";

/// A version of the API, ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u32);

impl ApiVersion {
    /// The first.
    pub(super) const FIRST: Self = Self(0);
    /// `recoverableDays` is answered from here on.
    pub(super) const RECOVERABLE_DAYS: Self = Self(701);
    /// Symmetric algorithms are known from here on (the OpenAPI of 7.2).
    pub(super) const SYMMETRIC: Self = Self(702);
    /// Keys may be released, and have policies, from here on.
    pub(super) const RELEASE: Self = Self(703);
    /// PKCS #11's mechanisms and HMAC are known from here on.
    pub(super) const MECHANISMS: Self = Self(706);
    /// Secrets of certificates can be asked for in another form from here on (the OpenAPI).
    pub(super) const OUT_CONTENT_TYPE: Self = Self(2025);
    /// Premium vaults have symmetric keys from here on.
    pub(super) const OCT_HSM: Self = Self(2025);
    /// `exportable` is answered from here on, whatever it is; before, from [`Self::RELEASE`] on, when it is true.
    pub(super) const EXPORTABLE: Self = Self(704);
    /// `hsmPlatform` is answered from here on.
    pub(super) const HSM_PLATFORM: Self = Self(705);

    /// The version a request names.
    pub(super) fn of(query: &Query) -> Result<Self, ApiError> {
        match query.get("api-version") {
            None | Some("") => {
                Err(bad("The api-version query parameter (?api-version=) is required for all requests.".to_owned()))
            }
            Some(text) => Self::parse(text).ok_or_else(|| {
                bad(format!(
                    "The specified version ({text}) is not recognized. Consider using the latest supported version \
                     ({NEWEST})."
                ))
            }),
        }
    }

    /// `7.4`, `7.6-preview.2`, `2016-10-01`, `2025-07-01-preview`. Dates up to 2018 are older than any `7.x`, later
    /// ones newer.
    fn parse(text: &str) -> Option<Self> {
        let plain = match text.split_once("-preview") {
            Some((plain, tail)) if tail.is_empty() || tail.strip_prefix('.').is_some_and(is_number) => plain,
            Some(_) => return None,
            None => text,
        };
        if let Some((major, minor)) = plain.split_once('.') {
            let known = major == "7" && is_number(minor) && minor.len() <= 2;
            return known.then(|| minor.parse().ok()).flatten().map(|minor: u32| Self(700 + minor));
        }
        let mut parts = plain.split('-');
        let date = [parts.next()?, parts.next()?, parts.next()?];
        let formed =
            parts.next().is_none() && date.map(str::len) == [4, 2, 2] && date.iter().all(|part| is_number(part));
        let year: u32 = formed.then(|| date[0].parse().ok()).flatten()?;
        (2014..2100).contains(&year).then(|| if year < 2019 { Self(year - 2014) } else { Self(year) })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn bad(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_age() {
        let ages = ["2016-10-01", "7.0", "7.3", "7.6-preview.2", "2025-07-01", "2026-04-01-preview"];
        let parsed: Vec<_> = ages.map(|text| ApiVersion::parse(text).unwrap()).into();
        assert!(parsed.is_sorted());
        assert!(ApiVersion::parse("7.0").unwrap() < ApiVersion::RECOVERABLE_DAYS);
        assert!(ApiVersion::parse("2016-10-01").unwrap() < ApiVersion::RECOVERABLE_DAYS);
    }

    #[test]
    fn implausible_versions_are_none() {
        for text in ["", "7", "7.x", "seven", "2025-7-1", "8.1", "2025-07-01-x", "7.4-preview.", "1999-01-01"] {
            assert!(ApiVersion::parse(text).is_none(), "{text}");
        }
    }
}
