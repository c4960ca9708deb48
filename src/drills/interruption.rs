//! Interruptions: requests whose connection ends without an answer, and a server that is killed during a request.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::environment::Environment;
use super::step::StepError;
use crate::factory::Refusal;
use crate::remote::RequestError;

/// How long the second request has run, at least, when the server is killed, in milliseconds. A request takes some tens of
/// milliseconds, so these hit different parts of its work.
pub(super) const KILL_DELAYS_MS: [u64; 5] = [0, 4, 12, 30, 75];
/// How long the first answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The time between two looks for it.
const INTERVAL: Duration = Duration::from_millis(1);

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// There was no answer: the server may have done the work or not.
    NoAnswer,
    /// The server refused it.
    Refused(String),
}

/// Repeats `work` in a thread of its own, kills the server `delay_ms` milliseconds after the first result, so during a later
/// request, and restarts it. Returns the results that were answered.
pub(super) fn kill_server_during<T: Send>(
    environment: &Environment,
    delay_ms: u64,
    work: impl Fn() -> Result<T, Interrupted> + Send,
) -> Result<Vec<T>, StepError> {
    let mut server = environment.server()?;
    let count = AtomicUsize::new(0);
    let worked = std::thread::scope(|scope| {
        let worker = scope.spawn(|| repeat_until_error(&count, work));
        let began = Instant::now();
        while count.load(Ordering::Acquire) == 0 && !worker.is_finished() && began.elapsed() < TIMEOUT {
            std::thread::sleep(INTERVAL);
        }
        std::thread::sleep(Duration::from_millis(delay_ms));
        server.kill();
        worker.join()
    });
    server.restart().map_err(StepError::Unexpected)?;
    let (done, end) = worked.map_err(|_| StepError::unexpected("the thread that asked the server broke down"))?;
    match end {
        Interrupted::Refused(why) => Err(StepError::unexpected(format!("before the server was killed: {why}"))),
        Interrupted::NoAnswer if done.is_empty() => {
            Err(StepError::unexpected("nothing was answered before the server was killed"))
        }
        Interrupted::NoAnswer => Ok(done),
    }
}

/// All results, and the error that ended the repetition.
fn repeat_until_error<T>(count: &AtomicUsize, work: impl Fn() -> Result<T, Interrupted>) -> (Vec<T>, Interrupted) {
    let mut done = Vec::new();
    loop {
        match work() {
            Ok(one) => done.push(one),
            Err(end) => return (done, end),
        }
        count.fetch_add(1, Ordering::Release);
    }
}

impl From<RequestError> for Interrupted {
    fn from(failure: RequestError) -> Self {
        match failure {
            RequestError::NoAnswer(_) | RequestError::UnknownCa { .. } => Self::NoAnswer,
            RequestError::Refused { .. } | RequestError::NoVault(_) => Self::Refused(failure.to_string()),
        }
    }
}

impl From<Refusal> for Interrupted {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Key { failure, .. } | Refusal::TenantUnknown { failure, .. }
                if matches!(**failure, RequestError::NoAnswer(_)) =>
            {
                Self::NoAnswer
            }
            _ => Self::Refused(refusal.to_string()),
        }
    }
}
