//! `keyhaven policy suggest`: the least that grants what was used, from an audit.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::Value;

use crate::app::data_plane_operations;
use crate::cli::Failure;
use crate::cli::client::AdminClient;
use crate::cli::target::Target;
use crate::usage::{Format, Grants, Usage, refused_line};

/// Print the least access policies or roles that grant what was used.
///
/// A request counts when it was permitted, also where it then found nothing. What was refused is named on stderr. Roles are
/// the set of built-in ones that grants the fewest data actions, at the object where an action was used on one alone, else at
/// the vault. az, bicep and terraform give roles for vaults in which roles decided, and access policies for the others.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Suggest {
    /// A file that `--audit` has written, or a vault's AuditEvent logs as JSON lines; - reads standard input [default: the last
    /// 1,000 requests of the running server]
    #[arg(value_name = "AUDIT-FILE")]
    file: Option<PathBuf>,

    /// The form of what is printed: policy, roles and custom-role are parts of a configuration, for Keyhaven too
    #[arg(long, value_name = "FORMAT", default_value = "policy")]
    format: FormatChoice,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven policy suggest          from a running server's last requests
  keyhaven policy suggest audit.jsonl --format az      for the real vault
  keyhaven policy suggest audit.jsonl --format bicep
  keyhaven run --suggest-policy needed.json -- pytest
  keyhaven run --require-policy needed.json -- pytest";

/// The forms of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatChoice {
    /// Access policies
    Policy,
    /// Assignments of built-in roles
    Roles,
    /// A role of its own for each identity and vault
    CustomRole,
    /// Commands of the Azure CLI
    Az,
    /// Bicep
    Bicep,
    /// Terraform (azurerm)
    Terraform,
}

impl From<FormatChoice> for Format {
    fn from(choice: FormatChoice) -> Self {
        match choice {
            FormatChoice::Policy => Self::Policy,
            FormatChoice::Roles => Self::Roles,
            FormatChoice::CustomRole => Self::CustomRole,
            FormatChoice::Az => Self::Az,
            FormatChoice::Bicep => Self::Bicep,
            FormatChoice::Terraform => Self::Terraform,
        }
    }
}

impl Suggest {
    pub(super) const fn finds_a_server(&self) -> bool {
        self.file.is_none()
    }

    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let (format, operations) = (self.format.into(), data_plane_operations());
        let mut usage = Usage::default();
        match self.file {
            Some(file) => read(&file, |record| usage.add_record(record, &operations))?,
            None => {
                let client = AdminClient::new(self.target);
                let answer = client.json_request(Method::GET, "/admin/audit?limit=1000", None).await?;
                let records = answer["records"].as_array().map(Vec::as_slice).unwrap_or_default();
                records.iter().for_each(|record| usage.add_record(record, &operations));
                let all = answer["last"].as_u64().unwrap_or_default();
                usage.missed += all.saturating_sub(records.len() as u64);
            }
        }
        let grants = Grants::of(&usage, &operations);
        explain(&usage);
        if grants.is_empty() {
            return Err(Failure::failed("no request to a vault was permitted, so nothing is needed"));
        }
        let mut stdout = std::io::stdout().lock();
        // A closed stdout is no failure.
        let _ = stdout.write_all(grants.text(format).as_bytes()).and_then(|()| stdout.flush());
        Ok(ExitCode::SUCCESS)
    }
}

/// Says on stderr what was refused, what was left out and what was not looked at.
pub(crate) fn explain(usage: &Usage) {
    let operations = data_plane_operations();
    for refused in usage.refused() {
        eprintln!("keyhaven: {}", refused_line(usage, refused, &operations));
    }
    if let Some(line) = usage.left_out_line() {
        eprintln!("keyhaven: {line}");
    }
    if usage.missed > 0 {
        let missed = usage.missed;
        eprintln!(
            "keyhaven: {missed} earlier requests were not looked at; with serve --audit FILE, policy suggest FILE has all"
        );
    }
}

fn read(path: &Path, mut add: impl FnMut(&Value)) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", path.display()));
    let input: Box<dyn BufRead> = match path == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(BufReader::new(std::fs::File::open(path).map_err(|error| failed(&error))?)),
    };
    for (number, line) in input.lines().enumerate() {
        let line = line.map_err(|error| failed(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        let record: Value = serde_json::from_str(&line).map_err(|_| {
            let what = "is no JSON object; give a file of --audit, a record on each line";
            failed(&format!("line {} {what}", number + 1))
        })?;
        match record["records"].as_array() {
            Some(records) => records.iter().for_each(&mut add),
            None => add(&record),
        }
    }
    Ok(())
}
