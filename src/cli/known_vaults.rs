//! Which vaults the server has. A command that only looks asks first: a server with --create-vaults makes each vault that is asked for.

use hyper::Method;
use serde_json::Value;

use super::Failure;
use super::client::AdminClient;
use crate::config::{did_you_mean, listed};

/// The names of a server's vaults.
pub(super) struct KnownVaults(Vec<String>);

impl KnownVaults {
    /// Asks the server.
    pub(super) async fn of(client: &AdminClient) -> Result<Self, Failure> {
        let status = client.json_request(Method::GET, "/admin/status", None).await?;
        let all = status["vaults"].as_array().into_iter().flatten();
        Ok(Self(all.filter_map(Value::as_str).map(str::to_owned).collect()))
    }

    /// Fails when there is no vault `name`, with the one that was probably wanted.
    pub(super) fn expect(&self, name: &str) -> Result<(), Failure> {
        if self.has(name) {
            return Ok(());
        }
        let (like, all) = (did_you_mean(name, self.names()), listed(self.names()));
        Err(Failure::failed(format!("no vault '{name}'{like}; there are {all}")))
    }

    /// Whether there is a vault `name`, in whatever case.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// `; other vaults, with --vault: NAMES`; empty when `name` is the only one.
    pub(super) fn besides(&self, name: &str) -> String {
        let others: Vec<_> = self.names().filter(|known| !known.eq_ignore_ascii_case(name)).collect();
        let listed = listed(others.iter().copied());
        if others.is_empty() { String::new() } else { format!("; other vaults, with --vault: {listed}") }
    }

    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(String::as_str)
    }
}
