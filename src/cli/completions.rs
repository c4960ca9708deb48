//! `keyhaven completions`: the completion script of a shell, made from the options themselves.

use std::io::Write;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
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

/// What the takeover's option takes; its own parser says more about what it does not take.
const CLOUD_SERVICES: [&str; 3] = ["vault", "entra", "arm"];
/// Where clap's script for bash has read its arguments.
const READ: &str = "    opts=\"\"\n";
/// What it does not heed: readline divides `--option=value` into three words, and after `--` comes another program's line.
const DIVIDED: &str = r#"
    if [[ "${prev}" == "=" ]]; then
        prev="${COMP_WORDS[COMP_CWORD-2]}"
    elif [[ "${cur}" == "=" ]]; then
        cur=""
    fi
    if [[ " ${COMP_WORDS[*]:1:COMP_CWORD-1} " == *" -- "* ]]; then
        if [[ "${prev}" == "--" ]]; then
            COMPREPLY=( $(compgen -c -- "${cur}") )
        fi
        return 0
    fi
"#;

impl Completions {
    pub(super) fn execute(&self) -> Result<ExitCode, Failure> {
        let (mut all, mut script) = (Cli::command(), Vec::new());
        // The options of a sub-command are there once it is built.
        all.build();
        clap_complete::generate(self.shell, &mut hinted(with_pages(all)), "keyhaven", &mut script);
        if self.shell == Shell::Bash {
            let text = String::from_utf8_lossy(&script).replacen(READ, &format!("{READ}{DIVIDED}"), 1);
            script = text.into_bytes();
        }
        std::io::stdout().write_all(&script).map_err(Failure::failed)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// `all`, whose manual pages are called like its commands. Clap wants their names for ever; the process ends here.
fn with_pages(all: Command) -> Command {
    let names: Vec<&'static str> =
        all.get_subcommands().map(|command| &*command.get_name().to_owned().leak()).collect();
    all.mut_subcommand("man", |man| man.mut_arg("command", |arg| arg.value_parser(PossibleValuesParser::new(names))))
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
        _ if arg.get_id() == "takeover" => return arg.value_parser(PossibleValuesParser::new(CLOUD_SERVICES)),
        _ if arg.is_positional() || !arg.get_action().takes_values() || has_values(&arg) => return arg,
        _ => ValueHint::Other,
    };
    arg.value_hint(hint)
}

/// Whether the values of the argument are known.
fn has_values(arg: &Arg) -> bool {
    !arg.get_possible_values().is_empty()
}
