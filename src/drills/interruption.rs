//! Accidents: connections that end without an answer, and the server killed while it is asked something.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::environment::Ground;
use super::step::Wrong;
use crate::factory::Refusal;
use crate::remote::Failure;

/// How long the second request has gone on, at least, when the server is killed, in milliseconds; one takes some tens of them.
pub(super) const MOMENTS: [u64; 5] = [0, 4, 12, 30, 75];
/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(1);

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// There was no answer: nobody knows whether it was.
    Unanswered,
    /// It was refused.
    Refused(String),
}

/// Does `work` over and over in a thread of its own. Once it has been done, the server is killed `moment` milliseconds later,
/// while it does it again, and started again. Answers what was done.
pub(super) fn killed_while<T: Send>(
    ground: &Ground,
    moment: u64,
    work: impl Fn() -> Result<T, Undone> + Send,
) -> Result<Vec<T>, Wrong> {
    let mut server = ground.server()?;
    let count = AtomicUsize::new(0);
    let worked = std::thread::scope(|scope| {
        let worker = scope.spawn(|| over_and_over(&count, work));
        let began = Instant::now();
        while count.load(Ordering::Acquire) == 0 && !worker.is_finished() && began.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
        std::thread::sleep(Duration::from_millis(moment));
        server.kill();
        worker.join()
    });
    server.start_again().map_err(Wrong::Seen)?;
    let (done, end) = worked.map_err(|_| Wrong::seen("the thread that asked the server broke down"))?;
    match end {
        Undone::Refused(why) => Err(Wrong::seen(format!("before the server was killed: {why}"))),
        Undone::Unanswered if done.is_empty() => Err(Wrong::seen("nothing was answered before the server was killed")),
        Undone::Unanswered => Ok(done),
    }
}

/// All that was done, and how it came to its end.
fn over_and_over<T>(count: &AtomicUsize, work: impl Fn() -> Result<T, Undone>) -> (Vec<T>, Undone) {
    let mut done = Vec::new();
    loop {
        match work() {
            Ok(one) => done.push(one),
            Err(end) => return (done, end),
        }
        count.fetch_add(1, Ordering::Release);
    }
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(_) => Self::Unanswered,
            Failure::Refused { .. } => Self::Refused(failure.to_string()),
        }
    }
}

impl From<Refusal> for Undone {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Key { failure, .. } | Refusal::Vault { failure, .. }
                if matches!(**failure, Failure::Unreachable(_)) =>
            {
                Self::Unanswered
            }
            _ => Self::Refused(refusal.to_string()),
        }
    }
}
