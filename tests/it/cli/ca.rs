//! `keyhaven ca`: what the local CA is, its certificate in every form, and how to trust it.

use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};

use super::{Served, keyhaven, refused};

fn said(args: &[&str], own: &[(&str, &str)]) -> Vec<u8> {
    let output = keyhaven(&["ca"]).args(args).envs(own.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(args: &[&str]) -> String {
    String::from_utf8(said(args, &[])).unwrap()
}

#[test]
fn it_is_shown_of_a_running_server_and_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (data, certs) = (dir.path().join("data"), dir.path().join("certs"));
    let served = Served::start(&data, &["--certs", certs.to_str().unwrap()]);
    let shown = text(&["--data", data.to_str().unwrap()]);
    let file = certs.join("ca.pem");
    for part in [
        "subject      CN=Keyhaven local CA\n",
        "certifies    localhost and below",
        "127.0.0.0/8",
        "::1/128",
        &format!("file         {}\n", file.display()),
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let der = pem::parse(std::fs::read(&file).unwrap()).unwrap().into_contents();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    let hex: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(shown.contains(&format!("SHA-256      {}\n", hex.join(":"))), "{shown}");
    drop(served);
    assert_eq!(text(&["show", "--certs", certs.to_str().unwrap()]), shown, "without a server it is there too");
}

#[test]
fn its_certificate_is_exported_in_every_form_and_its_key_in_none() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Served::start(&data, &[]));
    std::fs::remove_file(data.join("ready.json")).unwrap();
    let of_data = ["--data", data.to_str().unwrap()];
    let export = |more: &[&str], own: &[(&str, &str)]| said(&[&["export"][..], &of_data, more].concat(), own);
    let pem = std::fs::read(data.join("certs/ca.pem")).unwrap();
    let der = pem::parse(&pem).unwrap().into_contents();
    assert_eq!(pem::parse(export(&[], &[])).unwrap().contents(), der);
    assert_eq!(export(&["--format", "der"], &[]), der);

    let opened = |bytes: &[u8], password: &str| {
        let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Strict).ok()?;
        assert_eq!(store.entries_len(), 1);
        store.entries().find_map(|(_, entry)| match entry {
            KeyStoreEntry::Certificate(certificate) => Some(certificate.as_der().to_vec()),
            _ => None,
        })
    };
    let pkcs12 = ["--format", "pkcs12"];
    assert_eq!(opened(&export(&pkcs12, &[]), "changeit"), Some(der.clone()));
    assert_eq!(opened(&export(&pkcs12, &[("KEYHAVEN_STORE_PASSWORD", "other")]), "other"), Some(der.clone()));
    let (password, out) = (dir.path().join("password"), dir.path().join("trust.p12"));
    std::fs::write(&password, "third\n").unwrap();
    let more = ["--password-file", password.to_str().unwrap(), "--out", out.to_str().unwrap()];
    assert!(export(&[&pkcs12[..], &more].concat(), &[]).is_empty());
    assert_eq!(opened(&std::fs::read(&out).unwrap(), "third"), Some(der));
}

#[test]
fn help_names_the_file_for_every_client() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    let help = text(&["install-help", "--data", data.to_str().unwrap()]);
    let file = data.join("certs/ca.pem").display().to_string();
    for client in ["Debian", "Fedora", "macOS", "Windows", "Java", "Node", "Python", "Firefox"] {
        assert!(help.contains(client), "{client}: {help}");
    }
    assert!(help.contains(&format!("REQUESTS_CA_BUNDLE={file}\n")) && !help.contains("=FILE"), "{help}");
    assert_eq!(help.matches(&format!("export SSL_CERT_FILE={file}\n")).count(), 2, "{help}");
    assert!(!help.contains("{ca}") && help.ends_with("if the program talks to other sites.\n"), "{help}");
}

#[test]
fn where_there_is_none_it_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let printed = refused(&["ca", "--certs", nowhere.to_str().unwrap()], 1);
    assert!(printed.contains("nowhere/ca.pem: No such file") && printed.contains("keyhaven serve"), "{printed}");
    std::fs::write(dir.path().join("ca.pem"), "no certificate").unwrap();
    let printed = refused(&["ca", "--certs", dir.path().to_str().unwrap()], 1);
    assert!(printed.contains("ca.pem: it holds no certificate"), "{printed}");
}

#[test]
fn the_takeovers_ca_is_not_exported() {
    let bin = env!("CARGO_BIN_EXE_keyhaven");
    let mut command = keyhaven(&["run", "--", "sh", "-c", r#""$0" ca show && echo "$SSL_CERT_FILE""#, bin]);
    let output = command.output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.starts_with("subject      CN=Keyhaven CA for one start\n"), "{shown}");
    assert!(!shown.contains("vault.azure.net"), "{shown}");
}

#[test]
fn renew_replaces_both_cas_of_a_server_that_was_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let of_data = ["--data", data.to_str().unwrap()];
    let cas = || ["certs/ca.pem", "takeover/ca.pem"].map(|name| std::fs::read_to_string(data.join(name)).ok());
    let more = ["--proxy-listen", ":0"];
    let served = Served::start(&data, &more);
    let first = cas();
    let told = refused(&["ca", "renew", "--data", data.to_str().unwrap()], 1);
    assert!(told.contains("a server runs with the CA ") && told.contains("stop it first"), "{told}");
    drop(served);
    let told = text(&[&["renew"][..], &of_data].concat());
    let certs = data.join("certs").display().to_string();
    assert_eq!(told, format!("removed the CA in {certs}; the next start makes a new one; then trust the new ca.pem\n"));
    assert_eq!(cas(), [None, None]);
    let told = text(&["renew", "--certs", &certs]);
    assert_eq!(told, format!("there is no CA in {certs}; the next start makes one\n"));
    let _served = Served::start(&data, &more);
    for (first, second) in first.iter().zip(&cas()) {
        assert!(second.is_some() && first != second);
    }
    let bundle = std::fs::read_to_string(data.join("trust/bundle.pem")).unwrap();
    for (kept, is_trusted) in first.iter().zip([false; 2]).chain(cas().iter().zip([true; 2])) {
        assert_eq!(bundle.contains(kept.as_deref().unwrap()), is_trusted);
    }
}
