//! Spans of time as .NET writes them, which definitions of a data factory have: `D.HH:MM:SS`.

/// The seconds in `text`: `0.12:00:00`, `00:01:00`, `7.00:00:00`. None for what is no such span.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) => (number(days, u64::MAX)?, clock),
        None => (0, text),
    };
    let mut parts = clock.split(':');
    let mut next = |most| number(parts.next()?, most);
    let (hours, minutes, seconds) = (next(23)?, next(59)?, next(59)?);
    if parts.next().is_some() {
        return None;
    }
    days.checked_mul(86_400)?.checked_add(hours * 3600 + minutes * 60 + seconds)
}

fn number(text: &str, most: u64) -> Option<u64> {
    let is_number = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_dotnet_reads_them() {
        for (text, expected) in [
            ("0.12:00:00", Some(43_200)),
            ("00:01:00", Some(60)),
            ("7.00:00:01", Some(604_801)),
            ("24:00:00", None),
            ("1:2:3", Some(3_723)),
            ("12:00", None),
            ("-00:01:00", None),
            ("00:00:00:00", None),
            ("", None),
            ("P1D", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
