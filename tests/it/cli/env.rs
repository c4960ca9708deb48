//! `keyhaven env`: a running server's variables, for every shell.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Served, keyhaven, output, refused};

/// The variables of the server that keeps its data in `data`, as `env` prints them for an environment with `own`.
fn variables(data: &Path, args: &[&str], own: &[(&str, &str)]) -> (Value, String) {
    let mut command = keyhaven(&["env", "--format", "json", "--data", data.to_str().unwrap()]);
    let output = command.args(args).envs(own.iter().copied()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (serde_json::from_slice(&output.stdout).unwrap(), stderr)
}

#[test]
fn env_and_health_find_the_server_by_its_data_or_its_ready_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let ready_file = data.with_extension("ready");
    for target in [["--data", data.to_str().unwrap()], ["--ready-file", ready_file.to_str().unwrap()]] {
        let health = output(&["health", target[0], target[1]]);
        assert_eq!(health.status.code(), Some(0));
        let env = output(&["env", "--format", "json", target[0], target[1]]);
        let mut env: Value = serde_json::from_slice(&env.stdout).unwrap();
        let file = env.as_object_mut().unwrap().remove("KEYHAVEN_READY_FILE").unwrap();
        let expected = if target[0] == "--data" { data.join("ready.json") } else { ready_file.clone() };
        assert_eq!((file, &env), (Value::from(expected.to_str().unwrap()), &served.ready["env"]));
    }
    let sh = String::from_utf8(output(&["env", "--data", data.to_str().unwrap()]).stdout).unwrap();
    let read_back =
        Command::new("sh").arg("-c").arg(format!("{sh}\nprintf %s \"$KEYHAVEN_VAULT_URL\"")).output().unwrap();
    assert_eq!(String::from_utf8(read_back.stdout).unwrap(), served.ready["vaults"]["local"].as_str().unwrap());
    let left = std::fs::read(data.join("ready.json")).unwrap();
    drop(served);
    std::fs::write(data.join("ready.json"), left).unwrap();
    let told = refused(&["env", "--data", data.to_str().unwrap()], 1);
    assert!(told.contains("the server of this ready file is gone"), "as after a kill: {told}");
    let told = refused(&["health", "--data", data.to_str().unwrap()], 1);
    assert!(told.contains("no server answers at"), "{told}");
    let told = refused(&["env", "--data", dir.path().join("other").to_str().unwrap()], 1);
    assert!(told.contains("no running server found"), "{told}");
}

#[test]
fn without_a_proxy_programs_go_straight_to_what_this_server_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let (env, _) = variables(&data, &[], &[("NO_PROXY", "*")]);
    let port = served.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap();
    assert_eq!(env["AZURE_AUTHORITY_HOST"], format!("https://login.localhost:{port}"));
    assert_eq!(env["KEYHAVEN_VAULT_URL"], format!("https://local.vault.localhost:{port}"));
    assert_eq!(env["AZURE_IDENTITY_DISABLE_MULTITENANTAUTH"], "1");
    assert_eq!(env["AZURE_ADDITIONALLY_ALLOWED_TENANTS"], "*");
    for absent in ["HTTPS_PROXY", "no_proxy", "NODE_USE_ENV_PROXY", "AZURE_CONFIG_DIR", "AZURE_TOKEN_CREDENTIALS"] {
        assert_eq!(env[absent], Value::Null, "{absent}");
    }
    let java = env["JAVA_TOOL_OPTIONS"].as_str().unwrap();
    assert!(java.starts_with("-Djavax.net.ssl.trustStore=/") && !java.contains("proxyHost"), "{java}");
}

#[test]
fn with_a_proxy_what_the_shell_had_is_kept_where_it_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &["--proxy-listen", ":0"]);
    let own = [
        ("NO_PROXY", "corp.example,.azure.net,169.254.0.0/16"),
        ("JAVA_TOOL_OPTIONS", "-Xmx1g -Dhttps.proxyHost=corp"),
        ("AZURE_TOKEN_CREDENTIALS", "dev"),
    ];
    let (mut env, told) = variables(&data, &[], &own);
    let proxy = format!("http://{}", served.ready["proxy"].as_str().unwrap());
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        assert_eq!(env[name], proxy, "{name}");
    }
    for name in ["NO_PROXY", "no_proxy"] {
        assert_eq!(env[name], "localhost,127.0.0.1,::1,corp.example", "{name}");
    }
    let dropped = "left out of NO_PROXY, because it could name what is taken over: .azure.net, 169.254.0.0/16";
    assert_eq!(told, format!("keyhaven: {dropped}\n"));
    let java = env["JAVA_TOOL_OPTIONS"].as_str().unwrap();
    assert!(java.starts_with("-Xmx1g -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort="), "{java}");
    assert!(java.contains(" -Dhttp.nonProxyHosts=localhost|127.* ") && !java.contains("corp"), "{java}");
    assert_eq!((&env["AZURE_TOKEN_CREDENTIALS"], &env["NODE_USE_ENV_PROXY"]), (&"prod".into(), &"1".into()));
    assert_eq!(env["AZURE_AUTHORITY_HOST"], Value::Null, "sign-in is taken over");
    // Evaluated twice, it says the same; the credentials are those for production by then.
    env.as_object_mut().unwrap().remove("AZURE_TOKEN_CREDENTIALS");
    let again: Vec<(&str, &str)> =
        env.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    assert_eq!(variables(&data, &[], &again), (env.clone(), String::new()));
}

#[test]
fn an_identity_is_named_by_its_client_id() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    let (env, _) = variables(&data, &["--identity", "nobody"], &[]);
    assert_eq!(env["AZURE_CLIENT_ID"], "6b9e7c1a-0000-4000-8000-00000000c11f");
    let told = refused(&["env", "--data", data.to_str().unwrap(), "--identity", "me"], 2);
    assert!(told.contains("--identity me: no identity is called so; there are default, nobody"), "{told}");
}

#[test]
fn what_clients_trust_lies_in_a_private_directory_that_goes_with_the_server() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut served = Served::start(&data, &[]);
    let (env, _) = variables(&data, &[], &[]);
    let bundle = Path::new(env["REQUESTS_CA_BUNDLE"].as_str().unwrap()).to_owned();
    for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"] {
        assert_eq!(env[name], bundle.to_str().unwrap(), "{name}");
    }
    let private = bundle.parent().unwrap();
    assert_eq!(std::fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!private.starts_with(&data) && private.join("trust.p12").exists());
    served.signal(rustix::process::Signal::TERM);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert!(!private.exists());
}
