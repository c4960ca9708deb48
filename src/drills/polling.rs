//! Waiting for what a vault does in its own time: a deletion and a recovery are done when the vault shows so, as the official
//! clients' pollers wait for it too.

use std::time::{Duration, Instant};

use crate::remote::Failure;

/// How long is waited. The service takes some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long until it is looked again.
const PAUSE: Duration = Duration::from_millis(200);

/// What `look` shows once it finds something.
///
/// # Errors
/// Any refusal but "not found", and that too when it goes on for too long.
pub(super) fn shown<T>(look: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    let began = Instant::now();
    loop {
        match look() {
            Err(failure) if failure.status() == Some(404) && began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            found => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn refusal(status: u16) -> Failure {
        Failure::Refused { status, code: String::new(), inner: None, message: String::new() }
    }

    #[test]
    fn it_looks_again_only_for_what_is_not_found() {
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            if looks.get() < 3 { Err(refusal(404)) } else { Ok(looks.get()) }
        };
        assert_eq!(shown(look), Ok(3));
        assert_eq!(shown(|| Err::<(), _>(refusal(403))), Err(refusal(403)));
    }
}
