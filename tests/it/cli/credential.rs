//! `--credential` of `run` and `env`: what programs find to sign in with, and that it is good at the server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{Served, config, keyhaven, refused};

use crate::base64url;

type Environment = BTreeMap<String, String>;

const TENANT: &str = "6b9e7c1a-0000-4000-8000-000000000001";
const DEFAULT: &str = "6b9e7c1a-0000-4000-8000-00000000c11e";
const NOBODY: &str = "6b9e7c1a-0000-4000-8000-00000000c11f";
const SECRET: &str = "AZURE_CLIENT_SECRET";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
const TOKEN: &str = "AZURE_FEDERATED_TOKEN_FILE";
const MANAGED: [&str; 2] = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];
const KINDS: [(&str, &str); 3] =
    [("workload-identity", TOKEN), ("client-secret", SECRET), ("client-certificate", CERTIFICATE)];

/// A run whose command waits until this is dropped, and the environment that it has.
struct Inside {
    child: Child,
    ready: Value,
    env: Environment,
}

impl Inside {
    fn run(args: &[&str], own: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ready, env) = (dir.path().join("ready.json"), dir.path().join("env"));
        let script = r#"env -0 >"$0.new" && mv "$0.new" "$0" && cat"#;
        let mut command = keyhaven(&["run", "--ready-file", ready.to_str().unwrap()]);
        command.args(args).args(["--", "sh", "-c", script, env.to_str().unwrap()]).envs(own.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !env.exists() {
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the command did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        let ready = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        let text = std::fs::read_to_string(&env).unwrap();
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        Self { child, ready, env: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What the token endpoint of the server of `ready` answers to a form for a vault's token.
fn post(ready: &Value, form: &[(&str, &str)]) -> Value {
    let all = [("grant_type", "client_credentials"), ("scope", "https://vault.azure.net/.default")];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(all.iter().chain(form)).finish();
    let roots = crate::world::roots(Path::new(ready["ca"].as_str().unwrap()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let settings = settings.with_root_certificates(roots).with_no_client_auth();
    let name = "login.localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(settings), name).unwrap();
    let mut stream = TcpStream::connect(ready["listen"].as_str().unwrap()).unwrap();
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    let path = format!("/{}/oauth2/v2.0/token", ready["tenant"].as_str().unwrap());
    let head = format!("POST {path} HTTP/1.1\r\nHost: login.localhost\r\nConnection: close\r\n");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    write!(tls, "{head}{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len()).unwrap();
    let mut answer = String::new();
    let _ = tls.read_to_string(&mut answer);
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Whose token a client gets by a secret; or the error.
fn by_secret(ready: &Value, client: &str, secret: &str) -> String {
    owner(&post(ready, &[("client_id", client), ("client_secret", secret)]))
}

fn by_assertion(ready: &Value, client: &str, assertion: &str) -> String {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    owner(&post(ready, &[("client_id", client), ("client_assertion_type", kind), ("client_assertion", assertion)]))
}

/// The `appid` of the token that was given, else the code of the error.
fn owner(answer: &Value) -> String {
    match answer["access_token"].as_str() {
        Some(token) => claims(token)["appid"].as_str().unwrap().to_owned(),
        None => format!("AADSTS{}", answer["error_codes"][0]),
    }
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&base64url::decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Signs in as a program does that has `env`, with the one credential that `variable` names.
fn sign_in(ready: &Value, env: &Environment, variable: &str) -> String {
    let (client, value) = (&env["AZURE_CLIENT_ID"], &env[variable]);
    match variable {
        SECRET => by_secret(ready, client, value),
        TOKEN => by_assertion(ready, client, &std::fs::read_to_string(value).unwrap()),
        _ => by_assertion(ready, client, &own_assertion(client, &std::fs::read(value).unwrap())),
    }
}

/// What a client signs with a certificate and its key; it names the certificate as MSAL for Go does.
fn own_assertion(client: &str, pem: &[u8]) -> String {
    let blocks = pem::parse_many(pem).unwrap();
    let mut header = Header::new(Algorithm::PS256);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, blocks[0].contents());
    header.x5t_s256 = Some(STANDARD.encode(digest.as_ref()));
    let aud = format!("https://login.localhost/{TENANT}/oauth2/v2.0/token");
    // Far in the future: a test knows no clock.
    let claims = json!({"iss": client, "sub": client, "aud": aud, "exp": 32_503_680_000_i64});
    let key = EncodingKey::from_rsa_pem(pem::encode(&blocks[1]).as_bytes()).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

fn is_private(file: &str) -> bool {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777 == 0o600
}

#[test]
fn run_gives_the_credential_that_is_chosen_and_no_other() {
    for (kind, variable) in KINDS {
        let own =
            [(SECRET, "real"), (CERTIFICATE, "real"), (TOKEN, "real"), (MANAGED[0], "real"), (MANAGED[1], "real")];
        for own in [&own[..], &[]] {
            // Strict, so that only what is good signs in.
            let inside = Inside::run(&["--strict", "--credential", kind], own);
            let env = &inside.env;
            assert_eq!((&*env["AZURE_TENANT_ID"], &*env["AZURE_CLIENT_ID"]), (TENANT, DEFAULT));
            for other in KINDS.map(|(_, variable)| variable).into_iter().chain(MANAGED).filter(|name| *name != variable)
            {
                assert_eq!(env.get(other), None, "{kind}");
            }
            assert!(!env.contains_key("AZURE_AUTHORITY_HOST"), "sign-in is taken over");
            assert!(variable == SECRET || is_private(&env[variable]), "{kind}");
            assert_eq!(sign_in(&inside.ready, env, variable), DEFAULT, "{kind}");
        }
    }
}

#[test]
fn a_managed_identity_is_what_run_gives_when_nothing_is_said() {
    for args in [&[][..], &["--credential", "managed-identity"]] {
        let inside = Inside::run(args, &[]);
        assert!(MANAGED.iter().all(|name| inside.env.contains_key(*name)), "{args:?}");
        assert!(KINDS.iter().all(|(_, variable)| !inside.env.contains_key(*variable)), "{args:?}");
    }
}

#[test]
fn the_credential_is_of_the_identity_that_is_named() {
    for (kind, variable) in KINDS {
        let inside = Inside::run(&["--strict", "--identity", "nobody", "--credential", kind], &[]);
        assert_eq!(sign_in(&inside.ready, &inside.env, variable), NOBODY, "{kind}");
    }
    let unknown = "31313131-0000-4000-8000-000000000001";
    let inside = Inside::run(&["--credential", "workload-identity"], &[("AZURE_CLIENT_ID", unknown)]);
    assert_eq!(sign_in(&inside.ready, &inside.env, TOKEN), unknown, "an unconfigured application");
    assert_eq!(claims(&std::fs::read_to_string(&inside.env[TOKEN]).unwrap())["sub"], unknown);

    let line = ["run", "--strict", "--credential", "workload-identity", "--", "true"];
    let output = keyhaven(&line).env("AZURE_CLIENT_ID", unknown).output().unwrap();
    let printed_text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{printed_text}");
    assert!(
        printed_text.contains(&format!("AZURE_CLIENT_ID {unknown} is no identity here; give --identity NAME")),
        "{printed_text}"
    );
}

#[test]
fn a_credential_that_is_chosen_does_not_go_with_ones_that_are_kept() {
    let printed_text = refused(&["run", "--keep-secrets", "--credential", "client-secret", "--", "true"], 2);
    assert!(printed_text.contains("--keep-secrets leaves your own credentials in place"), "{printed_text}");
    assert_eq!(keyhaven(&["run", "--credential", "password", "--", "true"]).output().unwrap().status.code(), Some(2));
}

/// Two applications with secrets of their own, the first of which is the default one.
fn shops(dir: &Path) -> String {
    let text = r#"{"identities": [
        {"name": "shop", "clientId": "31313131-0000-4000-8000-000000000001", "clientSecret": "of the shop"},
        {"name": "till", "clientId": "31313131-0000-4000-8000-000000000002", "clientSecret": "of the till"}],
      "vaults": [{"name": "local", "accessPolicies": [{"identity": "shop", "permissions": {"keys": ["all"]}}]}]}"#;
    config(dir, text).to_str().unwrap().to_owned()
}

#[test]
fn the_identity_that_run_names_takes_any_secret_and_no_other_does() {
    let dir = tempfile::tempdir().unwrap();
    let file = shops(dir.path());
    let [shop, till] = ["31313131-0000-4000-8000-000000000001", "31313131-0000-4000-8000-000000000002"];
    let wrong = "AADSTS7000215";
    for (args, own, at_shop, at_till) in [
        (&[][..], &[][..], shop, wrong),
        (&["--identity", "till"], &[], wrong, till),
        (&[], &[("AZURE_CLIENT_ID", till)], wrong, till),
        (&["--strict"], &[], wrong, wrong),
        (&["--credential", "client-secret"], &[], shop, wrong),
    ] {
        let inside = Inside::run(&[&["--config", &file], args].concat(), own);
        assert_eq!(by_secret(&inside.ready, shop, "of a program"), at_shop, "{args:?}");
        assert_eq!(by_secret(&inside.ready, till, "of a program"), at_till, "{args:?}");
        assert_eq!(by_secret(&inside.ready, shop, "of the shop"), shop, "{args:?}");
        assert_eq!(by_secret(&inside.ready, till, "of the till"), till, "{args:?}");
    }
    let served = Served::start(&dir.path().join("data"), &["--config", &file, "--proxy-listen", ":0"]);
    assert_eq!(by_secret(&served.ready, shop, "of a program"), wrong, "outside run");
}

/// The variables that `env` prints for the server with its data in `data`, and what it says besides.
fn printed(data: &Path, args: &[&str], own: &[(&str, &str)]) -> (Environment, String) {
    let mut command = keyhaven(&["env", "--format", "json", "--data", data.to_str().unwrap()]);
    let output = command.args(args).envs(own.iter().copied()).output().unwrap();
    let printed_text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed_text}");
    (serde_json::from_slice(&output.stdout).unwrap(), printed_text)
}

#[test]
fn a_credential_is_good_at_a_server_that_keeps_nothing_at_one_that_does_and_at_its_restart() {
    let dir = tempfile::tempdir().unwrap();
    let [nothing, kept] = ["nothing", "kept"].map(|name| dir.path().join(name));
    let ephemeral = ["--ephemeral", "--create-vaults", "--proxy-listen", ":0"];
    for (data, args, starts) in [(&nothing, &ephemeral[..], 1), (&kept, &ephemeral[1..], 2)] {
        let mut shell = Environment::new();
        for start in 1..=starts {
            let served = Served::start(data, args);
            for (_, variable) in KINDS.into_iter().filter(|(_, variable)| shell.contains_key(*variable)) {
                assert_eq!(sign_in(&served.ready, &shell, variable), DEFAULT, "{variable} of before the restart");
            }
            for (kind, variable) in KINDS {
                let mut command = keyhaven(&["env", "--format", "json", "--credential", kind, "--ready-file"]);
                let printed = command.arg(data.with_extension("ready")).output().unwrap().stdout;
                let env: Environment = serde_json::from_slice(&printed).unwrap();
                assert_eq!(sign_in(&served.ready, &env, variable), DEFAULT, "{kind} {args:?}, start {start}");
                shell.extend(env);
            }
        }
    }
}

#[test]
fn env_names_a_credential_that_is_good_at_the_running_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    for (kind, variable) in KINDS {
        let (env, printed_text) = printed(&data, &["--credential", kind], &[]);
        assert_eq!((&*env["AZURE_TENANT_ID"], &*env["AZURE_CLIENT_ID"], &*printed_text), (TENANT, DEFAULT, ""));
        for other in KINDS.map(|(_, variable)| variable).into_iter().chain(MANAGED).filter(|name| *name != variable) {
            assert_eq!(env.get(other), None, "{kind}");
        }
        assert!(env["AZURE_AUTHORITY_HOST"].starts_with("https://login.localhost:"));
        if variable != SECRET {
            assert!(Path::new(&env[variable]).starts_with(&data) && is_private(&env[variable]), "{kind}");
        }
        assert_eq!(sign_in(&served.ready, &env, variable), DEFAULT, "{kind}");
        assert_eq!(printed(&data, &["--credential", kind], &[]).0[variable], env[variable], "{kind}");
        let (env, _) = printed(&data, &["--credential", kind, "--identity", "nobody"], &[]);
        assert_eq!(sign_in(&served.ready, &env, variable), NOBODY, "{kind}");
    }
    for (format, line) in [
        ("sh", "export AZURE_CLIENT_SECRET='"),
        ("fish", "set -gx AZURE_CLIENT_SECRET '"),
        ("powershell", "$env:AZURE_CLIENT_SECRET = '"),
        ("dotenv", "AZURE_CLIENT_SECRET=\""),
    ] {
        let args = ["env", "--format", format, "--credential", "client-secret", "--data", data.to_str().unwrap()];
        let text = String::from_utf8(keyhaven(&args).output().unwrap().stdout).unwrap();
        assert!(text.contains(line) && !text.contains("IDENTITY_HEADER"), "{format}: {text}");
    }
    let own = [(SECRET, "real"), (MANAGED[0], "http://other"), ("AZURE_CLIENT_ID", NOBODY)];
    let (env, printed_text) = printed(&data, &["--credential", "workload-identity"], &own);
    assert_eq!(env["AZURE_CLIENT_ID"], DEFAULT);
    assert!(printed_text.starts_with("keyhaven: unset AZURE_CLIENT_SECRET, IDENTITY_ENDPOINT: "), "{printed_text}");
    let printed_text =
        refused(&["env", "--credential", "client-secret", "--identity", "me", "--data", data.to_str().unwrap()], 2);
    assert!(
        printed_text.contains("--identity me: no identity is called so; there are default, nobody"),
        "{printed_text}"
    );
}
