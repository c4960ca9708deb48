//! `keyhaven policy suggest`: the least that grants what was used, from an audit.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::Value;

use super::print;
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
                usage.miss(all.saturating_sub(records.len() as u64));
            }
        }
        explain(&usage);
        print(&needed(&usage)?.text(format)).map(|()| ExitCode::SUCCESS)
    }
}

/// The least that grants what was used; it fails where that is not known, or nothing.
fn needed(usage: &Usage) -> Result<Grants, Failure> {
    if let Some(line) = usage.beyond_most_line() {
        return Err(Failure::failed(format!("{line}; give the audit in parts, such as the records of one vault")));
    }
    let grants = Grants::of(usage, &data_plane_operations());
    match grants.is_empty() {
        true => Err(Failure::failed("no request to a vault was permitted, so nothing is needed")),
        false => Ok(grants),
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
    let missed = usage.missed();
    if missed > 0 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::tests::one_use_too_many;

    #[test]
    fn nothing_is_needed_for_certain_where_there_are_more_uses_than_are_held() {
        let Err(Failure { status, message }) = needed(&one_use_too_many()) else { panic!("it is incomplete") };
        assert!(
            status == 1 && message.starts_with("more than 50000 different uses: 1 request beyond them"),
            "{message}"
        );
    }
}
