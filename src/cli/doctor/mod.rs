//! `keyhaven doctor`: looks for what keeps programs from the server, and says what to do. It changes nothing.

mod clock;
mod finding;
mod identity;
mod java;
mod names;
mod ports;
mod proxy;
mod runtimes;
mod trust;
mod variables;

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::address::IDENTITY_PORT;
use super::client::{self, AdminClient};
use super::columns::Columns;
use super::stale::START_OR_UNSET;
use super::{Failure, ready_file, variables as environment};
use crate::app::{ReadyFile, Variables};

use finding::{Finding, Verdict};

/// What makes variables harmless that lead nowhere.
const UNSET: &str = "eval \"$(keyhaven env --unset)\"";
/// What gives a shell the variables of the server that runs.
const ENV: &str = "eval \"$(keyhaven env)\"";

/// Look for what keeps programs from the server: variables, identity, names, ports, trust, proxy, clock, Java, Node.
///
/// Each finding is ok, a note, or wrong, with what to do. Nothing is changed. The exit status is 1 when something is wrong. Run it in
/// the shell that the program runs in: it reads that shell's variables.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Doctor {
    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven doctor
  keyhaven doctor --json
  keyhaven doctor --data ./vault-data";

/// How long a server at the default address may take to answer.
const HEALTH_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

/// What the checks look at.
struct DoctorContext {
    /// The ready file of a server that runs.
    server: Option<ReadyFile>,
    /// What its admin API says of it, if it answers.
    status: Value,
    /// Whether a server answers at the default address that was not found by its data.
    is_elsewhere: bool,
    /// The variables of this shell.
    own: Variables,
}

impl Doctor {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let (server, finding) = self.server();
        let elsewhere = if server.is_none() { answers_elsewhere().await } else { None };
        let status = match &server {
            Some(_) => self.client.json_request(Method::GET, "/admin/status", None).await.unwrap_or_default(),
            None => Value::Null,
        };
        let context = DoctorContext { server, status, is_elsewhere: elsewhere.is_some(), own: environment::all() };
        let mut findings = vec![elsewhere.unwrap_or(finding)];
        findings.extend(refused_configuration(&context.status));
        findings.extend(variables::quoted(&context));
        findings.extend(variables::check(&context).await);
        findings.extend(identity::check(&context, &self.client).await);
        findings.extend(names::check(&context).await);
        findings.extend(ports::check(&context));
        findings.extend(trust::check(&context, &self.client).await?);
        findings.extend(proxy::check(&context).await);
        findings.extend(clock::check(&context, &self.client).await);
        findings.extend(runtimes::check(&context, &self.client).await);
        self.print(&findings);
        let is_wrong = findings.iter().any(|finding| finding.verdict == Verdict::Wrong);
        Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// The server that is selected or found, if it runs.
    fn server(&self) -> (Option<ReadyFile>, Finding) {
        let area = "server";
        match self.client.ready() {
            Ok(Some(ready)) if ready_file::is_live(&ready) => {
                let what = format!("process {} answers at {}", ready.pid, ready.listen);
                (Some(ready), Finding::ok(area, what))
            }
            Ok(Some(ready)) => {
                let what = format!("process {} has left its ready file, and does not answer", ready.pid);
                (None, Finding::wrong(area, what, START_OR_UNSET))
            }
            Ok(None) => (None, Finding::note(area, "none runs", "keyhaven serve, or keyhaven run -- COMMAND")),
            Err(error) => (None, Finding::wrong(area, error.message, "keyhaven serve, or name --data")),
        }
    }

    fn print(&self, findings: &[Finding]) {
        let mut columns = Columns::without_headings();
        for finding in findings {
            columns.row([finding.area.to_owned(), finding.verdict.word().to_owned(), finding.what.clone()]);
            if let Some(remedy) = &finding.remedy {
                columns.row([String::new(), String::new(), format!("-> {remedy}")]);
            }
        }
        let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
        let sum = match wrong {
            0 => "nothing is wrong".to_owned(),
            1 => "1 thing is wrong".to_owned(),
            wrong => format!("{wrong} things are wrong"),
        };
        self.client.print(&json!({"wrong": wrong, "findings": findings}), &format!("{}\n\n{sum}", columns.text()));
    }
}

impl DoctorContext {
    /// The value of a variable; an empty one counts as unset.
    fn variable(&self, name: &str) -> Option<&str> {
        self.own.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the server makes these (`vaults`, `identities`) when they are asked for.
    fn makes(&self, what: &str) -> bool {
        self.status["onDemand"][what] == true
    }

    /// Whether the file is one of those by which programs trust the server that runs. `keyhaven env` has it written again.
    fn is_of_server(&self, file: &str) -> bool {
        let bundle = self.server.as_ref().and_then(|ready| ready.env.get("SSL_CERT_FILE"));
        let dir = bundle.and_then(|bundle| Path::new(bundle).parent());
        dir.is_some() && dir == Path::new(file).parent()
    }

    /// Whether this shell was given the variables of a server.
    fn has_variables(&self) -> bool {
        self.variable("KEYHAVEN_READY_FILE").is_some()
    }
}

/// The file that the server follows, when it is refused as it is now.
fn refused_configuration(status: &Value) -> Option<Finding> {
    let (file, why) = (status["following"]["file"].as_str()?, status["following"]["refused"].as_str()?);
    let what = format!("{file} is refused as it is now, and the former one stays: {why}");
    Some(Finding::wrong("config", what, "mend the file; the server follows it"))
}

/// A server at the default address whose data this user cannot read, such as another container's of the same pod.
async fn answers_elsewhere() -> Option<Finding> {
    let address = format!("127.0.0.1:{IDENTITY_PORT}");
    let request = Request::get("/health").body(Full::default()).ok()?;
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, client::send(&address, request)).await.ok()?.ok()?;
    let is_ours = answer.0 == StatusCode::OK && is_health(&answer.1);
    let what = format!("a server answers at {address}; its data cannot be read from here");
    is_ours.then(|| Finding::note("server", what, "name it by --data or --ready-file, where that can be read"))
}

/// Whether a server of this program answers so at `/health`. Other programs answer there too, Spring with `{"status":"UP"}`.
fn is_health(body: &[u8]) -> bool {
    body == b"ok\n" || serde_json::from_slice::<Value>(body).is_ok_and(|one| one.get("degraded").is_some())
}

/// Whether nothing may be sent to `address`: link-local addresses belong to the machine's surroundings, the metadata service among
/// them.
const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.is_link_local(),
            None => address.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_health_of_another_program_is_not_taken_for_a_servers() {
        assert!(["ok\n", r#"{"degraded":"the disk is full"}"#].iter().all(|body| is_health(body.as_bytes())));
        assert!(![r#"{"status":"UP"}"#, "{}", "ok", "okay\n", "[]", ""].iter().any(|body| is_health(body.as_bytes())));
    }

    #[test]
    fn link_local_addresses_are_known_in_every_form() {
        let known = |text: &str| is_link_local(text.parse().unwrap());
        assert!(["169.254.169.254", "fe80::1", "::ffff:169.254.1.1"].into_iter().all(known));
        assert!(!["127.0.0.1", "::1", "10.0.0.1", "168.63.129.16"].into_iter().any(known));
    }
}
