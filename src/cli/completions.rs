//! `keyhaven completions`: the completion script of a shell, made from the options themselves.

use std::io::Write;
use std::process::ExitCode;

use clap::{Arg, Args, Command, CommandFactory, ValueHint};
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
  source <(keyhaven completions bash)      in this shell, or in ~/.bashrc
With the package bash-completion:
  dir=~/.local/share/bash-completion/completions; mkdir -p $dir
  keyhaven completions bash > $dir/keyhaven
zsh, with ~/.zfunc in fpath, before compinit:
  mkdir -p ~/.zfunc
  keyhaven completions zsh > ~/.zfunc/_keyhaven
fish:
  mkdir -p ~/.config/fish/completions
  keyhaven completions fish > ~/.config/fish/completions/keyhaven.fish";

impl Completions {
    pub(super) fn execute(&self) -> Result<ExitCode, Failure> {
        let (mut all, mut script) = (Cli::command(), Vec::new());
        // The options of a sub-command are there once it is built.
        all.build();
        clap_complete::generate(self.shell, &mut hinted(all), "keyhaven", &mut script);
        std::io::stdout().write_all(&script).map_err(Failure::failed)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// `command`, whose options say by the name of their value what completes them.
fn hinted(command: Command) -> Command {
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command.mut_args(with_hint), |command, name| command.mut_subcommand(name, hinted))
}

fn with_hint(arg: Arg) -> Arg {
    let hint = match arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
        Some("FILE") => ValueHint::FilePath,
        Some("DIR") => ValueHint::DirPath,
        _ if arg.is_trailing_var_arg_set() => ValueHint::CommandWithArguments,
        _ => return arg,
    };
    arg.value_hint(hint)
}
