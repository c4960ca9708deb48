//! The composition root: picks store, clock and chance, builds the doors, listens, and stops. An embedder starts a
//! whole server here, in its own process.

mod data;
mod ready;
mod trust;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::crypto::pool::Pool;
use crate::directory::Directory;
use crate::doors;
use crate::http::authority::Authority;
use crate::http::ca::Ca;
use crate::http::local::LocalNames;
use crate::http::server::{Door, Listener, Stopper, Stopping, stopping};
use crate::http::tls::{self, Leaves, Ours};
use crate::http::{Answer, limits::Limits};
use crate::proxy::Proxy;
use crate::random::{self, OsRandom, Random, SeededRandom};
use crate::store::{MasterKey, Store};
use crate::vault::Vaults;

pub use data::{DataError, Storage};
pub use ready::{Ready, Variables};
pub use trust::bundle;

/// How long requests in flight may take after the server was told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// The most parsed keys held in memory; a parsed RSA key is about 10 KB.
const PARSED_KEYS: usize = 1024;
/// The most tokens remembered whose signature was found good.
const CHECKED_TOKENS: usize = 4096;
/// The most private-key operations, and key generations, that wait for a thread.
const POOL_QUEUE: usize = 1024;

/// What a server is started with.
pub struct Options {
    /// Tenant, identities, vaults, bounds.
    pub config: Config,
    /// Where things are kept.
    pub storage: Storage,
    /// Where the local CA is kept; without it, it is made for this start alone.
    pub certs: Option<PathBuf>,
    /// The listeners.
    pub listen: Listen,
    /// Fixes ids for tests; never key material.
    pub seed: Option<u64>,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// The admin key, when the user has set one.
    pub admin_key: Option<Zeroizing<String>>,
    /// The key that the data key is wrapped with, when the user has set one.
    pub seal_key: Option<MasterKey>,
}

/// Where a server listens. Port 0 takes a free one.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// The data plane, and the issuer's documents (HTTPS).
    pub vaults: SocketAddr,
    /// Managed-identity tokens, health (HTTP).
    pub identity: SocketAddr,
    /// The admin API (HTTP), if it is wanted.
    pub admin: Option<SocketAddr>,
    /// The takeover proxy (HTTP), if it is wanted.
    pub proxy: Option<SocketAddr>,
}

impl Listen {
    /// Free ports on loopback, without a proxy.
    pub fn on_free_ports() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { vaults: free, identity: free, admin: Some(free), proxy: None }
    }
}

impl Default for Options {
    /// A server that keeps nothing, on free ports, with the default configuration.
    fn default() -> Self {
        Self {
            config: Config::default(),
            storage: Storage::Memory,
            certs: None,
            listen: Listen::on_free_ports(),
            seed: None,
            clock: Arc::new(SystemClock),
            admin_key: None,
            seal_key: None,
        }
    }
}

/// Why a server did not start: one line for the person who started it.
#[derive(Debug)]
pub struct StartError(pub(crate) String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

/// A server that runs.
pub struct Running {
    /// Where and how it can be reached.
    pub ready: Ready,
    /// The takeover's CA as PEM, when there is a proxy; it is kept in memory alone.
    pub takeover_ca: Option<String>,
    stopper: Stopper,
    tasks: Vec<JoinHandle<()>>,
    store: Store,
    pool: Pool,
    data: data::Data,
}

/// Starts a server; when this returns, every listener answers.
///
/// # Errors
/// What stands in the way, in one line.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let system: Arc<dyn Clock> = Arc::new(SystemClock);
    let sockets = Sockets::bind(options.listen).await?;
    let data = data::Data::open(&options.storage, options.seal_key.as_ref(), options.admin_key)?;
    let pool = Pool::start(std::thread::available_parallelism().map_or(2, usize::from), POOL_QUEUE);
    let random: Arc<dyn Random> = match options.seed {
        Some(seed) => Arc::new(SeededRandom::new(seed)),
        None => Arc::new(OsRandom),
    };
    let vaults = Vaults::new(data.store.clone(), pool.clone(), random.clone(), PARSED_KEYS);
    let directory = Directory::new(options.config.tenant, data.store.clone(), system.clone(), CHECKED_TOKENS);
    let parts = Parts { vaults, directory, random, system, clock: options.clock, data, pool };
    let config = parts.apply(options.config).await?;
    parts.listen(config, sockets, options.certs).await
}

