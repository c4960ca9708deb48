//! Options that select a running server, and the paths of its ready file, data and CA.

use std::path::{Path, PathBuf};

use clap::Args;

use super::ready_file::READY_FILE;
use super::{Failure, headings, ready_file, server_args, stale, variables};
use crate::app::ReadyFile;

/// The running server that a command works on.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The running server's ready file [default: DATA/ready.json, else that of a server that keeps nothing]
    #[arg(long, help_heading = headings::TARGET, global = true, value_name = "FILE", env = "KEYHAVEN_READY_FILE")]
    ready_file: Option<PathBuf>,

    /// The running server's data directory [default: $XDG_DATA_HOME/keyhaven]
    #[arg(long, help_heading = headings::TARGET, global = true, value_name = "DIR", env = "KEYHAVEN_DATA")]
    data: Option<PathBuf>,
}

impl Target {
    /// The server that a command without these options finds.
    pub(super) fn of_environment() -> Self {
        Self { ready_file: variables::path(stale::READY_FILE), data: variables::path("KEYHAVEN_DATA") }
    }

    /// Whether it is found, and runs.
    pub(super) fn is_live(&self) -> bool {
        self.ready_file_path().is_ok_and(|file| ready_file::is_live_at(&file))
    }

    /// Reads the ready file.
    pub(super) fn ready(&self) -> Result<ReadyFile, Failure> {
        let path = self.ready_file_path()?;
        let text = std::fs::read_to_string(&path).map_err(|error| no_server(&path, &error))?;
        serde_json::from_str(&text).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
    }

    /// Whether the command line or the environment selects a server.
    pub(super) fn is_named(&self) -> bool {
        self.named_ready_file().is_some() || self.data.is_some()
    }

    /// Whether a server was selected, or the default ready file exists.
    pub(super) fn is_found(&self) -> bool {
        self.is_named() || self.has_ready_file()
    }

    /// Whether a ready file was named, or exists in the data directory.
    pub(super) fn has_ready_file(&self) -> bool {
        self.named_ready_file().is_some() || self.ready_file_path().is_ok_and(|path| path.exists())
    }

    /// Whether it is the server whose variables this shell has.
    pub(super) fn is_of_environment(&self) -> bool {
        let file = variables::path(stale::READY_FILE);
        file.is_some_and(|file| self.ready_file_path().is_ok_and(|path| path == file))
    }

    /// The data directory.
    pub(super) fn data(&self) -> Result<PathBuf, Failure> {
        server_args::data_dir(self.data.as_deref())
    }

    /// The path of the CA's certificate: in `certs`, else as the running server says, else in KEYHAVEN_CERTS or the data
    /// directory.
    pub(super) fn ca(&self, certs: Option<&Path>) -> Result<PathBuf, Failure> {
        let kept = variables::path("KEYHAVEN_CERTS");
        let dir = match certs {
            Some(dir) => dir.to_owned(),
            None if self.has_ready_file() => return Ok(self.ready()?.ca),
            None => match kept {
                Some(dir) if !self.is_named() => dir,
                _ => self.data()?.join("certs"),
            },
        };
        Ok(dir.join("ca.pem"))
    }

    /// The path of the ready file: the named one, else that of the data directory, else that of a running server that keeps
    /// nothing.
    pub(super) fn ready_file_path(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = self.named_ready_file() {
            return Ok(named.to_owned());
        }
        let kept = self.data().map(|data| data.join(READY_FILE));
        if self.data.is_some() || kept.as_ref().is_ok_and(|kept| ready_file::is_live_at(kept)) {
            return kept;
        }
        let ephemeral = ready_file::of_ephemeral_server().filter(|file| ready_file::is_live_at(file));
        ephemeral.map_or(kept, Ok)
    }

    /// The ready file that was named. One that the environment names counts only while its server runs: it may be left from a
    /// server that is gone.
    fn named_ready_file(&self) -> Option<&Path> {
        let file = self.ready_file.as_deref()?;
        let is_of_environment = variables::path(stale::READY_FILE).as_deref() == Some(file);
        (!is_of_environment || ready_file::is_live_at(file)).then_some(file)
    }
}

fn no_server(path: &Path, error: &std::io::Error) -> Failure {
    let hint = stale::remedy("start one with `keyhaven serve`, or name its --ready-file or --data");
    Failure::failed(format!("no running server found ({}: {error}); {hint}", path.display()))
}
