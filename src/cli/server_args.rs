//! The options that `serve` and `run` share, and their conversion to `app::Options`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::clock_choice::ClockParser;
use super::log::{self, LogFormat};
use super::takeover::TakeoverArgs;
use super::{Failure, address, headings, stale, variables};
use crate::app::{AdminKey, AuditTarget, Listen, Options, Storage, Takeover, TlsVersion};
use crate::config::{Config, ConfigFile};
use crate::crypto::backup_key::BackupKey;
use crate::store::{MasterKey, parse_key};
use crate::tasks::ClockChoice;

/// The options of a server. Each has an environment variable; the flag wins.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// Configuration file (JSON with comments): identities, vaults, keys, secrets; `keyhaven init` writes an example
    #[arg(long, help_heading = headings::VAULTS, value_name = "FILE", env = "KEYHAVEN_CONFIG")]
    config: Option<PathBuf>,

    /// Directory to keep everything in [default: $XDG_DATA_HOME/keyhaven; `run` keeps nothing without it]
    #[arg(long, help_heading = headings::VAULTS, value_name = "DIR", env = "KEYHAVEN_DATA")]
    data: Option<PathBuf>,

    /// Keep nothing: all is gone when the server stops (wins over --data)
    #[arg(long, help_heading = headings::VAULTS, env = "KEYHAVEN_EPHEMERAL", value_parser = clap::builder::BoolishValueParser::new())]
    ephemeral: bool,

    /// How things are kept [default: redb; memory with --ephemeral]
    #[arg(long, help_heading = headings::VAULTS, value_name = "ENGINE", env = "KEYHAVEN_STORE")]
    store: Option<StoreEngine>,

    /// Address of the vaults (HTTPS) [default: 127.0.0.1:8443; a free port in `run`]
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "ADDR", env = "KEYHAVEN_LISTEN", value_parser = address::parse)]
    listen: Option<SocketAddr>,

    /// Address of managed-identity tokens (HTTP) [default: 127.0.0.1:8080; a free port in `run`]
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "ADDR", env = "KEYHAVEN_IDENTITY_LISTEN", value_parser = address::parse)]
    identity_listen: Option<SocketAddr>,

    /// Address of the admin API (HTTP); empty switches it off [default: 127.0.0.1:8081; a free port in `run`]
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "ADDR", env = "KEYHAVEN_ADMIN_LISTEN")]
    admin_listen: Option<String>,

    #[command(flatten)]
    takeover: TakeoverArgs,

    /// The tenant's id, a GUID (domain names are answered anyway) [default: the configuration's; in `run` AZURE_TENANT_ID]
    #[arg(long, help_heading = headings::VAULTS, value_name = "ID", env = "KEYHAVEN_TENANT", value_parser = parse_tenant)]
    tenant: Option<Uuid>,

    /// Directory of the local CA [default: DATA/certs; made for this start alone where nothing is kept]
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "DIR", env = "KEYHAVEN_CERTS")]
    certs: Option<PathBuf>,

    /// The one version of TLS to serve, by the takeover too: 1.2 or 1.3 [default: both]
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "VERSION", env = "KEYHAVEN_TLS")]
    tls: Option<TlsVersion>,

    /// File to write once every listener answers: addresses, admin key, environment (JSON)
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "FILE", env = "KEYHAVEN_READY_FILE")]
    ready_file: Option<PathBuf>,

    /// Make a vault that is asked for by a well-formed name and is not there, like the default one; the first request
    /// that would be allowed in it makes it. It takes no names: any is made [default: false; true in `run`]
    #[arg(long, help_heading = headings::VAULTS, value_name = "BOOL", env = "KEYHAVEN_CREATE_VAULTS", value_parser = clap::builder::BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    create_vaults: Option<bool>,

    /// Address that every request counts as coming from in the network rules of vaults, unless its identity has `addresses` [default:
    /// the connection's]
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "ADDR", env = "KEYHAVEN_CLIENT_ADDRESS", value_parser = address::parse_ip)]
    client_address: Option<IpAddr>,

    /// Make version and request ids repeatable; key material stays random
    #[arg(long, help_heading = headings::VAULTS, value_name = "N", env = "KEYHAVEN_SEED")]
    seed: Option<u64>,

    /// The clock that vaults live by; only a virtual one can be moved (`keyhaven clock`)
    #[arg(long, help_heading = headings::TIME, value_name = "CLOCK", env = "KEYHAVEN_CLOCK", default_value = "real", value_parser = ClockParser)]
    clock: ClockChoice,

    /// Only identities exist that the configuration or the admin API names; without it, `run`, and `serve` where no
    /// configuration names identities, make those that programs on this machine sign in as through the takeover, with the
    /// grants of the default identity
    #[arg(long, help_heading = headings::VAULTS, env = "KEYHAVEN_STRICT", value_parser = clap::builder::BoolishValueParser::new())]
    strict: bool,

    /// File to write a record of each request, sign-in and change into, refused ones too: JSON lines in the schema of Azure
    /// Monitor's AuditEvent; rotated at 100 MiB; - writes them to stdout
    #[arg(long, help_heading = headings::LOG, value_name = "FILE", env = "KEYHAVEN_AUDIT")]
    audit: Option<PathBuf>,

    /// Form of the log on stderr
    #[arg(long, help_heading = headings::LOG, value_name = "FORM", env = "KEYHAVEN_LOG", default_value = "text")]
    log: LogFormat,

    /// What to log: error, warn, info, debug, trace, or a filter such as keyhaven=debug [default: info; warn in `run`]
    #[arg(long, help_heading = headings::LOG, value_name = "LEVEL", env = "KEYHAVEN_LOG_LEVEL")]
    log_level: Option<String>,
}

