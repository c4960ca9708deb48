//! The `keyhaven` command: the only place that exits.

use std::process::ExitCode;

use clap::Parser;
use keyhaven::Cli;

fn main() -> ExitCode {
    Cli::parse().execute().unwrap_or_else(|failure| failure.report())
}
