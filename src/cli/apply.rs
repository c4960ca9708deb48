//! `keyhaven apply`: brings a running server up to a configuration's file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Failure;
use super::client::AdminClient;
use crate::config::ConfigFile;

/// Bring a running server up to a configuration's file: create and change what it names.
///
/// What would change is shown first. Another value of a secret is a new version. Nothing is deleted without --prune, and
/// nothing is changed when one thing cannot be: a vault's retention, an id, a key's type.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keyhaven apply keyhaven.jsonc --dry-run\n  keyhaven apply keyhaven.jsonc --prune")]
pub(super) struct Apply {
    /// The configuration (JSON with comments; `keyhaven init` writes an example)
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Delete what an earlier file made and this one does not name
    #[arg(long)]
    prune: bool,

    #[command(flatten)]
    client: AdminClient,
}

impl Apply {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let config = ConfigFile::new(&self.file, None).self_contained().map_err(Failure::usage)?;
        let body = serde_json::to_vec(&config).map(Zeroizing::new).map_err(Failure::failed)?;
        let mut plan = self.send(&body, true).await?;
        name_what_is_left_out(&mut plan, &config);
        let refused: Vec<_> = steps(&plan).filter(|step| step["action"] == "refuse").map(in_words).collect();
        if !refused.is_empty() {
            self.client.print(&plan, columns(&plan).trim_end());
            let why = format!("nothing was changed, because some of it cannot be: {}", refused.join("; "));
            return Err(Failure::failed(why));
        }
        if self.dry_run || !steps(&plan).any(changes) {
            self.client.print(&plan, &format!("{}{}", columns(&plan), self.verdict(&plan)));
            return Ok(ExitCode::SUCCESS);
        }
        if !self.client.json {
            self.client.print(&plan, columns(&plan).trim_end());
        }
        let made = self.send(&body, false).await?;
        self.client.print(&made, &format!("applied{}", self.next_start().await));
        Ok(ExitCode::SUCCESS)
    }

    /// How the server is started with this file, unless it was.
    async fn next_start(&self) -> String {
        let status = self.client.json_request(Method::GET, "/admin/status", None).await.unwrap_or_default();
        let its = status["configuration"].as_str().and_then(|file| std::fs::canonicalize(file).ok());
        if its.is_some_and(|its| std::fs::canonicalize(&self.file).is_ok_and(|file| file == its)) {
            return String::new();
        }
        format!("\nnext start: keyhaven serve --config {}", self.file.display())
    }

    async fn send(&self, body: &[u8], dry_run: bool) -> Result<Value, Failure> {
        let path = format!("/admin/configuration?dryRun={dry_run}&prune={}", self.prune);
        let answer = self.client.request(Method::POST, &path, body.to_vec()).await?;
        serde_json::from_slice(&answer).map_err(Failure::failed)
    }

    fn verdict(&self, plan: &Value) -> &'static str {
        let has = |action: &str| steps(plan).any(|step| step["action"] == action);
        match (steps(plan).any(changes), has("unnamed")) {
            (true, _) => "nothing was changed (--dry-run)",
            (false, true) => "what the file names is as it says; what it does not name stays without --prune",
            (false, false) => "everything is as the file says",
        }
    }
}

/// Says of each setting of a vault that changes, and that the file does not have, that the file leaves it out.
fn name_what_is_left_out(plan: &mut Value, config: &Value) {
    let vaults: Vec<&Value> = config["vaults"].as_array().into_iter().flatten().collect();
    for step in plan["steps"].as_array_mut().into_iter().flatten() {
        let name = step["name"].as_str().unwrap_or_default().to_lowercase();
        let is_it = |vault: &&&Value| vault["name"].as_str().is_some_and(|one| one.to_lowercase() == name);
        let Some(vault) = vaults.iter().find(is_it).filter(|_| step["kind"] == "vault" && step["action"] == "change")
        else {
            continue;
        };
        let is_named = |setting: &str| vault.get(setting.split(' ').next().unwrap_or_default()).is_some();
        let words = |setting: &str| {
            if is_named(setting) { setting.to_owned() } else { format!("{setting}: the file leaves it out") }
        };
        step["detail"] = text(step, "detail").split(", ").map(words).collect::<Vec<_>>().join(", ").into();
    }
}

fn steps(plan: &Value) -> impl Iterator<Item = &Value> {
    plan["steps"].as_array().into_iter().flatten()
}

fn changes(step: &Value) -> bool {
    ["create", "change", "recover", "delete"].iter().any(|action| step["action"] == *action)
}

/// A line for each step: action, kind, name, and what differs.
fn columns(plan: &Value) -> String {
    let width = steps(plan).map(|step| name(step).len()).max().unwrap_or_default();
    let line = |step: &Value| {
        let line = format!(
            "{:<8} {:<8} {:<width$}  {}",
            text(step, "action"),
            text(step, "kind"),
            name(step),
            text(step, "detail")
        );
        format!("{}\n", line.trim_end())
    };
    steps(plan).map(line).collect()
}

/// `shop/db` of a secret, `shop` of a vault.
fn name(step: &Value) -> String {
    match step["vault"].as_str() {
        Some(vault) => format!("{vault}/{}", text(step, "name")),
        None => text(step, "name").to_owned(),
    }
}

fn in_words(step: &Value) -> String {
    format!("{} {}: {}", text(step, "kind"), name(step), text(step, "detail"))
}

fn text<'s>(step: &'s Value, member: &str) -> &'s str {
    step[member].as_str().unwrap_or_default()
}
