//! `keyhaven policy`: what identities need, and what policies ask for.

mod check;
mod suggest;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

pub(crate) use suggest::explain;

/// Say what access identities really need, and what policies find.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PolicyCommand {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven policy suggest             the least that the last requests needed
  keyhaven policy suggest audit.jsonl --format az      for the real vault
  keyhaven policy check main.json     a template, by Azure Policy's rules
  keyhaven policy check               the vaults of a running server";

#[derive(Debug, Subcommand)]
enum Action {
    #[command(about = "Print the least access policies or roles that grant what was used")]
    Suggest(suggest::Suggest),
    #[command(about = "Hold vaults, factories, a template or a plan against Azure Policy's built-in rules")]
    Check(check::Check),
}

impl PolicyCommand {
    /// Whether it looks for a running server, and reads no file instead.
    pub(super) const fn finds_a_server(&self) -> bool {
        match &self.action {
            Action::Suggest(suggest) => suggest.finds_a_server(),
            Action::Check(check) => check.finds_a_server(),
        }
    }

    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Suggest(suggest) => suggest.execute().await,
            Action::Check(check) => check.execute().await,
        }
    }
}

/// Prints what a command is for. An incomplete text is a failure: its reader would take it for a whole one.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::failed(format!("the report could not be written: {error}")))
}