impl Running {
    /// Writes the bundle of certificate authorities (those that were in force, and ours) and names it in the
    /// environment of [`Ready`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn add_bundle(&mut self) -> Result<(), StartError> {
        let ca = self.ready.ca.clone();
        let takeover = self.takeover_ca.clone();
        let former = trust::former();
        let made = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
            let ours = std::fs::read_to_string(ca)?;
            let cas: Vec<&str> = [Some(ours.as_str()), takeover.as_deref()].into_iter().flatten().collect();
            Ok(bundle(&former, &cas))
        });
        let text = made.await.map_err(failed)?.map_err(failed)?;
        let path = self.data.publish_bundle(&text)?;
        self.ready.env.extend(trust::variables(&path));
        Ok(())
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish (5 s at the most), and flushes.
    pub async fn stop(self) {
        self.stopper.stop(GRACE).await;
        for task in self.tasks {
            task.abort();
        }
        self.store.close().await;
        self.pool.stop();
        drop(self.data);
    }
}

/// The sockets, bound before anything else, so that a port in use is told at once.
struct Sockets {
    vaults: TcpListener,
    identity: TcpListener,
    admin: Option<TcpListener>,
    proxy: Option<TcpListener>,
}

impl Sockets {
    async fn bind(listen: Listen) -> Result<Self, StartError> {
        let bind_if = async |flag, address: Option<SocketAddr>| match address {
            Some(address) => bind(flag, address).await.map(Some),
            None => Ok(None),
        };
        Ok(Self {
            vaults: bind("--listen", listen.vaults).await?,
            identity: bind("--identity-listen", listen.identity).await?,
            admin: bind_if("--admin-listen", listen.admin).await?,
            proxy: bind_if("the takeover proxy", listen.proxy).await?,
        })
    }

    fn addresses(&self) -> Result<ready::Addresses, StartError> {
        let optional = |socket: &Option<TcpListener>| socket.as_ref().map(TcpListener::local_addr).transpose();
        let addresses = || -> std::io::Result<ready::Addresses> {
            Ok(ready::Addresses {
                vaults: self.vaults.local_addr()?,
                identity: self.identity.local_addr()?,
                admin: optional(&self.admin)?,
                proxy: optional(&self.proxy)?,
            })
        };
        addresses().map_err(failed)
    }
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            StartError(format!("{address} is in use ({flag}); stop the other program or give another address"))
        }
        _ => StartError(format!("cannot listen on {address} ({flag}): {error}")),
    })
}

/// What the doors are built of.
struct Parts {
    vaults: Vaults,
    directory: Directory,
    random: Arc<dyn Random>,
    system: Arc<dyn Clock>,
    clock: Arc<dyn Clock>,
    data: data::Data,
    pool: Pool,
}

/// What is left of the configuration once it has been applied.
struct Applied {
    default_hosts: Vec<String>,
    default_vault: crate::vault::VaultName,
    limits: Arc<Limits>,
}

impl Parts {
    /// Makes what the configuration wants and is not there; says what differs and was left alone.
    async fn apply(&self, config: Config) -> Result<Applied, StartError> {
        for identity in &config.identities {
            if !self.directory.ensure(identity).await.map_err(failed)? {
                tracing::warn!(
                    name = identity.name,
                    "the identity differs from the configuration and was left as it is"
                );
            }
        }
        let default_vault = config.vaults.first().map(|vault| vault.name.clone());
        let default_vault = default_vault.ok_or_else(|| failed("the configuration has no vault"))?;
        for vault in config.vaults {
            let applied = self.vaults.apply(vault, self.clock.now()).await;
            let applied =
                applied.map_err(|refusal| failed(format!("the configuration cannot be applied: {refusal:?}")))?;
            for made in applied.made {
                tracing::debug!(made, "made from the configuration");
            }
            for differs in applied.differs {
                tracing::warn!(differs, "differs from the configuration and was left as it is");
            }
        }
        Ok(Applied { default_hosts: config.default_hosts, default_vault, limits: Arc::new(config.limits) })
    }

