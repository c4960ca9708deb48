//! `api-version`: required. The published ones are known; a later date is taken too, so that the clients of next year work
//! with a server of today.

use hyper::StatusCode;
use jiff::civil::Date;

use super::target::Query;
use crate::http::error::ApiError;

/// The newest stable version known, named to clients that send something unknown.
const NEWEST: &str = "2026-04-01";

/// Every version that clients of the data plane were published with by November 2026. The previews of a `7.x` have
/// what it has.
const KNOWN: [(&str, ApiVersion); 21] = [
    ("2016-10-01", ApiVersion::dated(2016, 10, 1)),
    ("7.0", ApiVersion::seven(0)),
    ("7.1", ApiVersion::seven(1)),
    ("7.2-preview", ApiVersion::seven(2)),
    ("7.2", ApiVersion::seven(2)),
    ("7.3-preview", ApiVersion::seven(3)),
    ("7.3", ApiVersion::seven(3)),
    ("7.4-preview.1", ApiVersion::seven(4)),
    ("7.4", ApiVersion::seven(4)),
    ("7.5-preview.1", ApiVersion::seven(5)),
    ("7.5", ApiVersion::seven(5)),
    ("7.6-preview.1", ApiVersion::seven(6)),
    ("7.6-preview.2", ApiVersion::seven(6)),
    ("7.6", ApiVersion::seven(6)),
    ("2025-06-01-preview", ApiVersion::dated(2025, 6, 1)),
    ("2025-07-01", ApiVersion::dated(2025, 7, 1)),
    ("2026-01-01-preview", ApiVersion::dated(2026, 1, 1)),
    ("2026-03-01-preview", ApiVersion::dated(2026, 3, 1)),
    (NEWEST, ApiVersion::NEWEST),
    ("2026-05-01-preview", ApiVersion::dated(2026, 5, 1)),
    ("2026-07-01-preview", ApiVersion::dated(2026, 7, 1)),
];

/// A version of the API, ordered by its date: year, month and day in decimal, `20250701`. The `7.x` lie between 2016 and
/// 2025.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u32);

impl ApiVersion {
    /// The first.
    pub(super) const FIRST: Self = Self(0);
    /// `recoverableDays` is answered from here on.
    pub(super) const RECOVERABLE_DAYS: Self = Self::seven(1);
    /// Symmetric algorithms are known from here on (the OpenAPI of 7.2).
    pub(super) const SYMMETRIC: Self = Self::seven(2);
    /// Keys may be released, and have policies, from here on.
    pub(super) const RELEASE: Self = Self::seven(3);
    /// `exportable` is answered from here on, whatever it is; before, from [`Self::RELEASE`] on, when it is true.
    pub(super) const EXPORTABLE: Self = Self::seven(4);
    /// `hsmPlatform` is answered from here on.
    pub(super) const HSM_PLATFORM: Self = Self::seven(5);
    /// PKCS #11's mechanisms and HMAC are known from here on.
    pub(super) const MECHANISMS: Self = Self::seven(6);
    /// Secrets of certificates can be asked for in another form from here on (2025-06-01-preview, the preview of
    /// 2025-07-01, has it).
    pub(super) const OUT_CONTENT_TYPE: Self = Self::dated(2025, 6, 1);
    /// Bundles of secrets name the version before theirs from here on.
    pub(super) const PREVIOUS_VERSION: Self = Self::dated(2025, 6, 1);
    /// Premium vaults have symmetric keys from here on.
    pub(super) const OCT_HSM: Self = Self::dated(2025, 7, 1);
    /// Symmetric keys show their size from here on.
    pub(super) const KEY_SIZE: Self = Self::dated(2026, 1, 1);
    /// The newest stable version known.
    pub(super) const NEWEST: Self = Self::dated(2026, 4, 1);

    const fn seven(minor: u32) -> Self {
        Self(20_200_000 + minor)
    }

    const fn dated(year: u32, month: u32, day: u32) -> Self {
        Self(year * 10_000 + month * 100 + day)
    }

