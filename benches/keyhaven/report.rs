//! What was measured, as a table for people and as JSON for programs.

use std::fmt;

use serde::{Serialize, Serializer};

/// One thing measured.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: &'static str,
    measured: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    besides: Vec<(&'static str, f64)>,
}

/// What a measurement must keep to.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Bound {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Ok,
    Over,
}

impl Row {
    /// A measurement without a bound.
    pub(crate) const fn new(what: &'static str, measured: f64, unit: &'static str) -> Self {
        Self { what, measured, unit, bound: None, verdict: None, besides: vec![] }
    }

    /// This measurement, judged.
    pub(crate) fn bound(mut self, bound: Bound) -> Self {
        let kept = match bound {
            Bound::AtMost(most) => self.measured <= most,
            Bound::AtLeast(least) => self.measured >= least,
        };
        self.bound = Some(bound);
        self.verdict = Some(if kept { Verdict::Ok } else { Verdict::Over });
        self
    }

    /// This measurement, with another figure that explains it.
    pub(crate) fn besides(mut self, name: &'static str, value: f64) -> Self {
        self.besides.push((name, value));
        self
    }
}

/// Everything measured, and on what.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    version: &'static str,
    quick: bool,
    cores: usize,
    /// The load average of the last minute, the benchmark's own included.
    load: String,
    rows: Vec<Row>,
}

impl Report {
    /// The report of `rows`.
    pub(crate) fn new(quick: bool, rows: Vec<Row>) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Self { version: env!("CARGO_PKG_VERSION"), quick, cores, load: crate::process::load(), rows }
    }

    /// Whether a bound is broken.
    pub(crate) fn broken(&self) -> bool {
        self.rows.iter().any(|row| row.verdict == Some(Verdict::Over))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quick = if self.quick { ", quick: no more than a smoke test" } else { "" };
        writeln!(f, "keyhaven {}, {} cores, load {}{quick}\n", self.version, self.cores, self.load)?;
        writeln!(f, "{:<42} {:>12}  {:<16} {:<8} besides", "what", "measured", "bound", "verdict")?;
        for row in &self.rows {
            let measured = format!("{} {:<5}", figure(row.measured), row.unit);
            let bound = row.bound.map_or_else(String::new, |bound| format!("{bound} {}", row.unit));
            let verdict = row.verdict.map_or("", Verdict::word);
            let besides: Vec<_> =
                row.besides.iter().map(|(name, value)| format!("{name} {}", figure(*value))).collect();
            writeln!(f, "{:<42} {measured:>14}  {bound:<16} {verdict:<8} {}", row.what, besides.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
        }
    }
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Over => "over",
        }
    }
}

/// Three figures that matter, or all of a whole number.
fn figure(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn as_map<S: Serializer>(pairs: &[(&'static str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}
