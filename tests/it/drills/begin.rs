//! A drill that cannot begin says why, in one line and in its report.

use std::io::{Read, Write};
use std::process::Command;

use serde_json::Value;

use super::{Server, stderr};
use crate::cli::{keyhaven, refused};

/// The line for `args`, which end with `status`.
fn line(server: &Server, args: &[&str], status: i32) -> String {
    let output = server.drill(args).output().unwrap();
    let stderr = stderr(&output);
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(status), 1), "{stderr}");
    stderr
}

#[test]
fn what_cannot_be_drilled_at_is_reported_in_one_line() {
    let server = Server::start();
    let admin = server.admin();
    let port = server.vault().rsplit(':').next().unwrap();
    let absent = line(&server, &["--vault", "absent", "--admin", &admin], 1);
    assert!(
        absent.contains(&format!("no vault at https://absent.vault.localhost:{port}; it has local: give one")),
        "{absent}"
    );
    let no_name = line(&server, &["--vault", "a/b", "--admin", &admin], 1);
    assert!(no_name.contains("--vault a/b: neither the name nor the URL of a vault; write https://NAME."), "{no_name}");
    let unreachable = line(&server, &["--vault", "local", "--admin", "http://127.0.0.1:9"], 1);
    assert!(
        unreachable.contains("the admin API at http://127.0.0.1:9: ") && unreachable.contains("`keyhaven serve`"),
        "{unreachable}"
    );
    let identity = format!("http://{}", server.ready()["identity"].as_str().unwrap());
    let other = line(&server, &["--vault", "local", "--admin", &identity], 1);
    assert!(
        other.contains(&format!(
            "--admin {identity}: that is no admin API; give the address of the server's --admin-listen"
        )),
        "{other}"
    );
    let own = format!("at the server that is known here it is https://local.vault.localhost:{port}");
    for more in [&[][..], &["--admin", &admin]] {
        let args = [&["--vault", "https://local.vault.localhost:9"], more].concat();
        assert!(line(&server, &args, 1).contains(&own), "{more:?}");
    }
    let output = server.drill(&["--vault", "local", "--admin", &admin]).env("KEYHAVEN_ADMIN_KEY", "wrong").output();
    let other = stderr(&output.unwrap());
    assert!(other.contains("it has another key: set KEYHAVEN_ADMIN_KEY"), "{other}");
}

#[test]
fn what_the_command_line_lacks_is_said() {
    for option in ["--admin", "--ca"] {
        let printed = refused(&["drill", option, "127.0.0.1:8081"], 2);
        assert!(printed.contains(&format!("{option} is given, and --vault is missing: name the vault")), "{printed}");
    }
    let args = ["drill", "rotation", "--vault", "local", "--admin", "https://127.0.0.1:8081"];
    let output = keyhaven(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the admin API speaks http; write http://127.0.0.1:8081"), "{}", stderr(&output));
    let home = tempfile::tempdir().unwrap();
    let nowhere = home.path().join("none");
    let unknown =
        "the admin key is not known here: set KEYHAVEN_ADMIN_KEY, or name the server's --ready-file or --data";
    let args = ["drill", "--vault", "local", "--admin", "127.0.0.1:8081", "--data", nowhere.to_str().unwrap()];
    assert!(refused(&args, 2).contains(unknown));
}

/// HTTPS is nothing that the client of the admin API has.
#[test]
fn a_redirect_of_what_is_no_admin_api_is_not_followed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let head =
            "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
    });
    let args = ["drill", "--vault", "local", "--admin", &address];
    let output = keyhaven(&args).env("KEYHAVEN_ADMIN_KEY", "a-key-of-32-characters-or-more-00").output().unwrap();
    answer.join().unwrap();
    assert_eq!((output.status.code(), stderr(&output).lines().count()), (Some(1), 1), "{}", stderr(&output));
    assert!(stderr(&output).contains("that is no admin API"), "{}", stderr(&output));
}

#[test]
fn health_says_which_address_was_asked_and_how_a_server_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready.json");
    let server = Server::start();
    let mut gone = server.ready().clone();
    gone["identity"] = "127.0.0.1:9".into();
    std::fs::write(&ready, gone.to_string()).unwrap();
    let printed = refused(&["health", "--ready-file", ready.to_str().unwrap()], 1);
    assert!(printed.starts_with("keyhaven: no server answers at 127.0.0.1:9: "), "{printed}");
    assert!(
        printed.contains("; start a server with `keyhaven serve`, or name its --ready-file or --data"),
        "{printed}"
    );
}

/// As in the container of a CI job.
#[test]
fn without_a_home_the_admin_key_is_what_is_missing() {
    let drill = &["drill", "--vault", "local", "--admin", "127.0.0.1:8081"][..];
    for args in [drill, &["secret", "list"], &["clock", "advance", "90d"]] {
        let mut command = keyhaven(args);
        let output = command
            .env_remove("HOME")
            .env_remove("XDG_DATA_HOME")
            .env("TMPDIR", "/nowhere")
            .env_remove("XDG_RUNTIME_DIR");
        let stderr = stderr(&output.output().unwrap());
        assert!(
            stderr.starts_with("keyhaven: the admin key is not known here: set KEYHAVEN_ADMIN_KEY"),
            "{args:?}: {stderr}"
        );
    }
}

/// A CI server that finds an empty file shows nothing.
#[test]
fn the_report_of_a_drill_that_cannot_begin_says_so() {
    let args = ["drill", "--vault", "https://x.vault.localhost:9", "--admin", "127.0.0.1:9", "--report"];
    let drilled = |form| {
        let output =
            keyhaven(&args).arg(form).env("KEYHAVEN_ADMIN_KEY", "a-key-of-32-characters-or-more-00").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        (stderr(&output), String::from_utf8(output.stdout).unwrap())
    };
    let (stderr, report) = drilled("json");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["verdict"], "failed");
    assert_eq!(stderr.trim_end(), format!("keyhaven: {}", report["error"].as_str().unwrap()));
    let (_, report) = drilled("junit");
    assert!(report.contains(r#"tests="1" failures="0" errors="1""#), "{report}");
    assert!(report.contains("<error message=\"the admin API at http://127.0.0.1:9: "), "{report}");
}

/// In a network of its own, where the metadata address leads nowhere.
#[cfg(target_os = "linux")]
#[test]
fn without_a_sign_in_it_says_what_to_give() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"ip link set lo up
        "$0" serve --data "$1/data" --ready-file "$1/ready" --log-level error > "$1/out" &
        until [ -e "$1/ready" ]; do sleep 0.01; done
        "$0" drill credentials --vault local --data "$1/data"; kill $!; wait"#;
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", script, env!("CARGO_BIN_EXE_keyhaven")]).arg(dir.path());
    let stderr = stderr(&command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap());
    assert!(stderr.contains("no token: 169.254.169.254: "), "{stderr}");
    assert!(
        stderr.contains("; give --admin, or sign in by IDENTITY_ENDPOINT and IDENTITY_HEADER, or AZURE_CLIENT_SECRET"),
        "{stderr}"
    );
}
