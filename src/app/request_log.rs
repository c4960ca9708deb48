//! The request log: measures each request and writes its trail as one line, at info. What else reports on requests reads the
//! trail in this layer too.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;
use tracing::field;

use crate::clock::Clock;
use crate::http::{ConnectionInfo, Request, Response};
use crate::trail::{Answered, Printable, Received, RecentTrails, Trail};

/// The target of the request log's events. Their message has what their fields have.
pub const REQUEST_LOG: &str = "keyhaven::requests";

/// The layer around all doors.
#[derive(Clone)]
pub(super) struct RequestLog {
    clock: Arc<dyn Clock>,
    recent: Arc<RecentTrails>,
}

impl RequestLog {
    /// A log that measures by `clock`, the system's, and leaves each trail with `recent`.
    pub(super) const fn new(clock: Arc<dyn Clock>, recent: Arc<RecentTrails>) -> Self {
        Self { clock, recent }
    }

    /// Begins to measure a request.
    pub(super) fn start(&self, request: &Request, connection: ConnectionInfo) -> Measurement<'_> {
        Measurement { log: self, started: self.clock.monotonic(), received: Received::of(request, connection) }
    }
}

/// A request that is being answered. It does not wrap the request's future: that is large, and each wrapper would move it.
pub(super) struct Measurement<'a> {
    log: &'a RequestLog,
    started: Duration,
    received: Received,
}

impl Measurement<'_> {
    /// Writes the line of the request, keeps its trail for the admin API and the audit, and passes its answer on.
    pub(super) fn finish(self, answered: Answered) -> Response {
        let Answered { response, mut trail } = answered;
        trail.duration = self.log.clock.monotonic().saturating_sub(self.started);
        write(&trail);
        if !trail.is_probe {
            self.log.recent.add(self.log.clock.now(), trail, &self.received);
        }
        response
    }
}

/// Probes of the server's health come every second and are written at debug.
fn write(trail: &Trail) {
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(
                target: REQUEST_LOG,
                $level,
                door = trail.door,
                identity = trail.caller.name().as_deref().map(|name| field::display(Printable(name))),
                operation = trail.operation.map(|operation| operation.name),
                vault = trail.vault.as_ref().map(field::display),
                object = trail.object().as_deref().map(|object| field::display(Printable(object))),
                status = trail.status.as_u16(),
                missing = trail.missing.map(field::display),
                error = trail.error.as_ref().map(field::display),
                asked = trail.asked.as_ref().map(field::display),
                duration_ms = trail.duration.as_secs_f64() * 1000.0,
                request_id = trail.request_id.map(field::display),
                "{trail}"
            )
        };
    }
    if trail.is_probe { event!(Level::DEBUG) } else { event!(Level::INFO) }
}
