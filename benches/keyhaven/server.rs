//! A server as a user starts it: the binary that is shipped, a process of its own, nothing of our environment.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use keyhaven::testing::ReadyFile;
use serde::Deserialize;

use crate::Outcome;
use crate::process::Process;

/// How long a server may take for anything before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// In a directory.
    Data,
    /// Not at all.
    Nothing,
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where its vaults will answer.
    pub(crate) address: SocketAddr,
    home: PathBuf,
}

impl Server {
    /// Starts `binary` with everything it writes below `home`, and does not wait for it.
    pub(crate) fn spawn(binary: &Path, home: &Path, keeping: Keeping) -> Outcome<Self> {
        Self::spawn_logging(binary, home, keeping, "info")
    }

    /// The same, with a log of this level.
    pub(crate) fn spawn_logging(binary: &Path, home: &Path, keeping: Keeping, level: &str) -> Outcome<Self> {
        Self::spawn_with(binary, home, keeping, &["--log-level", level])
    }

    /// The same, with these options.
    pub(crate) fn spawn_with(binary: &Path, home: &Path, keeping: Keeping, options: &[&str]) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.env_clear().env("HOME", home).env("TMPDIR", home);
        command.arg("serve").args(options).arg("--listen").arg(address.to_string());
        command.args(["--identity-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.arg("--ready-file").arg(home.join("ready.json"));
        match keeping {
            Keeping::Data => command.arg("--data").arg(home.join("data")).arg("--certs").arg(home.join("certs")),
            Keeping::Nothing => command.arg("--ephemeral"),
        };
        let log = File::create(home.join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        Ok(Self { child, address, home: home.to_owned() })
    }

    /// A connection, as soon as the server takes one.
    pub(crate) fn connect(&mut self) -> Outcome<TcpStream> {
        let address = self.address;
        self.wait(Duration::from_micros(100), || TcpStream::connect(address).ok())
    }

    /// What the server tells about itself, once every listener answers.
    pub(crate) fn ready(&mut self) -> Outcome<ReadyFile> {
        let file = self.home.join("ready.json");
        let text = self.wait(Duration::from_millis(1), || std::fs::read(&file).ok())?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Stops it as a user would, and waits until it is gone.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }

    fn wait<T>(&mut self, pause: Duration, mut attempt: impl FnMut() -> Option<T>) -> Outcome<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(done) = attempt() {
                return Ok(done);
            }
            let gone = self.child.try_wait()?.is_some();
            if gone || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
                return Err(format!("the server does not answer; its log:\n{log}").into());
            }
            sleep(pause);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A managed identity's token for the vaults; waits for the issuer's key.
pub(crate) fn token(ready: &ReadyFile) -> Outcome<String> {
    #[derive(Deserialize)]
    struct Given {
        access_token: String,
    }
    let identity = &ready.identity;
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
    let mut stream = TcpStream::connect(identity)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {identity}\r\nMetadata: true\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("the identity listener broke off")?;
    let given: Given = serde_json::from_str(body).map_err(|_| format!("no token: {answer}"))?;
    Ok(given.access_token)
}
