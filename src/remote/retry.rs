//! When a request to a busy vault is repeated.

use std::time::Duration;

use ureq::http::header::RETRY_AFTER;

use super::http_client::Answer;

/// The number of attempts at a busy vault.
const MAX_ATTEMPTS: u32 = 4;
/// The longest delay before a retry; a vault that demands a longer one is not tried again.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);
/// The delay before the first retry when the vault names none; it doubles each time, as in the official clients.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(800);

/// The delay after `attempt`, the first of which is 1; `None` if the vault is not busy, demands too long a delay, or was tried
/// often enough.
pub(super) fn retry_delay(answer: &Answer, attempt: u32) -> Option<Duration> {
    if !matches!(answer.status, 429 | 503) || attempt >= MAX_ATTEMPTS {
        return None;
    }
    let demanded = answer.header(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok());
    let delay = demanded.map_or(FIRST_RETRY_DELAY * 2_u32.pow(attempt - 1), Duration::from_secs);
    (delay <= MAX_RETRY_DELAY).then_some(delay)
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderMap;
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn only_a_busy_vault_is_tried_again_and_not_for_long() {
        let waits = |status, retry_after: Option<&'static str>, attempt| {
            let mut headers = HeaderMap::new();
            headers.extend(retry_after.map(|text| (RETRY_AFTER, text.parse().unwrap())));
            retry_delay(&Answer { status, headers, body: Zeroizing::default() }, attempt)
        };
        assert_eq!(waits(429, Some("2"), 1), Some(Duration::from_secs(2)));
        assert_eq!(waits(503, None, 2), Some(Duration::from_millis(1600)));
        assert_eq!(waits(429, Some("60"), 1), None);
        assert_eq!(waits(429, Some("2"), 4), None, "the last attempt");
        for status in [200, 400, 401, 403, 404, 409, 500] {
            assert_eq!(waits(status, Some("1"), 1), None, "{status}");
        }
    }
}
