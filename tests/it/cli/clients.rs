//! What other programs say when they are not set up for the server, as docs/troubleshooting.md looks it up. Each program is run
//! into its error. tests/sdk has those of the SDKs, of Go and of Java.

use std::process::Command;

use super::{Served, keyhaven};

const PYTHON: [&str; 3] = ["python3", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"];
const NODE: [&str; 3] = ["node", "-e", "fetch(process.argv[1]).catch(e => console.log(e.cause.code, e.cause.message))"];
const CURL: [&str; 3] = ["curl", "--silent", "--show-error"];
const WGET: [&str; 3] = ["wget", "--tries=1", "-O-"];

/// Everything that `program` prints for `url` in an environment with nothing but `own`.
fn printed(program: [&str; 3], url: &str, own: &[(&str, &str)]) -> String {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(url).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.envs(own.iter().copied()).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn who_does_not_trust_the_ca_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&dir.path().join("data"), &[]);
    let url = served.ready["listen"].as_str().unwrap().replace("127.0.0.1", "https://localhost");
    for (program, text) in [
        (PYTHON, "CERTIFICATE_VERIFY_FAILED"),
        (PYTHON, "unable to get local issuer certificate"),
        (CURL, "SSL certificate problem: unable to get local issuer certificate"),
        (NODE, "UNABLE_TO_VERIFY_LEAF_SIGNATURE unable to verify the first certificate"),
        (WGET, "cannot verify localhost's certificate"),
    ] {
        let said = printed(program, &url, &[]);
        let of_gnutls = program == WGET && said.contains("The certificate of 'localhost' is not trusted.");
        assert!(said.contains(text) || of_gnutls, "{text}: {said}");
    }
}

#[test]
fn who_keeps_the_variables_of_a_server_that_is_gone_says_so() {
    let gone = [("HTTPS_PROXY", "http://127.0.0.1:9"), ("https_proxy", "http://127.0.0.1:9")];
    for (program, text) in [
        (PYTHON, "Connection refused"),
        (WGET, "failed: Connection refused."),
        (CURL, "Failed to connect to 127.0.0.1 port 9"),
    ] {
        let said = printed(program, "https://local.vault.azure.net/", &gone);
        assert!(said.contains(text), "{text}: {said}");
    }
    let gone = [("CURL_CA_BUNDLE", "/nowhere/bundle.pem"), ("NODE_EXTRA_CA_CERTS", "/nowhere/bundle.pem")];
    let node = printed(NODE, "https://127.0.0.1:9/", &gone);
    assert!(node.contains("Warning: Ignoring extra certs from `/nowhere/bundle.pem`, load failed:"), "{node}");
    // curl reads the bundle once it is connected.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let curl = printed(CURL, &format!("https://{}/", listener.local_addr().unwrap()), &gone);
    assert!(curl.contains("error setting certificate"), "{curl}");
}

/// In a namespace whose names come from /etc/hosts alone, as where nothing resolves names below localhost.
#[cfg(target_os = "linux")]
#[test]
fn who_cannot_resolve_a_vault_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let names = dir.path().join("nsswitch.conf");
    std::fs::write(&names, "hosts: files\n").unwrap();
    let script = r#"mount --bind "$0" /etc/nsswitch.conf && exec "$@" https://local.vault.localhost:8443/"#;
    for (program, text) in [(PYTHON, "Name or service not known"), (NODE, "ENOTFOUND")] {
        let mut command = Command::new("unshare");
        command.args(["-rnm", "sh", "-c", script]).arg(&names).args(program);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(text), "{text}: {said}");
    }
}

#[test]
fn who_is_refused_by_the_proxy_says_so() {
    for (program, text) in
        [(CURL, "CONNECT tunnel failed, response 403"), (PYTHON, "Tunnel connection failed: 403 Forbidden")]
    {
        let mut run = keyhaven(&["run", "--"]);
        let output = run.args(program).arg("https://dev.azure.com/").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(text) && said.contains("start with --pass dev.azure.com"), "{text}: {said}");
    }
}
