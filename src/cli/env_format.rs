//! How `keyhaven env` prints variables: for shells, for files, for programs.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::environment::Changes;

/// A shell keeps what it had before. A file for programs does not hold it: that is none of theirs, and may be a credential.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// export NAME='VALUE' for POSIX shells
    Sh,
    /// set -gx NAME 'VALUE' for fish
    Fish,
    /// $env:NAME = 'VALUE' for PowerShell
    Powershell,
    /// NAME="VALUE" for .env files
    Dotenv,
    /// One JSON object
    Json,
}

impl Format {
    /// The command that fails; none in a file.
    pub(super) const fn failing(self) -> &'static str {
        match self {
            Self::Sh | Self::Fish => "false\n",
            Self::Powershell => "throw 'keyhaven env failed'\n",
            Self::Dotenv | Self::Json => "",
        }
    }

    /// The lines that make `changes`, or the one object.
    pub(super) fn print(self, changes: &Changes) -> String {
        let all: BTreeMap<&str, Option<&str>> = changes
            .remove
            .iter()
            .map(|name| (name.as_str(), None))
            .chain(changes.set.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))))
            .collect();
        if matches!(self, Self::Json) {
            return serde_json::to_string_pretty(&all).unwrap_or_default() + "\n";
        }
        all.into_iter().map(|(name, value)| self.line(name, value) + "\n").collect()
    }

    /// The line that sets the variable, or unsets it; a .env file cannot unset one, and says so.
    fn line(self, name: &str, value: Option<&str>) -> String {
        match (self, value) {
            (Self::Sh, Some(value)) => format!("export {name}='{}'", value.replace('\'', r"'\''")),
            (Self::Sh, None) => format!("unset {name}"),
            (Self::Fish, Some(value)) => format!("set -gx {name} '{}'", escaped(value, &['\\', '\''])),
            (Self::Fish, None) => format!("set -e {name}"),
            (Self::Powershell, Some(value)) => format!("$env:{name} = '{}'", doubled(value)),
            (Self::Powershell, None) => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue"),
            (Self::Dotenv | Self::Json, Some(value)) => format!("{name}={}", dotenv(value)),
            (Self::Dotenv | Self::Json, None) => format!("# unset {name}"),
        }
    }
}

/// Quotes a value for .env files: readers expand variables in double quotes, and nothing in single quotes.
fn dotenv(value: &str) -> String {
    match value.contains(['$', '`']) && !value.contains(['\'', '\\']) {
        true => format!("'{value}'"),
        false => format!("\"{}\"", escaped(value, &['\\', '"', '$', '`'])),
    }
}

/// `value` with a backslash before each of `special`.
fn escaped(value: &str, special: &[char]) -> String {
    value.chars().fold(String::new(), |mut text, c| {
        if special.contains(&c) {
            text.push('\\');
        }
        text.push(c);
        text
    })
}

/// Doubles single quotes for PowerShell, which treats typographic ones alike.
fn doubled(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, c| {
        text.push(c);
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            text.push(c);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Variables;

    #[test]
    fn values_are_quoted_for_their_reader() {
        let printed = |format: Format, value: &str| {
            format.print(&Changes { set: Variables::from([("A".to_owned(), value.to_owned())]), ..Changes::default() })
        };
        assert_eq!(printed(Format::Sh, "it's \"x\""), "export A='it'\\''s \"x\"'\n");
        assert_eq!(printed(Format::Fish, r"it's \a $b"), "set -gx A 'it\\'s \\\\a $b'\n");
        assert_eq!(printed(Format::Powershell, "it's \u{2019}$x`"), "$env:A = 'it''s \u{2019}\u{2019}$x`'\n");
        assert_eq!(printed(Format::Dotenv, "it's \"x\""), "A=\"it's \\\"x\\\"\"\n");
        assert_eq!(printed(Format::Dotenv, "a $b"), "A='a $b'\n");
        assert_eq!(printed(Format::Dotenv, "it's $b"), "A=\"it's \\$b\"\n");
        assert_eq!(printed(Format::Json, "it's \"x\""), "{\n  \"A\": \"it's \\\"x\\\"\"\n}\n");
    }

    #[test]
    fn every_format_can_unset() {
        let changes = Changes { remove: vec!["A".to_owned()], ..Changes::default() };
        for (format, expected) in [
            (Format::Sh, "unset A\n"),
            (Format::Fish, "set -e A\n"),
            (Format::Powershell, "Remove-Item Env:A -ErrorAction SilentlyContinue\n"),
            (Format::Dotenv, "# unset A\n"),
            (Format::Json, "{\n  \"A\": null\n}\n"),
        ] {
            assert_eq!(format.print(&changes), expected);
        }
    }
}