    /// The version a request names.
    ///
    /// # Errors
    /// 400 when it names none, or one that was not published and is not later than the newest.
    pub(super) fn of(query: &Query) -> Result<Self, ApiError> {
        match requested(query) {
            "" => Err(bad_parameter(
                "The api-version query parameter (?api-version=) is required for all requests.".to_owned(),
            )),
            text => Self::parse(text).ok_or_else(|| {
                bad_parameter(format!(
                    "The specified version ({text}) is not recognized. Consider using the latest supported version \
                     ({NEWEST})."
                ))
            }),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|(known, _)| *known == text);
        known.map_or_else(|| Self::later(text), |(_, version)| Some(*version))
    }

    /// A date of the calendar behind the newest known one, with or without `-preview`.
    fn later(text: &str) -> Option<Self> {
        let date = text.strip_suffix("-preview").unwrap_or(text);
        // The calendar's parser takes other forms too.
        let formed = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
        if date.len() != 10 || !date.bytes().enumerate().all(formed) {
            return None;
        }
        let date: Date = date.parse().ok()?;
        let [month, day] = [date.month(), date.day()].map(i8::unsigned_abs);
        let version = Self::dated(u32::from(date.year().unsigned_abs()), u32::from(month), u32::from(day));
        (version > Self::NEWEST).then_some(version)
    }

    /// Whether `text` is a version that was published.
    pub(super) fn is_published(text: &str) -> bool {
        KNOWN.iter().any(|(known, _)| *known == text)
    }
}

/// The `api-version` of a query; empty when it has none.
pub(super) fn requested(query: &Query) -> &str {
    query.get("api-version").unwrap_or_default()
}

fn bad_parameter(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> ApiVersion {
        ApiVersion::parse(text).unwrap()
    }

    #[test]
    fn versions_are_ordered_by_their_whole_date() {
        assert!(KNOWN.iter().map(|(_, version)| version).is_sorted());
        for (text, version) in KNOWN {
            assert_eq!(parsed(text), version, "{text}");
        }
        assert!(parsed("7.0") < ApiVersion::RECOVERABLE_DAYS && parsed("2016-10-01") < ApiVersion::RECOVERABLE_DAYS);
        assert!(parsed("7.6") < ApiVersion::OUT_CONTENT_TYPE);
        assert!(parsed("2025-06-01-preview") < ApiVersion::OCT_HSM && parsed("2025-07-01") == ApiVersion::OCT_HSM);
        assert!(parsed("2025-07-01") < ApiVersion::KEY_SIZE && parsed("2026-01-01-preview") >= ApiVersion::KEY_SIZE);
        assert!(parsed("2026-07-01-preview") < parsed("2026-07-02"));
    }

    #[test]
    fn later_dates_of_the_calendar_are_taken_and_all_else_is_not() {
        for text in ["2026-04-02", "2026-05-01", "2027-01-01-preview", "2028-02-29", "9999-12-31"] {
            assert!(ApiVersion::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "7",
            "7.x",
            "7.7",
            "7.9",
            "7.10",
            "7.04",
            "8.1",
            "seven",
            "7.4-preview",
            "7.4-preview.",
            "7.6-preview.9",
            "1999-01-01",
            "2015-06-01",
            "2018-13-40",
            "2025-07-01-preview",
            "2025-08-01",
            "2026-04-01-preview",
            "2026-13-01",
            "2026-00-01",
            "2026-06-31",
            "2027-02-29",
            "2026-5-01",
            "2026-05-1",
            "02026-05-01",
            "2026-+5-01",
            "2026-05-01-x",
            "2026-05-01-preview.1",
            "2026-05-01-preview-preview",
            "2026-05-01-",
            "-2026-05-01",
            "2026-05-01 ",
            "99999-01-01",
            "२०२६-०५-०१",
        ] {
            assert!(ApiVersion::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_version_or_none(text in "[0-9]{0,5}[-.]?[0-9]{0,3}[-.]?[0-9]{0,3}(-preview)?|.{0,20}") {
            if let Some(version) = ApiVersion::parse(&text) {
                prop_assert!(ApiVersion::is_published(&text) || (version > ApiVersion::NEWEST && text.len() >= 10), "{text}");
            }
        }
    }
}