    async fn listen(self, applied: Applied, sockets: Sockets, certs: Option<PathBuf>) -> Result<Running, StartError> {
        let vaults = self.vaults.all().await.map_err(|refusal| failed(format!("{refusal:?}")))?;
        let machine = machine_name();
        let mut others: Vec<String> = vaults.iter().flat_map(|vault| vault.aliases.clone()).collect();
        others.extend(applied.default_hosts.iter().cloned());
        others.extend(machine.clone());
        let own_names = others.clone();

        let certs = certs.or_else(|| self.data.certs());
        let mut domains = vec!["localhost".to_owned()];
        domains.extend(others.clone());
        let ca = self.ca(certs.as_deref(), &domains)?;
        let ca_path = self.data.publish_ca(certs.as_deref(), ca.pem())?;
        let ca_pem = ca.pem().to_owned();
        let (ours, unnamed) = (self.ours(others), unnamed(machine.as_deref()));
        let leaves = Leaves::new(ca, ours, unnamed.clone(), applied.limits.minted_leaves, self.system.clone());
        let tls = tls::config(Arc::new(leaves.map_err(failed)?)).map_err(failed)?;

        let addresses = sockets.addresses()?;
        let (stopper, stopping) = stopping();
        let mut hosts = applied.default_hosts.clone();
        hosts.extend(machine.clone());
        let data_plane = self.data_plane(hosts, applied.default_vault.clone(), applied.limits.clone());
        let names = LocalNames::new(own_names);
        let identity_header = Zeroizing::new(hex(&random::secret::<16>()));
        let identity = self.identity_door(&names, identity_header.clone(), ca_pem);

        let limits = applied.limits;
        let mut tasks = vec![
            spawn(sockets.vaults, Some(tls), data_plane.clone(), &limits, &stopping),
            spawn(sockets.identity, None, identity, &limits, &stopping),
        ];
        if let Some(socket) = sockets.admin {
            tasks.push(spawn(socket, None, self.admin_door(names), &limits, &stopping));
        }
        let takeover_ca = match sockets.proxy {
            Some(socket) => {
                let (answer, pem) = self.proxy(data_plane, &addresses, &limits, &stopping, unnamed)?;
                tasks.push(spawn(socket, None, answer, &limits, &stopping));
                Some(pem)
            }
            None => None,
        };
        tasks.push(self.prepare_issuer());

        let identities = self.directory.identities().await.map_err(failed)?;
        let ready = Ready::new(ready::Facts {
            addresses,
            admin_key: self.data.admin_key.clone(),
            ca: ca_path,
            tenant: self.directory.tenant(),
            vaults: vaults.iter().map(|vault| vault.name.clone()).collect(),
            default_vault: applied.default_vault,
            default_client: identities.first().map(|identity| identity.client_id),
            identity_header,
        });
        Ok(Running {
            ready,
            takeover_ca,
            stopper,
            tasks,
            store: self.data.store.clone(),
            pool: self.pool,
            data: self.data,
        })
    }

    fn ca(&self, certs: Option<&std::path::Path>, domains: &[String]) -> Result<Ca, StartError> {
        let now = self.system.now();
        match certs {
            Some(dir) => {
                data::make_dir(dir).map_err(failed)?;
                Ca::kept(dir, "Keyhaven local CA", domains, now).map_err(failed)
            }
            None => Ca::new("Keyhaven CA for one start", domains, true, now).map_err(failed),
        }
    }

    /// The names that leaves are minted for: vaults', the login host, and `others`.
    fn ours(&self, others: Vec<String>) -> Ours {
        Arc::new(move |name| {
            doors::vault::host::named(name).is_some()
                || name == "localhost"
                || name == doors::entra::HOST
                || others.iter().any(|other| other == name)
        })
    }

