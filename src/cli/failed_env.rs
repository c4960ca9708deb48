//! What a `keyhaven env` that fails prints on stdout: a command that fails. Without one, `eval "$(keyhaven env)"` evaluates
//! nothing, which succeeds, and a script goes on with the real Azure.

use std::ffi::OsString;
use std::io::IsTerminal;

use clap::ValueEnum;

use super::env_format::Format;

/// Prints the command, unless a person reads.
pub(super) fn print(format: Format) {
    if !std::io::stdout().is_terminal() {
        print!("{}", format.failing());
    }
}

/// The format that the command line of `env` names; none when it is of another command. The line may be wrong.
pub(super) fn format_of(line: impl Iterator<Item = OsString>) -> Option<Format> {
    let words: Vec<_> = line.skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (command, options) = words.split_first()?;
    let after = options.iter().position(|word| word == "--format").and_then(|at| options.get(at + 1));
    let joined = options.iter().find_map(|word| word.strip_prefix("--format="));
    let named = joined.or(after.map(String::as_str)).and_then(|name| Format::from_str(name, false).ok());
    (command == "env").then(|| named.unwrap_or(Format::Sh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_found_in_a_line_that_is_wrong() {
        let failing = |line: &str| format_of(line.split(' ').map(OsString::from)).map(Format::failing);
        assert_eq!(failing("keyhaven env --nonsense"), Some("false\n"));
        assert_eq!(failing("keyhaven env --format fish --nonsense"), Some("false\n"));
        assert_eq!(failing("keyhaven env --vault=a/b --format=powershell"), Some("throw 'keyhaven env failed'\n"));
        assert_eq!(failing("keyhaven env --nonsense --format json"), Some(""));
        assert_eq!(failing("keyhaven env --format"), Some("false\n"));
        assert_eq!(failing("keyhaven run env"), None);
        assert_eq!(failing("keyhaven"), None);
    }
}