/// The engines that keep things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StoreEngine {
    /// An embedded database: what was acknowledged survives a crash
    Redb,
    /// Another embedded database, all of it in memory too (docs/stores.md)
    #[cfg_attr(not(feature = "sled"), value(hide = true))]
    Sled,
    /// Nothing outlives the process
    Memory,
}

/// A sub-command's defaults.
pub(super) struct ServerDefaults {
    /// Whether data is kept in memory only.
    pub(super) ephemeral: bool,
    /// The listeners' addresses.
    pub(super) listen: Listen,
    /// Whether unknown vaults are created on demand.
    pub(super) create_vaults: bool,
    /// Whether unknown identities are created on demand although the configuration names some.
    pub(super) create_identities: bool,
    /// The log level.
    pub(super) log_level: &'static str,
    /// The tenant of the environment, for a server that runs for one command.
    pub(super) tenant: Option<Uuid>,
}

impl ServerArgs {
    /// Converts the arguments to the options of a start.
    pub(super) fn options(&self, defaults: &ServerDefaults) -> Result<Options, Failure> {
        let admin_key = admin_key()?;
        let listen = self.listen_addresses(defaults.listen)?;
        if listen.admin.is_some_and(|admin| !admin.ip().is_loopback()) && admin_key.is_none() {
            let why = "--admin-listen beyond loopback needs a key of your own: set KEYHAVEN_ADMIN_KEY";
            return Err(Failure::usage(why));
        }
        let is_left_out = self.takeover.is_left_out(defaults.listen, listen);
        let (listen, takeover) = self.takeover_options(listen)?;
        let config_file = self.config_file(defaults.tenant);
        let config = self.configuration(config_file.as_ref(), defaults.tenant)?;
        let strict = self.strict || !(defaults.create_identities || config.has_default_identities);
        let options = Options {
            config,
            config_file,
            storage: self.storage(defaults.ephemeral)?,
            certs: self.certs.clone(),
            listen,
            client_address: self.client_address,
            seed: self.seed,
            create_vaults: self.create_vaults.unwrap_or(defaults.create_vaults),
            clock: self.clock,
            admin_key,
            seal_key: seal_key()?,
            backup_key: backup_key()?,
            tls: self.tls,
            takeover,
            audit: self.audit_target(),
            strict,
            identity_header: variables::non_empty("KEYHAVEN_IDENTITY_HEADER"),
            ..Options::default()
        };
        // After every refusal, which is one line.
        if is_left_out {
            let why = "another listener is beyond loopback; --proxy-listen switches it on";
            tracing::info!(why, "the takeover's proxy is off");
        }
        Ok(options)
    }

