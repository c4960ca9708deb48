//! Options of `run` in the wrong place: after the command they are the command's own, and nothing else would say so.

use std::ffi::OsString;

use clap::Args;

use super::Run;

/// The command line of this process, and the command in it.
pub(super) struct CommandLine<'c> {
    /// All words.
    words: Vec<OsString>,
    /// The command and its arguments, which are the last words.
    command: &'c [OsString],
}

impl<'c> CommandLine<'c> {
    /// That of this process.
    pub(super) fn of(command: &'c [OsString]) -> Self {
        Self { words: std::env::args_os().collect(), command }
    }

    /// Prints a line when an option of `run` is among the command's arguments. With `--` before the command it is wanted there.
    pub(super) fn warn(&self) {
        if let Some(option) = self.misplaced().filter(|_| tracing::enabled!(tracing::Level::WARN)) {
            let command = self.command[0].to_string_lossy();
            eprintln!("keyhaven: --{option} is after {command}, so it is {command}'s; options of run are before it");
        }
    }

    /// What to say besides when there is no such command.
    pub(super) fn hint(&self) -> &'static str {
        match self.word_before() {
            Some("--create-vaults") => "; --create-vaults takes no names, any vault that is asked for is made",
            _ => "",
        }
    }

    fn word_before(&self) -> Option<&str> {
        self.words.iter().rev().nth(self.command.len())?.to_str()
    }

    fn misplaced(&self) -> Option<&str> {
        let words = self.command.iter().skip(1).filter_map(|word| word.to_str()).take_while(|word| *word != "--");
        let options: Vec<_> = words.filter_map(|word| word.strip_prefix("--")?.split('=').next()).collect();
        if options.is_empty() || self.word_before() == Some("--") {
            return None;
        }
        let run = Run::augment_args(clap::Command::new("run"));
        let own: Vec<_> = run.get_arguments().filter_map(clap::Arg::get_long).collect();
        options.into_iter().find(|name| own.contains(name))
    }
}