    fn data_plane(&self, hosts: Vec<String>, default: crate::vault::VaultName, limits: Arc<Limits>) -> Answer {
        let vault = doors::vault::Open::new(doors::vault::VaultDoor {
            vaults: self.vaults.clone(),
            directory: self.directory.clone(),
            hosts: doors::vault::host::Hosts::new(default, hosts),
            clock: self.clock.clone(),
            random: self.random.clone(),
            limits,
        });
        let (vault, entra) = (Arc::new(vault), Arc::new(doors::entra::Open::new(self.directory.clone())));
        Arc::new(move |request, arrival| {
            let (vault, entra) = (vault.clone(), entra.clone());
            Box::pin(async move {
                match Authority::of(&request).filter(|authority| authority.host() == doors::entra::HOST) {
                    Some(authority) => entra.answer(request, authority).await,
                    None => vault.answer(request, arrival).await,
                }
            })
        })
    }

    fn identity_door(&self, names: &LocalNames, header: Zeroizing<String>, ca_pem: String) -> Answer {
        let door = doors::identity::Open::new(doors::identity::IdentityDoor {
            directory: self.directory.clone(),
            names: names.clone(),
            identity_header: header,
            ca_pem,
        });
        let door = Arc::new(door);
        Arc::new(move |request, arrival| {
            let door = door.clone();
            Box::pin(async move { door.answer(request, arrival).await })
        })
    }

    fn admin_door(&self, names: LocalNames) -> Answer {
        let door = doors::admin::Open::new(doors::admin::AdminDoor {
            names,
            vaults: self.vaults.clone(),
            tenant: self.directory.tenant(),
            store: self.data.engine,
            clock: self.clock.clone(),
            started: self.system.now(),
        });
        let door = Arc::new(door);
        Arc::new(move |request, arrival| {
            let door = door.clone();
            Box::pin(async move { door.answer(request, arrival).await })
        })
    }

    /// The takeover, with a CA of its own that lives as long as this start.
    fn proxy(
        &self,
        data_plane: Answer,
        addresses: &ready::Addresses,
        limits: &Arc<Limits>,
        stopping: &Stopping,
        unnamed: Vec<String>,
    ) -> Result<(Answer, String), StartError> {
        let domains: Vec<_> = doors::vault::host::cloud_suffixes().map(str::to_owned).collect();
        let ca = Ca::new("Keyhaven takeover CA for one start", &domains, false, self.system.now()).map_err(failed)?;
        let pem = ca.pem().to_owned();
        let taken_over: Ours = Arc::new(|name| doors::vault::host::named_in_cloud(name).is_some());
        let leaves = Leaves::new(ca, taken_over.clone(), unnamed, limits.minted_leaves, self.system.clone());
        let tls = tls::config(Arc::new(leaves.map_err(failed)?)).map_err(failed)?;
        let door = Arc::new(Door { tls: Some(tls), answer: data_plane, limits: limits.clone() });
        let proxy = Arc::new(Proxy { taken_over, door, own: addresses.all(), stopping: stopping.clone() });
        Ok((Arc::new(move |request, arrival| Box::pin(proxy.clone().answer(request, arrival))), pem))
    }

    /// Loads or makes the issuer's key in the background: a first start need not wait for it, token requests do.
    fn prepare_issuer(&self) -> JoinHandle<()> {
        let (directory, pool) = (self.directory.clone(), self.pool.clone());
        tokio::spawn(async move {
            if let Err(error) = directory.prepare_issuer(&pool).await {
                tracing::error!(%error, "no tokens can be issued");
            }
        })
    }
}

fn spawn(
    tcp: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: Answer,
    limits: &Arc<Limits>,
    stopping: &Stopping,
) -> JoinHandle<()> {
    tokio::spawn(Listener { tcp, tls, answer, limits: limits.clone() }.serve(stopping.clone()))
}

/// The machine's own name in lower case, when it can stand in a certificate.
fn machine_name() -> Option<String> {
    let name = gethostname::gethostname().into_string().ok()?.to_ascii_lowercase();
    Authority::parse(&name).filter(|host| host.port().is_none() && host.address().is_none()).map(|_| name)
}

fn unnamed(machine: Option<&str>) -> Vec<String> {
    let always = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    always.into_iter().chain(machine.map(str::to_owned)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
