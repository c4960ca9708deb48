//! The fuzz targets: one function for each kind of input that strangers send. Each takes any bytes, and fails by panicking.
//! `scripts/fuzz` feeds them; the test below replays the corpora in `fuzz/corpus/`, so that what was found once stays fixed.

use crate::doors::vault::{fuzzing as doors, host};
use crate::http::authority::Authority;
use crate::vault::VaultName;
use crate::{directory, factory, proxy, snapshot, vault};

/// `METHOD URI` of a request to a vault.
pub fn request_path(bytes: &[u8]) {
    doors::request_path(bytes);
}

/// A host name with or without a port, as in `Host`.
pub fn host_name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = VaultName::parse(text);
    let Some(authority) = Authority::parse(text) else { return };
    let host = authority.host();
    let _ = (host::vault_name(host), host::cloud_vault_name(host), host::is_parent(host));
    let _ = (authority.address(), authority.parent(), authority.with_explicit_port());
}

/// The body of a request that creates or updates a key, or sets its rotation policy.
pub fn key_body(bytes: &[u8]) {
    doors::key_body(bytes);
}

/// The body of a request that sets or updates a secret.
pub fn secret_body(bytes: &[u8]) {
    doors::secret_body(bytes);
}

/// The body of a request that imports a key.
pub fn jwk(bytes: &[u8]) {
    doors::jwk(bytes);
}

/// A JSON Web Token: an access token or a client assertion.
pub fn token(bytes: &[u8]) {
    directory::fuzz_token(bytes);
}

/// A backup of a key or a secret.
pub fn backup(bytes: &[u8]) {
    vault::fuzz_backup(bytes);
}

/// A snapshot of a server.
pub fn snapshot(bytes: &[u8]) {
    snapshot::fuzz(bytes);
}

/// The target of a request to the takeover proxy.
pub fn proxy_target(bytes: &[u8]) {
    proxy::fuzzing::target(bytes);
}

/// The first bytes of a client that asked the takeover proxy for an address.
pub fn client_hello(bytes: &[u8]) {
    proxy::fuzzing::client_hello(bytes);
}

/// The connection string of a linked service.
pub fn connection_string(bytes: &[u8]) {
    factory::fuzz_connection_string(bytes);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    type Target = fn(&[u8]);

    #[test]
    fn the_corpora_are_handled() {
        let targets: [(&str, Target); 11] = [
            ("request_path", request_path),
            ("host_name", host_name),
            ("key_body", key_body),
            ("secret_body", secret_body),
            ("jwk", jwk),
            ("token", token),
            ("backup", backup),
            ("snapshot", snapshot),
            ("proxy_target", proxy_target),
            ("client_hello", client_hello),
            ("connection_string", connection_string),
        ];
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in targets {
            let seeds: Vec<_> = std::fs::read_dir(corpora.join(name)).unwrap().collect();
            assert!(!seeds.is_empty(), "{name} has a seed");
            for seed in seeds {
                target(&std::fs::read(seed.unwrap().path()).unwrap());
            }
        }
    }
}