    /// Installs the log on stderr.
    pub(super) fn log(&self, default_level: &str) -> Result<(), Failure> {
        let level = self.log_level.as_deref().unwrap_or(default_level);
        log::install(level, self.log)
    }

    /// The ready file that the user named. One that `keyhaven env` named in this shell is another server's.
    pub(super) fn ready_file(&self) -> Option<PathBuf> {
        let is_of_shell = self.ready_file == variables::path(stale::READY_FILE);
        match is_of_shell {
            true => variables::own().remove(stale::READY_FILE).map(PathBuf::from),
            false => self.ready_file.clone(),
        }
    }

    /// The data directory, unless data is kept in memory only.
    pub(super) fn data(&self) -> Option<PathBuf> {
        if self.ephemeral { None } else { data_dir(self.data.as_deref()).ok() }
    }

    /// The data directory that was named, unless data is kept in memory only.
    pub(super) fn named_data(&self) -> Option<&Path> {
        self.data.as_deref().filter(|_| !self.ephemeral)
    }

    /// Whether the proxy lets nothing out.
    pub(super) const fn is_offline(&self) -> bool {
        self.takeover.is_offline()
    }

    fn audit_target(&self) -> Option<AuditTarget> {
        let given = self.audit.clone().filter(|path| !path.as_os_str().is_empty())?;
        Some(if given == Path::new("-") { AuditTarget::Stdout } else { AuditTarget::File(given) })
    }

    fn storage(&self, ephemeral: bool) -> Result<Storage, Failure> {
        let in_memory = self.ephemeral || (ephemeral && self.data.is_none());
        check_engine(self.store, cfg!(feature = "sled"))?;
        match (in_memory, self.store) {
            (true, Some(StoreEngine::Redb)) => {
                let why = "--store redb keeps things in a directory: give --data DIR and leave out --ephemeral";
                Err(Failure::usage(why))
            }
            (true, Some(StoreEngine::Sled)) => {
                let why = "--store sled keeps things in a directory: give --data DIR and leave out --ephemeral";
                Err(Failure::usage(why))
            }
            (true, Some(StoreEngine::Memory) | None) => Ok(Storage::Memory),
            (false, Some(StoreEngine::Memory)) => Ok(Storage::MemoryIn(data_dir(self.data.as_deref())?)),
            (false, Some(StoreEngine::Redb) | None) => Ok(Storage::Redb(data_dir(self.data.as_deref())?)),
            #[cfg(feature = "sled")]
            (false, Some(StoreEngine::Sled)) => Ok(Storage::Sled(data_dir(self.data.as_deref())?)),
            #[cfg(not(feature = "sled"))]
            (false, Some(StoreEngine::Sled)) => Err(Failure::usage(NO_SLED)),
        }
    }

    fn listen_addresses(&self, defaults: Listen) -> Result<Listen, Failure> {
        let wrong = |text: &str, why| Failure::usage(format!("--admin-listen {text}: {why}"));
        let admin = match &self.admin_listen {
            Some(text) => address::parse_or_off(text).map_err(|why| wrong(text, why))?,
            None => defaults.admin,
        };
        self.takeover.listen(Listen {
            vaults: self.listen.unwrap_or(defaults.vaults),
            identity: self.identity_listen.unwrap_or(defaults.identity),
            admin,
            ..defaults
        })
    }

    /// The takeover's options. Where the environment does not allow for an optional proxy, the server has none.
    fn takeover_options(&self, listen: Listen) -> Result<(Listen, Takeover), Failure> {
        match self.takeover.options(listen.proxy.is_some()) {
            Err(why) if listen.proxy_is_optional => {
                tracing::warn!(why = why.message, "the takeover's proxy is off");
                Ok((Listen { proxy: None, ..listen }, Takeover::default()))
            }
            takeover => Ok((listen, takeover?)),
        }
    }

    /// The configuration's file, if one is named.
    pub(super) fn config_file(&self, from_environment: Option<Uuid>) -> Option<ConfigFile> {
        self.config.as_deref().map(|path| ConfigFile::new(path, self.tenant.or(from_environment)))
    }

