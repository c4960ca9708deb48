//! `keyhaven init`: an example of a configuration, and its JSON schema.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::target::Target;
use crate::config::schema::{EXAMPLE, SCHEMA, SCHEMA_FILE};
use crate::files;

/// Write an example of a configuration, with the schema beside it that editors complete it by.
///
/// Nothing is overwritten. Change the example, then: keyhaven serve --config FILE; where a server runs: keyhaven apply FILE
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keyhaven init\n  keyhaven init conf/keyhaven.json\n  keyhaven init --schema > keyhaven.schema.json"
)]
pub(super) struct Init {
    /// The file to write
    #[arg(value_name = "FILE", default_value = "keyhaven.jsonc")]
    file: PathBuf,

    /// Print the JSON schema of configurations instead
    #[arg(long, conflicts_with = "file")]
    schema: bool,
}

impl Init {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        if self.schema {
            print(SCHEMA);
            return Ok(ExitCode::SUCCESS);
        }
        let file = self.file.display();
        if self.file.is_dir() {
            return Err(Failure::failed(format!("{file} is a directory; give the file to write in it")));
        }
        let schema = files::parent_of(&self.file).join(SCHEMA_FILE);
        if !write_new(&self.file, EXAMPLE)? {
            return Err(Failure::failed(format!("{file} is there already and was left as it is; give another FILE")));
        }
        let beside = match write_new(&schema, SCHEMA)? {
            true => format!("wrote {}", schema.display()),
            false => left(&schema),
        };
        let next = match Target::of_environment().is_live() {
            true => format!("keyhaven apply {file} --dry-run"),
            false => format!("keyhaven serve --config {file}"),
        };
        print(&format!("wrote {file}\n{beside}\nnext: {next}\n"));
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a new file; false when there is one already.
fn write_new(path: &Path, text: &str) -> Result<bool, Failure> {
    match files::write_new(path, text.as_bytes(), files::PRIVATE) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failure::failed(format!("{}: {error}", path.display()))),
    }
}

/// The line about a schema that was there before.
fn left(schema: &Path) -> String {
    let file = schema.display();
    match std::fs::read(schema) {
        Ok(kept) if kept == SCHEMA.as_bytes() => format!("{file} is there already"),
        _ => format!("left {file}, which is another version's: keyhaven init --schema > {file}"),
    }
}

fn print(text: &str) {
    // A closed stdout is no failure: the files are written.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
