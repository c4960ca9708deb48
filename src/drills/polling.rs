//! Polling: a deletion or a recovery is complete when the vault shows the object, as the pollers of the official clients
//! have it.

use std::time::{Duration, Instant};

use crate::remote::RequestError;

/// How long to poll. The service takes some seconds.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The time between two polls.
const INTERVAL: Duration = Duration::from_millis(200);

/// Calls `look` until it answers anything but "not found" (404), for at most [`TIMEOUT`].
pub(super) fn poll_until_visible<T>(look: impl Fn() -> Result<T, RequestError>) -> Result<T, RequestError> {
    let began = Instant::now();
    loop {
        match look() {
            Err(failure) if failure.status() == Some(404) && began.elapsed() < TIMEOUT => std::thread::sleep(INTERVAL),
            found => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn refusal(status: u16) -> RequestError {
        RequestError::Refused {
            status,
            code: String::new(),
            inner: None,
            message: String::new(),
            missing: None,
            role: None,
        }
    }

    #[test]
    fn only_not_found_is_polled_again() {
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            if looks.get() < 3 { Err(refusal(404)) } else { Ok(looks.get()) }
        };
        assert_eq!(poll_until_visible(look), Ok(3));
        assert_eq!(poll_until_visible(|| Err::<(), _>(refusal(403))), Err(refusal(403)));
    }
}