    /// Reads the configuration. Its tenant wins: `--tenant` must be the same, the environment's may differ.
    fn configuration(&self, file: Option<&ConfigFile>, from_environment: Option<Uuid>) -> Result<Config, Failure> {
        let wanted = self.tenant.or(from_environment);
        let Some(file) = file else {
            return Ok(wanted.map_or_else(Config::default, Config::of_tenant));
        };
        let config = file.read().map_err(Failure::usage)?;
        match (self.tenant, from_environment) {
            (Some(asked), _) if asked != config.tenant => {
                let (path, tenant) = (file.path().display(), config.tenant);
                return Err(Failure::usage(format!(
                    "{path}: tenantId is {tenant}, --tenant {asked}: give one of them"
                )));
            }
            (None, Some(found)) if found != config.tenant => {
                let tenant = config.tenant;
                tracing::warn!(%found, %tenant, "AZURE_TENANT_ID is another tenant than the configuration's; the command gets the latter");
            }
            _ => {}
        }
        Ok(config)
    }
}

/// Why sled is refused by a build without it.
const NO_SLED: &str =
    "--store sled: this build has no sled; one with it is made by cargo install --locked --path . --features sled";

/// Refuses an engine that this build lacks.
fn check_engine(store: Option<StoreEngine>, has_sled: bool) -> Result<(), Failure> {
    match store {
        Some(StoreEngine::Sled) if !has_sled => Err(Failure::usage(NO_SLED)),
        _ => Ok(()),
    }
}

/// The data directory: `named`, else `$XDG_DATA_HOME/keyhaven`, else `~/.local/share/keyhaven`.
pub(super) fn data_dir(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let base =
        variables::path("XDG_DATA_HOME").or_else(|| variables::path("HOME").map(|home| home.join(".local/share")));
    let none = || Failure::usage("no place to keep things: give --data DIR, or --ephemeral to keep nothing");
    base.map(|base| base.join("keyhaven")).ok_or_else(none)
}

/// Parses a tenant's id.
fn parse_tenant(text: &str) -> Result<Uuid, String> {
    Uuid::parse_str(text).map_err(|_| "not a GUID; the tenant answers to every domain name anyway".to_owned())
}

/// Reads the admin key from the environment.
fn admin_key() -> Result<Option<AdminKey>, Failure> {
    let given = variables::own().remove("KEYHAVEN_ADMIN_KEY").map(Zeroizing::new).filter(|text| !text.is_empty());
    let parsed = given.map(|text| AdminKey::parse(&text)).transpose();
    parsed.map_err(|why| Failure::usage(format!("KEYHAVEN_ADMIN_KEY cannot be used: {why}")))
}

/// Reads the key that wraps the store's data key from the environment.
pub(super) fn seal_key() -> Result<Option<MasterKey>, Failure> {
    let Some(text) = variables::text("KEYHAVEN_SEAL_KEY") else { return Ok(None) };
    let wrong = "KEYHAVEN_SEAL_KEY is not a key: it takes 32 bytes as 64 hexadecimal digits or base64";
    MasterKey::parse(text.trim()).map(Some).map_err(|_| Failure::usage(wrong))
}

/// Reads the key that backups and snapshots are sealed under from the environment.
fn backup_key() -> Result<Option<BackupKey>, Failure> {
    let Some(text) = variables::text("KEYHAVEN_BACKUP_KEY") else { return Ok(None) };
    let wrong = "KEYHAVEN_BACKUP_KEY is not a key: it takes 32 bytes as 64 hexadecimal digits or base64";
    parse_key(&text).map(|bytes| Some(BackupKey::from_bytes(bytes))).map_err(|_| Failure::usage(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_sled_names_the_feature_that_gives_it() {
        let refused = check_engine(Some(StoreEngine::Sled), false).unwrap_err();
        assert_eq!(refused.status, 2);
        assert!(
            refused.message.contains("--store sled: this build has no sled;")
                && refused.message.contains("--features sled")
        );
        for engine in [None, Some(StoreEngine::Redb), Some(StoreEngine::Memory)] {
            assert!(check_engine(engine, false).is_ok(), "{engine:?}");
        }
        assert!(check_engine(Some(StoreEngine::Sled), true).is_ok());
    }
}
