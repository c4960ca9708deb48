//! The options of the takeover proxy, which `serve` and `run` share.

use clap::Args;

use super::{Failure, address, headings, variables};
use crate::app::{self, CloudService, Listen, ParentProxy, Takeover};

/// What the proxy does.
#[derive(Debug, Args)]
pub(super) struct TakeoverArgs {
    /// Address of the takeover proxy, on loopback; `off` switches it off [default: 127.0.0.1:8082 when every listener is on
    /// loopback and the port is free; a free port in `run`]
    #[arg(long, help_heading = headings::ADDRESSES, value_name = "ADDR", env = "KEYHAVEN_PROXY_LISTEN")]
    proxy_listen: Option<String>,

    /// What the proxy takes over: vault, entra (sign-in, with the metadata address), arm, factory (what
    /// nodes of integration runtimes reach) [default: all of them]
    #[arg(long, help_heading = headings::TAKEOVER, value_name = "PARTS", env = "KEYHAVEN_TAKEOVER", value_delimiter = ',')]
    takeover: Vec<CloudService>,

    /// Let nothing out: the proxy refuses every name that is not taken over, but for those of --pass
    #[arg(long, help_heading = headings::TAKEOVER, env = "KEYHAVEN_OFFLINE", value_parser = clap::builder::BoolishValueParser::new())]
    offline: bool,

    /// Let a host through: one of Azure that is not emulated, with --offline any; without :PORT, on any port (repeatable, or with
    /// commas)
    #[arg(long, help_heading = headings::TAKEOVER, value_name = "HOST[:PORT]", env = "KEYHAVEN_PASS", value_delimiter = ',')]
    pass: Vec<String>,
}

impl TakeoverArgs {
    /// Puts the proxy's address into `listen`, whose proxy is the sub-command's default.
    pub(super) fn listen(&self, listen: Listen) -> Result<Listen, Failure> {
        let Some(text) = &self.proxy_listen else { return Ok(self.default_listen(listen)) };
        let wrong = |why: &str| Failure::usage(format!("--proxy-listen {text}: {why}"));
        let address = address::parse_or_off(text).map_err(|why| wrong(&why))?;
        match address {
            Some(address) if !address.ip().is_loopback() => {
                Err(wrong("the proxy listens on loopback alone; write 127.0.0.1:PORT"))
            }
            proxy => Ok(Listen { proxy, proxy_is_optional: false, ..listen }),
        }
    }

    /// An optional proxy is for servers on loopback alone. An option of the proxy asks for it.
    fn default_listen(&self, listen: Listen) -> Listen {
        let others = [Some(listen.vaults), Some(listen.identity), listen.admin];
        let on_loopback = others.into_iter().flatten().all(|address| address.ip().is_loopback());
        let proxy = listen.proxy.filter(|_| on_loopback || !listen.proxy_is_optional);
        Listen { proxy, proxy_is_optional: listen.proxy_is_optional && self.given_flag().is_none(), ..listen }
    }

    /// Whether `listen`, made from `defaults`, has no proxy because another listener is beyond loopback.
    pub(super) fn is_left_out(&self, defaults: Listen, listen: Listen) -> bool {
        self.proxy_listen.is_none() && defaults.proxy.is_some() && listen.proxy.is_none()
    }

    /// Converts the arguments to the proxy's options; refuses arguments for a proxy that is off.
    pub(super) fn options(&self, has_proxy: bool) -> Result<Takeover, Failure> {
        if !has_proxy {
            return self.given_flag().map_or(Ok(Takeover::default()), |flag| {
                Err(Failure::usage(format!("{flag} is of the takeover's proxy, which is off: give --proxy-listen too")))
            });
        }
        let own = variables::own();
        let parent_proxy = if self.offline && self.pass.is_empty() {
            ParentProxy::default()
        } else {
            ParentProxy::from_variables(&own).map_err(Failure::usage)?
        };
        let ca_files = app::ca_files_in(&own);
        let takeover = Takeover { offline: self.offline, parent_proxy, ca_files, ..Takeover::default() };
        let services = if self.takeover.is_empty() { takeover.services.clone() } else { self.takeover.clone() };
        Takeover { services, ..takeover }.allowing(&self.pass).map_err(|why| Failure::usage(format!("--pass {why}")))
    }

    /// Whether the proxy lets nothing out, but for what `--pass` names.
    pub(super) const fn is_offline(&self) -> bool {
        self.offline
    }

    /// The first option of the proxy that was given.
    fn given_flag(&self) -> Option<&'static str> {
        let given =
            [(!self.takeover.is_empty(), "--takeover"), (self.offline, "--offline"), (!self.pass.is_empty(), "--pass")];
        given.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
    }
}
