//! A server inside a Rust test: on free ports, in memory, with a virtual clock; dropping it stops it. It runs on threads of
//! its own, so it works in `#[test]` and `#[tokio::test]` alike.

use std::sync::{Arc, mpsc};

use tokio::runtime::{Builder, Runtime};

use crate::app::{self, Options, Running, StartError, Variables};
use crate::clock::{Period, Timestamp};
use crate::directory::ClientAuthentication;
use crate::tasks::{ClockChoice, ClockError, ClockReport};

/// A server that runs until this value is dropped.
///
/// ```
/// use keyhaven::Server;
///
/// let server = Server::start()?;
/// assert!(server.url().starts_with("https://local.vault.localhost:"));
/// let token = server.token("default")?; // for `Authorization: Bearer TOKEN`
/// assert_eq!(token.split('.').count(), 3);
///
/// server.advance("P90D".parse()?)?; // whatever falls due is done when this returns
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `examples/in_process.rs` sets a secret and reads it.
pub struct Server {
    runtime: Option<Runtime>,
    running: Option<Arc<Running>>,
    ca_pem: String,
    url: String,
}

impl Server {
    /// Starts a server with the default configuration: the vault `local`, the identity `default` with every permission, and
    /// the identity `nobody` with none.
    ///
    /// # Errors
    /// Why the server cannot start.
    pub fn start() -> Result<Self, StartError> {
        let clock = ClockChoice::Virtual { start: None, frozen: None };
        Self::with(Options { clock, ..Options::default() })
    }

    /// Starts a server with these options.
    ///
    /// # Errors
    /// Why the server cannot start.
    pub fn with(options: Options) -> Result<Self, StartError> {
        // On another thread: the caller's may belong to a tokio runtime, where `block_on` panics.
        let started = std::thread::spawn(move || {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
            let running = runtime.block_on(app::start(options))?;
            Ok::<_, StartError>((runtime, running))
        });
        let (runtime, running) = started.join().map_err(|_| failed("the server panicked as it started"))??;
        let ca_pem = std::fs::read_to_string(&running.ready.ca).map_err(failed)?;
        let url = running.ready.env.get("VAULT_URL").cloned().unwrap_or_default();
        Ok(Self { runtime: Some(runtime), running: Some(Arc::new(running)), ca_pem, url })
    }

    /// The URL of the default vault, `https://NAME.vault.localhost:PORT`. Where that name does not resolve, the vault is
    /// also at `https://localhost:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of the vault called `name`, if the configuration has it.
    pub fn vault_url(&self, name: &str) -> Option<&str> {
        self.running.as_ref()?.ready.vaults.get(name).map(String::as_str)
    }

    /// The port of the vaults, on loopback.
    pub fn port(&self) -> u16 {
        let listen = self.running.as_ref().map(|running| running.ready.listen.as_str()).unwrap_or_default();
        listen.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    /// The certificate (PEM) of the CA that clients must trust: made for this server alone.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The environment variables by which programs in other processes find the server, its vaults and an identity.
    pub fn environment(&self) -> Variables {
        self.running.as_ref().map(|running| running.ready.env.clone()).unwrap_or_default()
    }

    /// An access token of the identity called `name`, valid for every vault.
    ///
    /// # Errors
    /// When there is no such identity, or no token can be issued.
    pub fn token(&self, name: &str) -> Result<String, StartError> {
        let (name, directory) = (name.to_owned(), self.running().directory());
        self.wait_for(async move {
            let identity = directory.find_by_name(&name).await.map_err(failed)?;
            let identity = identity.ok_or_else(|| failed(format!("no identity is called '{name}'")))?;
            let issued = directory
                .issue(&identity, "https://vault.azure.net", ClientAuthentication::ManagedIdentity)
                .await
                .map_err(failed)?;
            Ok(issued.access_token)
        })
    }

    /// Copies the vault `source`, with its content, to the new vault `copy`; returns the URL. Gives each test its own vault.
    ///
    /// # Errors
    /// When `source` does not exist or `copy` exists.
    pub fn copy_vault(&self, source: &str, copy: &str) -> Result<String, StartError> {
        let (source, copy) = (source.to_owned(), copy.to_owned());
        let running = self.shared();
        self.wait_for(async move { running.copy_vault(&source, &copy).await })
    }

    /// The present time of the vault clock.
    pub fn now(&self) -> Timestamp {
        self.running().now()
    }

    /// Moves the vault clock forward. Tasks that fall due have run when this returns.
    ///
    /// # Errors
    /// When the vault clock is the machine's, or the date is out of range.
    pub fn advance(&self, period: Period) -> Result<ClockReport, ClockError> {
        let keeper = self.running().timekeeper.clone();
        self.wait_for(async move { keeper.advance(&period).await })
    }

    /// Freezes the vault clock, or lets it run.
    ///
    /// # Errors
    /// When the vault clock is the machine's.
    pub fn freeze(&self, frozen: bool) -> Result<ClockReport, ClockError> {
        let keeper = self.running().timekeeper.clone();
        self.wait_for(async move { keeper.freeze(frozen).await })
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("a server runs until it is dropped")
    }

    fn shared(&self) -> Arc<Running> {
        self.running.clone().expect("a server runs until it is dropped")
    }

    /// Runs `work` on the server's own threads and blocks until it is done.
    fn wait_for<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let runtime = self.runtime.as_ref().expect("a server runs until it is dropped");
        runtime.spawn(async move {
            let result = work.await;
            // `work` is consumed: it has dropped its clone of `running`.
            let _ = done.send(result);
        });
        result.recv().expect("the work was not interrupted")
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // This is the last reference: every borrower blocks in `wait_for` until its work is done.
        if let Some(running) = self.running.take().and_then(Arc::into_inner) {
            self.wait_for(running.stop());
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StartError {
    StartError::new(error)
}
