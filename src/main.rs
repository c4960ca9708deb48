//! The `keyhaven` command: the only place that exits.

use std::process::ExitCode;

use keyhaven::Cli;

fn main() -> ExitCode {
    Cli::from_command_line().execute().unwrap_or_else(|failure| failure.report())
}
