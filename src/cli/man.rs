//! `keyhaven man`: manual pages, made from the text of `--help`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, Failure};

/// Print the manual page of keyhaven, or of one of its commands.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManPage {
    /// The command, such as run, or vault copy [default: keyhaven itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven man run > keyhaven-run.1          read it with: man ./keyhaven-run.1
  keyhaven man vault copy";

impl ManPage {
    pub(super) fn execute(&self) -> Result<ExitCode, Failure> {
        let mut all = Cli::command();
        all.build();
        let command = self.command.iter().try_fold(&all, |command, name| find(command, name))?;
        let mut page = Vec::new();
        Man::new(command.clone()).render(&mut page).map_err(Failure::failed)?;
        std::io::stdout().write_all(&page).map_err(Failure::failed)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The sub-command of this name.
fn find<'c>(command: &'c Command, name: &str) -> Result<&'c Command, Failure> {
    command.find_subcommand(name).ok_or_else(|| {
        let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        let hint = if names.is_empty() { "it has none".to_owned() } else { format!("use {}", names.join(", ")) };
        Failure::usage(format!("{} has no command '{name}': {hint}", command.get_name()))
    })
}
