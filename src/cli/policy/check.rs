//! `keyhaven policy check`: Azure Policy's built-in rules for Key Vault and Data Factory, held against a file or a running server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::print;
use crate::cli::Failure;
use crate::cli::client::{AdminClient, path_segment};
use crate::cli::columns::{Columns, NONE};
use crate::cli::target::Target;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::compliance::{self, Parameter, Parsed, Report, Resource, Rule, Selected};

/// Hold vaults and data factories against the built-in rules of Azure Policy for Key Vault and Data Factory.
///
/// The file is an ARM template (`bicep build` makes one) or what `terraform show -json PLAN` prints; without one, the vaults of
/// the running server are checked. Of expressions, parameters and variables are followed, and format, concat and resourceId are
/// evaluated. Where a rule needs what is not in the file, or what may hold vaults is not read, that is a finding too: nothing
/// passes that was not seen. Rules without parameters, or whose parameters have
/// defaults, are checked; --policies names others. The exit status is 1 when something was found. No value of a secret is read
/// from a server.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    /// An ARM template or a Terraform plan as JSON; - reads standard input [default: the vaults of the running server]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// The form of the report on stdout; a summary is on stderr
    #[arg(long, value_name = "FORM", default_value = "text")]
    report: ReportFormat,

    /// A file of the template's parameters, as `az deployment` takes it
    #[arg(long, value_name = "FILE", requires = "file")]
    parameters: Option<PathBuf>,

    /// The rules to check and their parameters, as Azure Policy has them: an array of {"policyDefinitionId", "parameters"}, or an
    /// initiative
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,

    /// List the rules that are known, and check nothing
    #[arg(long, conflicts_with_all = ["file", "policies", "parameters"])]
    list: bool,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven policy check main.json        an ARM template
  keyhaven policy check main.json --parameters prod.json
  terraform show -json plan | keyhaven policy check - --report junit
  keyhaven policy check                  the vaults of a running server
  keyhaven policy check --list           the rules";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// A line for each finding
    Text,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, which code hosts show beside a change
    Sarif,
    /// JUnit's XML
    Junit,
}

