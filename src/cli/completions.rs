//! `keyhaven completions`: the completion script of a shell, made from the options themselves.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure};

/// Print what a shell needs to complete commands and options.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven completions bash > ~/.local/share/bash-completion/completions/keyhaven
  keyhaven completions zsh > ~/.zfunc/_keyhaven           with ~/.zfunc in fpath, before compinit
  keyhaven completions fish > ~/.config/fish/completions/keyhaven.fish";

impl Completions {
    pub(super) fn execute(&self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "keyhaven", &mut script);
        std::io::stdout().write_all(&script).map_err(Failure::failed)?;
        Ok(ExitCode::SUCCESS)
    }
}
