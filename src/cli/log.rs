//! The log on stderr: its levels and its two formats.

use std::fmt;
use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{self as log, FmtContext};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::Failure;
use super::log_output::LogOutput;
use crate::app::REQUEST_LOG;

/// Libraries whose own events are of no use to users: silent below trace, unless the filter names them.
const LIBRARIES: [&str; 3] = ["hyper", "h2", "rustls"];

/// The forms of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Installs the log, filtered by `level`.
pub(super) fn install(level: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = parse_filter(level).map(cap_http_client).map(silence_libraries).ok_or_else(|| {
        let why = "use off, error, warn, info, debug or trace, for a part alone as in info,hyper=debug";
        Failure::usage(format!("--log-level {level}: {why}"))
    })?;
    let colours = std::io::stderr().is_terminal();
    let layer = log::layer().with_ansi(colours).with_writer(LogOutput::to_stderr());
    let layer = match format {
        LogFormat::Text => layer.event_format(TextFormat(Format::default().with_target(false))).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).try_init().map_err(Failure::failed)
}

/// The text format. A line of the request log is its message alone, because its fields repeat it for the JSON format.
struct TextFormat(Format);

impl<S, N> FormatEvent<S, N> for TextFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if event.metadata().target() != REQUEST_LOG {
            return self.0.format_event(context, writer, event);
        }
        let (dim, reset) = if writer.has_ansi_escapes() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        writer.write_str(dim)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "{reset} {:>5} ", event.metadata().level())?;
        let mut message = Message { writer, outcome: Ok(()) };
        event.record(&mut message);
        message.outcome?;
        message.writer.write_char('\n')
    }
}

/// Writes the message of an event and skips its fields.
struct Message<'w> {
    writer: Writer<'w>,
    outcome: fmt::Result,
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.outcome = write!(self.writer, "{value:?}");
        }
    }
}

/// Parses a log filter: a level, and levels of targets. Each entry must end in a level: `Targets` would take any other word
/// for a target's name.
fn parse_filter(text: &str) -> Option<Targets> {
    let is_level =
        |part: &str| part.rsplit('=').next().is_some_and(|level| level.trim().parse::<LevelFilter>().is_ok());
    text.split(',').all(is_level).then(|| text.parse().ok()).flatten()
}

/// Caps the HTTP client's log at debug: at trace it logs URLs, and those of webhooks can hold access codes.
fn cap_http_client(filter: Targets) -> Targets {
    let is_clients = |target: &str| target.starts_with("ureq");
    let named = filter.iter().filter(|(target, level)| is_clients(target) && *level > LevelFilter::DEBUG);
    let mut capped: Vec<_> = named.map(|(target, _)| (target.to_owned(), LevelFilter::DEBUG)).collect();
    capped.extend(filter.would_enable("ureq", &Level::TRACE).then(|| ("ureq".to_owned(), LevelFilter::DEBUG)));
    filter.with_targets(capped)
}

/// Turns off the events of [`LIBRARIES`] that the filter does not name.
fn silence_libraries(filter: Targets) -> Targets {
    if filter.default_level() == Some(LevelFilter::TRACE) {
        return filter;
    }
    let is_named = |library: &str| filter.iter().any(|(target, _)| target.starts_with(library));
    let silent: Vec<_> = LIBRARIES.into_iter().filter(|library| !is_named(library)).collect();
    filter.with_targets(silent.into_iter().map(|library| (library, LevelFilter::OFF)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Targets {
        silence_libraries(cap_http_client(parse_filter(text).unwrap()))
    }

    #[test]
    fn no_level_shows_whole_urls() {
        for text in ["trace", "info,ureq=trace", "ureq::run=trace", "warn,ureq_proto=trace,ureq=debug"] {
            for target in ["ureq", "ureq::run", "ureq_proto::util"] {
                assert!(!filter(text).would_enable(target, &Level::TRACE), "{text} {target}");
            }
        }
        assert!(filter("trace").would_enable("keyhaven", &Level::TRACE));
        assert!(!filter("info").would_enable("ureq", &Level::DEBUG));
    }

    #[test]
    fn libraries_are_silent_below_trace_unless_they_are_named() {
        for target in ["hyper::proto::h1", "hyper_util::client", "h2::codec", "rustls::server"] {
            assert!(!filter("debug").would_enable(target, &Level::ERROR), "{target}");
            assert!(!filter("debug,keyhaven=trace").would_enable(target, &Level::ERROR), "{target}");
            assert!(filter("trace").would_enable(target, &Level::TRACE), "{target}");
        }
        let named = filter("info,hyper=debug,h2::codec=trace");
        assert!(named.would_enable("hyper_util::client", &Level::DEBUG));
        assert!(named.would_enable("h2::codec", &Level::TRACE));
        assert!(!named.would_enable("rustls::server", &Level::INFO));
    }
}
