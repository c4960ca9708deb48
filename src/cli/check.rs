//! `keyhaven check`: integrity check of a data directory.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Failure, server_args};
use crate::app;
use crate::app::CheckReport;

/// Look whether the data in DIR is whole; name what is damaged or missing.
///
/// Every page of the database is compared with its checksum, every value is opened (with DIR/master.key, or
/// KEYHAVEN_SEAL_KEY), and vaults, objects, versions and what falls due must agree with each other. DIR is not changed, and no
/// server may be using it. Exits 0 when everything is whole, 1 when not.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    /// The data directory, as --data names it
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven check ~/.local/share/keyhaven
  keyhaven check --json ./vault-data";

impl Check {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let key = server_args::seal_key()?;
        // redb panics on some damaged pages. The report names them, so the panic's message is suppressed.
        std::panic::set_hook(Box::new(|_| ()));
        let report = app::check(&self.dir, key).map_err(Failure::failed);
        drop(std::panic::take_hook());
        let report = report?;
        if self.json {
            println!("{}", to_json(&report));
        } else {
            report.findings.iter().for_each(|finding| println!("{finding}"));
        }
        self.exit_code(&report)
    }

    fn exit_code(&self, report: &CheckReport) -> Result<ExitCode, Failure> {
        let (dir, CheckReport { records, vaults, objects, findings, .. }) = (self.dir.display(), report);
        if !findings.is_empty() {
            let what = if findings.len() == 1 { "1 thing is" } else { &format!("{} things are", findings.len()) };
            let line =
                format!("{dir}: {what} damaged or missing; nothing was changed: restore a copy of the directory");
            return Err(Failure::failed(line));
        }
        if !self.json {
            println!("{dir} is whole (vaults: {vaults}, keys and secrets: {objects}, records: {records})");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The report as JSON.
fn to_json(report: &CheckReport) -> serde_json::Value {
    let findings = report.findings.iter();
    let findings: Vec<_> = findings
        .map(|finding| json!({"subject": finding.subject, "why": finding.why, "record": finding.record}))
        .collect();
    json!({
        "whole": findings.is_empty(),
        "databases": report.databases,
        "vaults": report.vaults,
        "objects": report.objects,
        "records": report.records,
        "findings": findings,
    })
}
