//! The environment variables by which programs find the server. Values that depend on the user's own environment are added
//! in `cli::environment`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::server_details::ServerDetails;
use crate::doors::entra;
use crate::doors::identity::APP_SERVICE_PATH;

/// Environment variables, by name.
pub type Variables = BTreeMap<String, String>;

/// The hosts that bypass the proxy.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";

/// The variables for the server `details`; without a proxy its default vault is at `local_url`.
pub(super) fn variables(details: &ServerDetails, local_url: &str) -> Variables {
    let vault = details.default_vault.to_string();
    let url = if details.addresses.proxy.is_some() { cloud_url(&vault) } else { local_url.to_owned() };
    let all = [
        of_vault(&vault, &url),
        identity(details),
        admin(details),
        details.addresses.proxy.map(proxy).unwrap_or_default(),
    ];
    all.into_iter().flatten().collect()
}

/// The variables that name a vault.
pub(super) fn of_vault(name: &str, url: &str) -> Variables {
    from_pairs([("KEYHAVEN_VAULT_URL", url), ("AZURE_KEYVAULT_URL", url), ("VAULT_URL", url), ("KEY_VAULT_NAME", name)])
}

/// The URL of a vault by the takeover.
pub(super) fn cloud_url(vault: &str) -> String {
    format!("https://{vault}.vault.azure.net")
}

/// Identity and token endpoints.
fn identity(details: &ServerDetails) -> Variables {
    let endpoint = format!("http://{}", reachable(details.addresses.identity));
    let mut set = from_pairs([
        ("AZURE_TENANT_ID", details.tenant.to_string()),
        ("IDENTITY_ENDPOINT", format!("{endpoint}{APP_SERVICE_PATH}")),
        ("IDENTITY_HEADER", details.identity_header.to_string()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", endpoint),
        // Clients refuse a challenge whose tenant is not the one they were configured with, unless: Python and
        // JavaScript read the first, Go and Java the second.
        ("AZURE_IDENTITY_DISABLE_MULTITENANTAUTH", "1".to_owned()),
        ("AZURE_ADDITIONALLY_ALLOWED_TENANTS", "*".to_owned()),
    ]);
    if let Some(client) = details.default_client {
        set.insert("AZURE_CLIENT_ID".to_owned(), client.to_string());
    }
    if !(details.addresses.proxy.is_some() && details.takes_over_entra) {
        let login = format!("https://{}:{}", entra::HOST, details.addresses.vaults.port());
        set.insert("AZURE_AUTHORITY_HOST".to_owned(), login);
    }
    set
}

fn admin(details: &ServerDetails) -> Variables {
    let Some(address) = details.addresses.admin else { return Variables::new() };
    let url = format!("http://{}", reachable(address));
    from_pairs([("KEYHAVEN_ADMIN_URL", url), ("KEYHAVEN_ADMIN_KEY", details.admin_key.to_string())])
}

/// The proxy in both spellings: requests, aiohttp, curl and .NET prefer lower case, JavaScript, Go and reqwest upper.
/// Java reads none of them; Node's own `fetch` reads them only with `NODE_USE_ENV_PROXY` (version 24 and later).
fn proxy(address: SocketAddr) -> Variables {
    let url = format!("http://{address}");
    let mut set = from_pairs([("NODE_USE_ENV_PROXY", "1".to_owned()), ("JAVA_TOOL_OPTIONS", java_proxy(address))]);
    for (name, value) in [("HTTPS_PROXY", url.as_str()), ("HTTP_PROXY", &url), ("NO_PROXY", NO_PROXY)] {
        set.insert(name.to_owned(), value.to_owned());
        set.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    set
}

fn java_proxy(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "-Dhttps.proxyHost={host} -Dhttps.proxyPort={port} -Dhttp.proxyHost={host} -Dhttp.proxyPort={port} \
         -Dhttp.nonProxyHosts=localhost|127.*"
    )
}

/// Collects names and values.
pub(super) fn from_pairs<const N: usize>(pairs: [(&str, impl ToString); N]) -> Variables {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
}

/// `address` for a client on this machine: an unspecified address becomes loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
    loopback.parse().map_or(address, |ip| SocketAddr::new(ip, address.port()))
}
