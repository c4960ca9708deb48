//! A private server for drills: a process that can be killed and restarted on the same data.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::admin::AdminEndpoint;
use super::hooks::last_line;
use crate::files::{self, PrivateDir};

/// How long the server may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// The time between two looks for its ready file.
const INTERVAL: Duration = Duration::from_millis(5);
/// The private endpoint that connects a node on this machine: a server's configuration has its addresses.
pub(super) const PRIVATE_ENDPOINT: &str = "drill";
/// The name of its vault.
const VAULT: &str = "drill";

/// A running private server. Dropping it kills the process and removes its data.
pub struct PrivateServer {
    program: PathBuf,
    dir: PrivateDir,
    child: Child,
    ready: Value,
}

impl PrivateServer {
    /// Starts `program`, a `keyhaven`, with a premium vault with purge protection and a virtual clock, on free ports.
    ///
    /// # Errors
    /// When it does not become ready; the text holds the last line of its log.
    pub fn start(program: &Path) -> Result<Self, String> {
        let unusable = |error: std::io::Error| format!("no server can be started: {error}");
        let dir = PrivateDir::new("drill-").map_err(unusable)?;
        let text = configuration().to_string();
        files::write_unsynced(&dir.path().join("config.json"), text.as_bytes()).map_err(unusable)?;
        let free = [":0", ":0", ":0"].map(str::to_owned);
        let (child, ready) = spawn_ready(program, dir.path(), &free)?;
        Ok(Self { program: program.to_owned(), dir, child, ready })
    }

    /// The content of its ready file.
    pub const fn ready(&self) -> &Value {
        &self.ready
    }

    /// The path of its ready file.
    pub fn ready_file(&self) -> PathBuf {
        ready_file(self.dir.path())
    }

    /// The program that it runs.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The URL of its vault.
    pub fn vault(&self) -> String {
        self.text(&["vaults", VAULT]).to_owned()
    }

    /// The endpoint of its admin API.
    pub fn admin(&self) -> AdminEndpoint {
        let url = format!("http://{}", self.text(&["admin"]));
        AdminEndpoint { url, key: Zeroizing::new(self.text(&["adminKey"]).to_owned()) }
    }

    /// The certificate of its CA, in PEM.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ca(&self) -> Result<String, String> {
        let path = self.text(&["ca"]);
        std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
    }

    /// Kills the process (SIGKILL): nothing is finished or flushed.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Restarts it on the same data and addresses, so that clients can go on.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        let addresses = ["listen", "identity", "admin"].map(|member| self.text(&[member]).to_owned());
        let _ = std::fs::remove_file(self.ready_file());
        (self.child, self.ready) = spawn_ready(&self.program, self.dir.path(), &addresses)?;
        Ok(())
    }

    fn text(&self, path: &[&str]) -> &str {
        path.iter().fold(&self.ready, |value, member| &value[*member]).as_str().unwrap_or_default()
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn configuration() -> Value {
    let everything = ["all", "purge"];
    let permissions = json!({"keys": everything, "secrets": everything});
    json!({
        "identities": [{"name": "operator"}],
        "privateEndpoints": [{"name": PRIVATE_ENDPOINT, "ranges": ["127.0.0.0/8", "::1"]}],
        "vaults": [{
            "name": VAULT, "sku": "premium", "enablePurgeProtection": true,
            "accessPolicies": [{"identity": "operator", "permissions": permissions}],
        }],
    })
}

fn ready_file(dir: &Path) -> PathBuf {
    dir.join("server.ready")
}

/// A command of `program` in an environment that says nothing of other servers, which logs to `log`.
///
/// # Errors
/// When the log cannot be made.
pub(super) fn command(program: &Path, dir: &Path, log: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYHAVEN_")) {
        command.env_remove(name);
    }
    command
        // A killed process leaves temporary files behind; this directory is removed with the server.
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log)?)
        // An interrupt from the terminal is for the drill alone, which restores everything and then ends the server.
        .process_group(0);
    Ok(command)
}

/// Spawns the server and waits until it is ready; returns the process and the content of its ready file.
fn spawn_ready(program: &Path, dir: &Path, [listen, identity, admin]: &[String; 3]) -> Result<(Child, Value), String> {
    let why = |error: std::io::Error| format!("{}: {error}", program.display());
    let log = dir.join("server.log");
    let mut command = command(program, dir, &log).map_err(why)?;
    command
        .args(["serve", "--clock", "virtual", "--log-level", "warn"])
        .args(["--listen", listen, "--identity-listen", identity, "--admin-listen", admin, "--proxy-listen", "off"])
        .args(["--config".as_ref(), dir.join("config.json").as_os_str()])
        .args(["--data".as_ref(), dir.join("data").as_os_str()])
        .args(["--ready-file".as_ref(), ready_file(dir).as_os_str()]);
    let mut child = command.spawn().map_err(why)?;
    match wait_until_ready(&mut child, dir) {
        Some(ready) => Ok((child, ready)),
        None => {
            let _ = child.kill().and_then(|()| child.wait());
            let last = File::open(&log).map_or_else(|error| error.to_string(), |mut log| last_line(&mut log));
            Err(format!("the drill's own server did not become ready: {last}"))
        }
    }
}

/// Waits for the ready file; `None` when the process has ended or takes too long.
fn wait_until_ready(child: &mut Child, dir: &Path) -> Option<Value> {
    let began = Instant::now();
    while began.elapsed() < READY_TIMEOUT {
        if let Ok(text) = std::fs::read_to_string(ready_file(dir)) {
            return serde_json::from_str(&text).ok();
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return None;
        }
        std::thread::sleep(INTERVAL);
    }
    None
}
