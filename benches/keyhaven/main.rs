//! Measures a Keyhaven server from outside, against the bounds it promises. `scripts/bench` builds and runs it.
//!
//! Absolute figures belong to a machine and a moment. Where a bound is a ratio, both sides are therefore measured in
//! the same run, in turns, and the median of the turns counts.

mod authority;
mod bare;
mod client;
mod copies;
mod get;
mod latency;
mod many;
mod process;
mod rates;
mod report;
mod server;
mod start;
mod statistics;
mod subject;
mod tls;
mod unwrap;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use report::{Report, Row};
use subject::Subject;

/// What is done, or why it could not be.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measure a Keyhaven server against its bounds
#[derive(Debug, Parser)]
#[command(name = "scripts/bench", max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The server's binary
    #[arg(long, value_name = "FILE", default_value = "target/dist/keyhaven", hide = true)]
    server: PathBuf,

    /// A smoke test: few and short rounds, figures that say little
    #[arg(long)]
    quick: bool,

    /// Exit 1 when a bound is broken
    #[arg(long)]
    check: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Measure these alone
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<Part>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Start,
    Memory,
    Get,
    Authority,
    Unwrap,
    Rates,
    Latency,
    Many,
    Copies,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one recorded answer with hyper and rustls alone: what a request costs at the least
    #[command(hide = true)]
    BareServer {
        /// The head and body of the answer
        answer: PathBuf,
        /// Where to write the certificate authority that clients shall trust
        ca: PathBuf,
    },
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Starts of each sort.
    starts: usize,
    /// Servers whose memory is read.
    servers: usize,
    /// Rounds of a comparison.
    rounds: usize,
    /// Requests in a round that is counted.
    requests: usize,
    /// Secrets in a long list.
    many: usize,
    /// Length of a round that is timed.
    round: Duration,
}

impl Effort {
    const FULL: Self =
        Self { starts: 20, servers: 9, rounds: 7, requests: 20_000, many: 10_000, round: Duration::from_millis(2500) };
    const QUICK: Self =
        Self { starts: 5, servers: 1, rounds: 3, requests: 4_000, many: 500, round: Duration::from_millis(500) };
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.execute() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    fn execute(self) -> Outcome<ExitCode> {
        if let Some(Command::BareServer { answer, ca }) = self.command {
            bare::serve(&answer, &ca)?;
            return Ok(ExitCode::SUCCESS);
        }
        // One thread: the clients share the cores with what they measure.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = Report::new(self.quick, runtime.block_on(self.measure())?);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{report}");
        }
        Ok(if self.check && report.broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn measure(&self) -> Outcome<Vec<Row>> {
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        let mut rows = Vec::new();
        if self.wants(Part::Start) {
            rows.extend(start::rows(&self.server, effort)?);
        }
        if self.wants(Part::Memory) {
            rows.extend(start::memory(&self.server, effort)?);
        }
        if self.wants(Part::Many) {
            rows.extend(many::rows(&self.server, effort).await?);
        }
        if self.wants(Part::Copies) {
            rows.extend(copies::rows(&self.server).await?);
        }
        if ![Part::Get, Part::Authority, Part::Unwrap, Part::Rates, Part::Latency]
            .into_iter()
            .any(|part| self.wants(part))
        {
            return Ok(rows);
        }
        let subject = Subject::start(&self.server).await?;
        if self.wants(Part::Get) {
            rows.extend(get::rows(&self.server, &subject, effort).await?);
        }
        if self.wants(Part::Authority) {
            rows.extend(authority::rows(&self.server, effort).await?);
        }
        if self.wants(Part::Unwrap) {
            rows.push(unwrap::row(&subject, effort).await?);
        }
        if self.wants(Part::Rates) {
            rows.extend(rates::rows(&subject, effort).await?);
        }
        if self.wants(Part::Latency) {
            rows.extend(latency::rows(&subject, effort).await?);
        }
        Ok(rows)
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
