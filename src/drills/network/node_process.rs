//! A node of the factory's runtime: `keyhaven node` on this machine, at the server under drill.

use std::fs::File;
use std::process::Child;

use crate::drills::environment::NodePlace;
use crate::drills::hooks::last_line;
use crate::drills::private_server::command;
use crate::files::{self, PrivateDir};

/// The variables by which programs find a proxy: the node calls this machine alone.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// The process and its directory; dropping it kills the one and removes the other.
pub(super) struct NodeProcess {
    child: Child,
    dir: PrivateDir,
}

impl NodeProcess {
    /// Starts a node that registers with `auth_key`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(place: &NodePlace<'_>, auth_key: &str) -> Result<Self, String> {
        let unusable = |error: std::io::Error| format!("no node can be started: {error}");
        let dir = PrivateDir::new("node-").map_err(unusable)?;
        let path = |name: &str| dir.path().join(name);
        files::write_unsynced(&path("key"), auth_key.as_bytes()).map_err(unusable)?;
        let mut command = command(place.program, dir.path(), &path("log")).map_err(unusable)?;
        for name in PROXIES {
            command.env_remove(name);
        }
        if !place.trusted.is_empty() {
            files::write_unsynced(&path("ca.pem"), place.trusted.join("\n").as_bytes()).map_err(unusable)?;
            command.env("SSL_CERT_FILE", path("ca.pem"));
        }
        let child = command
            .args(["node", "--name", "drill", "--server", &place.server])
            .args(["--auth-key-file".as_ref(), path("key").as_os_str()])
            .args(["--home".as_ref(), path("home").as_os_str()])
            .spawn()
            .map_err(unusable)?;
        Ok(Self { child, dir })
    }

    /// The last line that it has printed, once it has ended.
    pub(super) fn end(&mut self) -> Option<String> {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            return None;
        }
        Some(self.last_line())
    }

    /// The last line that it has printed.
    pub(super) fn last_line(&self) -> String {
        let log = File::open(self.dir.path().join("log"));
        log.map_or_else(|error| error.to_string(), |mut log| last_line(&mut log))
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
