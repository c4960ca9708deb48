//! The options of the takeover proxy, which `serve` and `run` share.

use std::net::SocketAddr;

use clap::Args;

use super::{Failure, address, variables};
use crate::app::{self, CloudService, ParentProxy, Takeover};

/// What the proxy does.
#[derive(Debug, Args)]
pub(super) struct TakeoverArgs {
    /// Address of the takeover proxy, on loopback; empty switches it off [default: off; a free port in `run`]
    #[arg(long, value_name = "ADDR", env = "KEYHAVEN_PROXY_LISTEN")]
    proxy_listen: Option<String>,

    /// What the proxy takes over: vault, entra (sign-in, with the metadata address), arm [default: all of them]
    #[arg(long, value_name = "PARTS", env = "KEYHAVEN_TAKEOVER", value_delimiter = ',')]
    takeover: Vec<CloudService>,

    /// Let nothing out: the proxy refuses every name that is not taken over, but for those of --pass
    #[arg(long, env = "KEYHAVEN_OFFLINE", value_parser = clap::builder::BoolishValueParser::new())]
    offline: bool,

    /// Let a host through: one of Azure that is not emulated, with --offline any (repeatable)
    #[arg(long, value_name = "HOST[:PORT]", env = "KEYHAVEN_PASS", value_delimiter = ',')]
    pass: Vec<String>,
}

impl TakeoverArgs {
    /// The proxy's address, if it is on.
    pub(super) fn listen(&self, default: Option<SocketAddr>) -> Result<Option<SocketAddr>, Failure> {
        let Some(text) = &self.proxy_listen else { return Ok(default) };
        let wrong = |why: &str| Failure::usage(format!("--proxy-listen {text}: {why}"));
        let address = address::parse_or_off(text).map_err(|why| wrong(&why))?;
        match address {
            Some(address) if !address.ip().is_loopback() => {
                Err(wrong("the proxy listens on loopback alone; write 127.0.0.1:PORT"))
            }
            address => Ok(address),
        }
    }

    /// Converts the arguments to the proxy's options; refuses arguments for a proxy that is off.
    pub(super) fn options(&self, has_proxy: bool) -> Result<Takeover, Failure> {
        if !has_proxy {
            return self.flag_without_proxy().map_or(Ok(Takeover::default()), |flag| {
                Err(Failure::usage(format!("{flag} is of the takeover's proxy, which is off: give --proxy-listen too")))
            });
        }
        let own = variables::all();
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

    fn flag_without_proxy(&self) -> Option<&'static str> {
        let given =
            [(!self.takeover.is_empty(), "--takeover"), (self.offline, "--offline"), (!self.pass.is_empty(), "--pass")];
        given.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
    }
}
