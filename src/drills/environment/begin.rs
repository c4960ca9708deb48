//! What must be there before the first step: the vault's URL, an answer of the vault, a token. Each failure says what to do.

use std::fmt::Display;

use crate::drills::admin::AdminClient;
use crate::remote::{Agent, Credential, RequestError, TrustStore, VaultClient, VaultUrl, is_local};

/// Where the metadata service is, when no variable names a sign-in.
const METADATA_SERVICE: &str = "http://169.254.169.254";

/// The URL of the vault that was named: a URL as it is, a name at the port of its server.
pub(super) fn vault_url(named: &str, port: Option<u16>) -> Result<VaultUrl, String> {
    if named.contains("://") {
        return named.parse().map_err(|why| format!("--vault {named}: {why}"));
    }
    let is_name = !named.is_empty() && named.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let port = match port {
        Some(port) if is_name => port,
        None if is_name => return Err(format!("--vault {named}: its server is not known here; {OWN_URL}")),
        _ => return Err(format!("--vault {named}: neither the name nor the URL of a vault; {OWN_URL}")),
    };
    own_url(named, port).ok_or_else(|| format!("--vault {named}: {OWN_URL}"))
}

const OWN_URL: &str = "write https://NAME.vault.localhost:PORT, or the name with --admin";

/// The URL of a vault at its server's own name.
fn own_url(name: &str, port: u16) -> Option<VaultUrl> {
    format!("https://{name}.vault.localhost:{port}").parse().ok()
}

/// The client of the vault. A server on another machine is at the host of its admin API.
pub(super) fn agent(trust: TrustStore, admin: Option<&AdminClient>) -> Agent {
    match admin.and_then(AdminClient::host).filter(|host| !is_local(host)) {
        Some(host) => trust.agent_at(&host),
        None => trust.agent(),
    }
}

/// Asks the vault for its challenge, and signs in.
pub(super) fn ask(vault: &VaultClient, credential: &Credential) -> Result<(), CannotBegin> {
    vault.tenant().map_err(CannotBegin::Vault)?;
    let is_default = matches!(credential, Credential::Imds { host, .. } if host == METADATA_SERVICE);
    vault.sign_in().map_err(|error| CannotBegin::SignIn { error, is_default })
}

/// Why no step can run.
#[derive(Debug)]
pub(super) enum CannotBegin {
    /// The vault does not answer.
    Vault(RequestError),
    /// There is no token; `is_default` when no variable says how to get one.
    SignIn { error: RequestError, is_default: bool },
}

/// What the texts need to know.
pub(super) struct Known {
    /// The URL that was asked.
    pub(super) asked: VaultUrl,
    /// The port of the server's vaults.
    pub(super) port: Option<u16>,
    /// The file of `--ca`.
    pub(super) ca_file: Option<String>,
}

impl CannotBegin {
    /// One line that says what to do.
    pub(super) fn explain(&self, known: &Known) -> String {
        match self {
            Self::Vault(RequestError::UnknownCa { host }) => match &known.ca_file {
                Some(file) => foreign_ca(host, file),
                None => RequestError::UnknownCa { host: host.clone() }.to_string(),
            },
            Self::Vault(error @ (RequestError::NoAnswer(_) | RequestError::NoVault(_))) => known.with_own_url(error),
            Self::Vault(error) | Self::SignIn { error, is_default: false } => error.to_string(),
            Self::SignIn { error, is_default: true } => format!(
                "{error}; give --admin, or sign in by IDENTITY_ENDPOINT and IDENTITY_HEADER, or AZURE_CLIENT_SECRET"
            ),
        }
    }
}

fn foreign_ca(host: &str, file: &dyn Display) -> String {
    format!(
        "no answer: {host}: its certificate is of another CA than --ca {file} holds; its server writes that one: keyhaven ca export"
    )
}

impl Known {
    /// The error, and where the vault is at the server that is known.
    fn with_own_url(&self, error: &RequestError) -> String {
        let name = self.asked.authority().split(['.', ':']).next().unwrap_or_default();
        match self.port.and_then(|port| own_url(name, port)).filter(|own| *own != self.asked) {
            Some(own) => format!("{error}; at the server that is known here it is {own}"),
            None => format!("{error}; start its server with `keyhaven serve`, or give the URL with its port"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_at_the_port_of_its_server_and_a_url_is_as_it_is() {
        let url = |named, port| vault_url(named, port).map(|url| url.to_string());
        assert_eq!(url("shop", Some(8443)).unwrap(), "https://shop.vault.localhost:8443");
        assert_eq!(url("shop", Some(443)).unwrap(), "https://shop.vault.localhost");
        assert_eq!(url("https://shop.vault.azure.net", Some(8443)).unwrap(), "https://shop.vault.azure.net");
        assert!(url("shop", None).unwrap_err().contains("its server is not known here; write https://NAME."));
        for wrong in ["", "shop.vault.localhost", "a/b"] {
            assert!(url(wrong, Some(1)).unwrap_err().contains("neither the name nor the URL of a vault"), "{wrong}");
        }
        assert!(url("http://shop", None).unwrap_err().starts_with("--vault http://shop: "));
    }

    #[test]
    fn a_vault_that_does_not_answer_is_named_by_its_own_url() {
        let known =
            |asked: &str, port| Known { asked: asked.parse().unwrap(), port, ca_file: Some("own.pem".to_owned()) };
        let refused = || CannotBegin::Vault(RequestError::NoAnswer("Connection refused".to_owned()));
        let own =
            "no answer: Connection refused; at the server that is known here it is https://shop.vault.localhost:8443";
        for asked in ["https://shop.vault.localhost", "https://shop.vault.azure.net"] {
            assert_eq!(refused().explain(&known(asked, Some(8443))), own);
        }
        let itself = known("https://shop.vault.localhost:8443", Some(8443));
        assert!(refused().explain(&itself).contains("start its server with `keyhaven serve`"));
        let foreign = CannotBegin::Vault(RequestError::UnknownCa { host: "h".to_owned() });
        assert!(foreign.explain(&itself).contains("h: its certificate is of another CA than --ca own.pem holds"));
    }
}