impl Check {
    pub(super) const fn finds_a_server(&self) -> bool {
        self.file.is_none() && !self.list
    }

    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        if self.list {
            return print(&list(self.report)?).map(|()| ExitCode::SUCCESS);
        }
        let form = self.report;
        let report = match &self.file {
            Some(file) => self.of_file(file)?,
            None => self.of_server().await?,
        };
        print(&match form {
            ReportFormat::Text => report.text(),
            ReportFormat::Json => report.json(),
            ReportFormat::Sarif => report.sarif(),
            ReportFormat::Junit => report.junit(),
        })?;
        for warning in report.warnings() {
            eprintln!("keyhaven: warning: {warning}");
        }
        let (summary, absent) = report.summary();
        for (rule, why) in absent {
            eprintln!("keyhaven: not checked: {rule}: {why}");
        }
        eprintln!("keyhaven: {summary}");
        Ok(if report.findings().next().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn of_file(&self, file: &Path) -> Result<Report, Failure> {
        let now = SystemClock.now();
        let selected = selected(self.policies.as_deref(), now)?;
        let (text, parsed) = parsed(file)?;
        let parameters = self.parameters.as_deref().map(parsed_alone).transpose()?;
        let resources = compliance::resources(&parsed, parameters.as_deref(), now);
        let resources = resources.map_err(|why| wrong(file, &why))?;
        let name = file.display().to_string();
        let named = if file == Path::new("-") { "stdin" } else { &name };
        Ok(Report::new(Some((named, &text)), compliance::check(resources, &selected)))
    }

    async fn of_server(self) -> Result<Report, Failure> {
        let policies = self.policies;
        let client = AdminClient::new(self.target);
        let selected = selected(policies.as_deref(), client.vault_clock().await?)?;
        let resources = resources(&client).await?;
        Ok(Report::new(None, compliance::check(resources, &selected)))
    }
}

fn selected(policies: Option<&Path>, now: Timestamp) -> Result<Vec<Selected>, Failure> {
    let Some(file) = policies else { return Ok(compliance::rules_with_defaults(now)) };
    let policies = parsed_alone(file)?;
    compliance::rules_from_policies(&policies, now).map_err(|why| wrong(file, &why))
}

/// The vaults of a server with what they hold, and its factories.
async fn resources(client: &AdminClient) -> Result<Vec<Resource>, Failure> {
    let vaults = client.json_request(Method::GET, "/admin/vaults", None).await?;
    let mut all = vec![];
    for vault in vaults["vaults"].as_array().into_iter().flatten() {
        all.push(compliance::vault(vault));
        all.extend(objects(client, vault, "keys").await?.iter().map(|key| compliance::key(vault, key)));
        all.extend(objects(client, vault, "secrets").await?.iter().map(|secret| compliance::secret(vault, secret)));
    }
    let factories = client.json_request(Method::GET, "/admin/factories", None).await?;
    for factory in factories["factories"].as_array().into_iter().flatten() {
        let name = path_segment(factory["name"].as_str().unwrap_or_default());
        let shown = client.json_request(Method::GET, &format!("/admin/factories/{name}"), None).await?;
        all.extend(compliance::factory(&shown));
    }
    Ok(all)
}

async fn objects(client: &AdminClient, vault: &Value, collection: &str) -> Result<Vec<Value>, Failure> {
    let vault = path_segment(vault["name"].as_str().unwrap_or_default());
    let (mut all, mut after) = (vec![], String::new());
    loop {
        let path = format!("/admin/vaults/{vault}/{collection}{after}");
        let mut page = client.json_request(Method::GET, &path, None).await?;
        if let Value::Array(items) = page["value"].take() {
            all.extend(items);
        }
        match page["next"].as_str() {
            Some(next) => after = format!("?after={}", path_segment(next)),
            None => return Ok(all),
        }
    }
}

/// The text of a file and its JSON.
fn parsed(file: &Path) -> Result<(Zeroizing<String>, Parsed), Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = match file == Path::new("-") {
        true => std::io::stdin().lock().read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|mut open| open.read_to_string(&mut text)),
    };
    read.map_err(|error| wrong(file, &error.to_string()))?;
    let value = compliance::parse(&text).map_err(|why| wrong(file, &why))?;
    Ok((text, value))
}

fn parsed_alone(file: &Path) -> Result<Parsed, Failure> {
    parsed(file).map(|(_, value)| value)
}

fn wrong(file: &Path, why: &str) -> Failure {
    Failure::usage(format!("{}: {why}", file.display()))
}

/// The rules, in columns or as JSON.
fn list(report: ReportFormat) -> Result<String, Failure> {
    match report {
        ReportFormat::Text => Ok(columns()),
        ReportFormat::Json => {
            let rules: Vec<_> = compliance::all_rules().iter().map(described).collect();
            Ok(format!("{:#}\n", json!({"rules": rules})))
        }
        ReportFormat::Sarif | ReportFormat::Junit => Err(Failure::usage("--list: give --report text or json")),
    }
}

fn columns() -> String {
    let mut columns = Columns::new(&["rule", "policy definition", "Azure's name", "parameters"]);
    for rule in compliance::all_rules() {
        let parameters: Vec<_> = rule.parameters.iter().map(Parameter::to_string).collect();
        let parameters = if parameters.is_empty() { NONE.to_owned() } else { parameters.join(" ") };
        let [id, guid, title] = [rule.id, rule.guid, rule.title].map(str::to_owned);
        columns.row([id, guid, title, parameters]);
    }
    columns.text() + "\n"
}

fn described(rule: &Rule) -> Value {
    let parameter = |parameter: &Parameter| json!({"name": parameter.name, "default": parameter.default(), "required": parameter.default.is_none()});
    json!({
        "rule": rule.id,
        "of": rule.check.kind(),
        "policyDefinitionId": rule.definition_id(),
        "version": rule.version,
        "title": rule.title,
        "effects": rule.effects,
        "parameters": rule.parameters.iter().map(parameter).collect::<Vec<_>>(),
    })
}
