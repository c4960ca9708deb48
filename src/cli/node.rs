//! `keyhaven node`: a node of a self-hosted integration runtime.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::signals::StopSignals;
use super::target::Target;
use super::{Failure, log, server_args, variables};
use crate::app::ParentProxy;
use crate::clock::SystemClock;
use crate::node::{AuthKey, Node, NodeError, NodeOptions};
use crate::remote::TrustStore;

/// Run a node of a data factory's self-hosted integration runtime.
///
/// The first time it registers with an authentication key of the runtime. It keeps what it is in its home, sealed under a key of
/// this machine, and follows the service over restarts of either.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NodeCommand {
    /// The file of an authentication key of the runtime, the first time
    #[arg(long, value_name = "FILE")]
    auth_key_file: Option<PathBuf>,

    /// The node's name in the runtime [default: the machine's name]
    #[arg(long)]
    name: Option<String>,

    /// The directory that the node keeps everything in [default: $XDG_DATA_HOME/keyhaven-node]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,

    /// Where others reach the node when remote access is on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8060")]
    listen: SocketAddr,

    /// Whether others than the service may reach the node
    #[arg(long, value_name = "off|on", default_value = "off", hide_possible_values = true)]
    remote_access: RemoteAccess,

    /// A certificate for the listener instead of the node's own, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,

    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,

    /// Where the service is reached [default: https on port 443 of the host that the key names, by HTTPS_PROXY]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven node --auth-key-file key.txt --server https://localhost:8443
  keyhaven node --server https://localhost:8443      from then on
  keyhaven run -- keyhaven node --auth-key-file key.txt    through the takeover";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RemoteAccess {
    /// The service alone
    Off,
    /// Others too, over HTTPS at --listen
    On,
}

impl NodeCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        log::install("info", log::LogFormat::Text)?;
        let mut signals = StopSignals::listen()?;
        let options = self.options()?;
        let node = tokio::select! {
            started = Node::start(options) => started.map_err(|error| failure(&error))?,
            signal = signals.received() => {
                tracing::info!(signal, "stopping");
                return Ok(ExitCode::SUCCESS);
            }
        };
        let ended = tokio::select! {
            why = node.work() => Err(failure(&why)),
            signal = signals.received() => {
                tracing::info!(signal, "stopping");
                Ok(ExitCode::SUCCESS)
            }
        };
        node.stop().await;
        ended
    }

    fn options(self) -> Result<NodeOptions, Failure> {
        let machine = machine_name();
        let auth_key = self.auth_key_file.as_deref().map(read_key).transpose()?;
        Ok(NodeOptions {
            home: self.home.map_or_else(default_home, Ok)?,
            name: self.name,
            machine,
            listen: self.listen,
            remote_access: self.remote_access == RemoteAccess::On,
            certificate: self.certificate.zip(self.key),
            auth_key,
            server: self.server.map(|url| checked_url(&url)).transpose()?,
            trust: trust()?,
            proxy: ParentProxy::from_variables(&variables::all()),
            clock: Arc::new(SystemClock),
        })
    }
}

/// What is wrong with the command line is a usage error; everything else is a failure.
fn failure(error: &NodeError) -> Failure {
    match error {
        NodeError::NotRegistered(_) | NodeError::NoAuthKey | NodeError::Certificate(_) => Failure::usage(error),
        _ => Failure::failed(error),
    }
}

fn read_key(path: &std::path::Path) -> Result<AuthKey, Failure> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| Failure::usage(format!("--auth-key-file {}: {error}", path.display())))?;
    AuthKey::parse(&text).map_err(|error| failure(&error))
}

/// The URL, which has a host and no path: a node sends its secret there.
fn checked_url(url: &str) -> Result<String, Failure> {
    let wrong = || Failure::usage(format!("--server {url}: give https://HOST[:PORT]"));
    let authority = url.strip_prefix("https://").ok_or_else(wrong)?.trim_end_matches('/');
    let is_fine = !authority.is_empty() && !authority.contains(['/', '?', '#', '@']);
    if is_fine { Ok(format!("https://{authority}")) } else { Err(wrong()) }
}

/// Whom the node trusts: `SSL_CERT_FILE`, else the CA of a server that is found here besides the system's.
fn trust() -> Result<TrustStore, Failure> {
    let store = TrustStore::default();
    let target = Target::of_environment();
    if variables::path("SSL_CERT_FILE").is_some() || !target.is_found() {
        return Ok(store);
    }
    let pem = target.ca(None).ok().and_then(|path| std::fs::read_to_string(path).ok());
    pem.map_or(Ok(store.clone()), |pem| store.with_pem(&pem)).map_err(Failure::failed)
}

fn default_home() -> Result<PathBuf, Failure> {
    let data = server_args::data_dir(None).map_err(|_| Failure::usage("no place to keep things: give --home DIR"))?;
    Ok(data.with_file_name("keyhaven-node"))
}

/// The name of this machine, as far as a node can be called so.
fn machine_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let fine: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
    let label = fine.split('.').next().unwrap_or_default().trim_matches('-').to_owned();
    if label.is_empty() { "localhost".to_owned() } else { label }
}
