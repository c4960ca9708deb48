//! Lengths of time as people and the service write them: ISO 8601, by the calendar.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::tz::TimeZone;

use super::Timestamp;

/// A length of time, such as `P90D`, `P1Y`, `PT30M`: years and months are those of the calendar, in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Period(Span);

/// The text is not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPeriod;

impl fmt::Display for InvalidPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a length of time; write it as 90d, P90D, P1Y6M or PT30M")
    }
}

impl std::error::Error for InvalidPeriod {}

impl FromStr for Period {
    type Err = InvalidPeriod;

    /// ISO 8601; on command lines also `90d`, `2h 30m`.
    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        let span: Span = text.trim().parse().map_err(|_| InvalidPeriod)?;
        if span.is_negative() { Err(InvalidPeriod) } else { Ok(Self(span)) }
    }
}

impl Period {
    /// A period of `days` days.
    pub fn of_days(days: u16) -> Self {
        Self(Span::new().days(days))
    }

    /// The length in milliseconds when it begins at `start`; `None` beyond the calendar.
    pub fn milliseconds_from(&self, start: Timestamp) -> Option<i64> {
        let moment = start.calendar()?;
        let end = moment.to_zoned_datetime(TimeZone::UTC).checked_add(self.0).ok()?;
        Some(end.timestamp().as_millisecond() - moment.as_millisecond())
    }

    /// The moment this period after `start`, in whole seconds; `None` beyond the calendar.
    pub fn after(&self, start: Timestamp) -> Option<Timestamp> {
        Some(start.plus_seconds(self.milliseconds_from(start)?.div_euclid(1000)))
    }

    /// The moment this period before `end`, in whole seconds; `None` beyond the calendar.
    pub fn before(&self, end: Timestamp) -> Option<Timestamp> {
        let start = end.calendar()?.to_zoned_datetime(TimeZone::UTC).checked_sub(self.0).ok()?;
        Some(Timestamp::from_unix(start.timestamp().as_second()))
    }

    /// The length in whole seconds, if it is the same from every start; else `None`.
    pub fn seconds(&self) -> Option<u64> {
        let whole = self.0.get_years() == 0 && self.0.get_months() == 0;
        let length = self.milliseconds_from(Timestamp::from_unix(0)).filter(|_| whole)?;
        u64::try_from(length)
            .ok()
            .filter(|length| length % 1000 == 0 && self.0.get_microseconds() == 0)
            .map(|ms| ms / 1000)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        let start = Timestamp::from_unix(1_700_000_000);
        text.parse::<Period>().unwrap().milliseconds_from(start).unwrap() / 1000
    }

    #[test]
    fn lengths_are_those_of_the_calendar() {
        assert_eq!(seconds("P90D"), 90 * 86_400);
        assert_eq!(seconds("PT1H30M"), 5400);
        assert_eq!(seconds("P1Y"), 366 * 86_400, "from November 2023 on a leap day lies between");
        assert_eq!(seconds("P1M"), 30 * 86_400);
        assert_eq!(seconds("P4Y"), 126_230_400, "as recorded");
        assert_eq!(seconds("2d 3h"), 2 * 86_400 + 10_800);
        assert_eq!(seconds("PT0.5S"), 0);
    }

    #[test]
    fn only_some_are_whole_seconds_whenever_they_begin() {
        let whole = |text: &str| text.parse::<Period>().unwrap().seconds();
        assert_eq!(whole("PT0S"), Some(0));
        assert_eq!(whole("P1DT1S"), Some(86_401));
        assert_eq!(whole("P1M"), None);
        assert_eq!(whole("PT0.5S"), None);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "P", "90", "-P1D", "P-1D", "tomorrow", "2023-11-14"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        let for_ever: Period = "P9999Y".parse().unwrap();
        assert_eq!(for_ever.milliseconds_from(Timestamp::from_unix(1_700_000_000)), None);
    }
}
