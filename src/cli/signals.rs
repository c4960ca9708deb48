//! The signals that stop a command. SIGHUP is one of them, unless the command was started with it ignored (`nohup`).

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// The signals that stop a server: SIGTERM, SIGINT and SIGHUP.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Sighup,
}

impl StopSignals {
    /// Starts to listen. A signal that arrives before [`StopSignals::received`] is called is not lost.
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Failure::failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::failed)?,
            hang_up: Sighup::listen()?,
        })
    }

    /// Waits for the first signal and returns its name.
    pub(super) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = self.hang_up.received() => "SIGHUP",
        }
    }
}

/// SIGHUP. Listening to an ignored signal would end that state, for child processes too, so an ignored SIGHUP is not
/// listened to.
pub(super) struct Sighup(Option<Signal>);

impl Sighup {
    /// Starts to listen, unless this process was started with the signal ignored.
    pub(super) fn listen() -> Result<Self, Failure> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if is_ignored(&status) {
            return Ok(Self(None));
        }
        signal(SignalKind::hangup()).map(|signal| Self(Some(signal))).map_err(Failure::failed)
    }

    /// Waits for the signal; for ever when it is ignored.
    pub(super) async fn received(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Whether SIGHUP (number 1, the lowest bit) is ignored according to `/proc/PID/status` (proc(5)). Systems without that file
/// count as not ignoring it.
fn is_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hang_up_is_read_from_the_status() {
        assert!(is_ignored("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n"));
        assert!(!is_ignored("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!is_ignored(""));
    }
}
