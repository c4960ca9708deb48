//! `keyhaven man`: manual pages, made from the text of `--help`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Arg, Args, Command, CommandFactory};
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
        let page = render(command).map_err(Failure::failed)?;
        std::io::stdout().write_all(page.as_bytes()).map_err(Failure::failed)?;
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

/// The page: clap's sections, but for the synopsis, which shows the options' values, and the examples, which are not filled.
fn render(command: &Command) -> std::io::Result<String> {
    let man = Man::new(command.clone()).source(concat!("keyhaven ", env!("CARGO_PKG_VERSION"))).manual("Keyhaven");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(page, ".SH SYNOPSIS\n{}", synopsis(command))?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(examples) = help.strip_prefix("Examples:\n") {
        writeln!(page, ".SH EXAMPLES\n.nf\n{}\n.fi", escaped(examples))?;
    }
    let text = String::from_utf8_lossy(&page);
    // Each section begins with the same definition.
    let (first, rest) = text.split_once(".TH ").unwrap_or(("", &text));
    Ok(format!("{first}.TH {}", rest.replace(first, "")))
}

/// The command, its options with their values, and its arguments.
fn synopsis(command: &Command) -> String {
    let (positional, options): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(|arg| !arg.is_hide_set()).partition(|arg| arg.is_positional());
    let sub_command = command.has_subcommands().then(|| "\\fICOMMAND\\fR".to_owned());
    let name = escaped(command.get_bin_name().unwrap_or_else(|| command.get_name()));
    let parts = options.into_iter().map(option).chain(positional.into_iter().map(argument)).chain(sub_command);
    format!("\\fB{name}\\fR {}", parts.collect::<Vec<_>>().join(" "))
}

fn option(arg: &Arg) -> String {
    let long = format!("\\fB\\-\\-{}\\fR", escaped(arg.get_long().unwrap_or_default()));
    let value = value_name(arg);
    match arg.get_num_args() {
        Some(number) if number.min_values() == 0 && number.takes_values() => format!("[{long}[={value}]]"),
        Some(number) if number.takes_values() => format!("[{long} {value}]"),
        _ => format!("[{long}]"),
    }
}

fn argument(arg: &Arg) -> String {
    let more = if arg.get_num_args().is_some_and(|number| number.max_values() > 1) { " ..." } else { "" };
    let value = value_name(arg) + more;
    if arg.is_required_set() { value } else { format!("[{value}]") }
}

fn value_name(arg: &Arg) -> String {
    let name = arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
    format!("\\fI{}\\fR", escaped(name))
}

/// `text` without what roff would take for its own.
fn escaped(text: &str) -> String {
    let plain = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    plain
        .lines()
        .map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}
