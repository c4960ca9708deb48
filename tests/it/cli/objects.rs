//! `keyhaven secret` and `keyhaven key`: a look into the vaults of a running server, as any identity.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::ground::{Ground, cells};
use super::{keyhaven, refused};

#[test]
fn a_secret_is_set_shown_deleted_recovered_and_purged() {
    let ground = Ground::start(&[]);
    assert!(ground.ok("secret set db hush-1 --content-type text/plain").starts_with("set db in vault local (version "));
    assert!(ground.ok_with("secret set db", b"hush-2\n").starts_with("set db in vault local (version "));
    let listed = ground.ok("secret list");
    assert_eq!(listed.lines().next().unwrap(), "name  enabled  updated               expires  content type");
    let cell = cells(&listed, "db");
    assert_eq!((cell[1], cell[3], cell[4]), ("yes", "-", "-"));

    let shown = ground.ok("secret show db");
    assert_eq!(cells(&shown, "recovery"), ["recovery", "Recoverable+Purgeable"]);
    assert!(shown.contains("\n\nversion ") && !shown.contains("hush"), "{shown}");
    assert_eq!(
        shown.lines().skip_while(|line| !line.is_empty()).count(),
        4,
        "a blank line, headings, two versions: {shown}"
    );
    let former = ground.json("secret show db")["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].clone())
        .collect::<Vec<_>>();
    let latest = ground.json("secret show db")["id"].clone();
    let former = former.iter().find(|id| **id != latest).unwrap().as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(ground.ok(&format!("secret show db --version {former} --value")), "hush-1", "no line end for a program");
    assert_eq!(ground.json("secret show db").get("value"), None);
    assert_eq!(ground.json("secret show db --value")["value"], "hush-2");

    let deleted = ground.ok("secret delete db");
    assert!(deleted.starts_with("deleted db from vault local; it can be recovered until 2"), "{deleted}");
    assert!(deleted.ends_with(": keyhaven secret recover db\n"), "{deleted}");
    assert_eq!(cells(&ground.ok("secret list --deleted"), "db")[3], "90", "days are left");
    assert_eq!(ground.ok("secret recover db"), "recovered db in vault local\n");
    assert_eq!(ground.ok("secret show db --value"), "hush-2");
    ground.ok("secret delete db --vault local --identity default");
    assert_eq!(ground.ok("secret purge db"), "purged db from vault local: it is gone for good\n");
    assert_eq!(ground.json("secret list --deleted")["value"], Value::Array(vec![]));
    for line in ["secret set api_key 1", "key create api_key"] {
        let why = "keyhaven: 'api_key' is no name here: give 1 to 127 letters, digits and hyphens\n";
        assert_eq!(ground.no(line, 2), why);
    }
    let absent = ground.no("secret show db", 1);
    assert!(absent.starts_with("keyhaven: 404 SecretNotFound: A secret with (name/id) db was not found"), "{absent}");
    assert!(absent.ends_with("; asked: vault local\n"), "{absent}");
}

#[test]
fn looking_makes_no_vault_and_says_what_was_probably_wanted() {
    let ground = Ground::start(&["--create-vaults"]);
    ground.ok("secret set db-password 1 --vault orders");
    let no_vault = "keyhaven: no vault 'ordres' (did you mean 'orders'?); there are local, orders\n";
    for line in [
        "secret list",
        "secret show db-password",
        "secret delete db-password",
        "secret list --deleted",
        "key list",
        "key rotate k",
    ] {
        assert_eq!(ground.no(&format!("{line} --vault ordres"), 1), no_vault, "{line}");
    }
    for line in ["vault show ordres", "vault delete ordres", "vault copy ordres test-1"] {
        assert_eq!(ground.no(line, 1), no_vault, "{line}");
    }
    assert_eq!(ground.ok("vault list").lines().count(), 2, "none was made");
    let absent = ground.no("secret get db-pasword --vault orders", 1);
    let hint = "; asked: vault orders (did you mean 'db-password'?); other vaults, with --vault: local\n";
    assert!(absent.starts_with("keyhaven: 404 SecretNotFound: ") && absent.ends_with(hint), "{absent}");
    let empty = ground.run("secrets ls", b"");
    let said = String::from_utf8(empty.stderr).unwrap();
    assert!(said.ends_with("keyhaven secret list --deleted; other vaults, with --vault: orders\n"), "{said}");
}

#[test]
fn a_value_is_kept_byte_for_byte() {
    let ground = Ground::start(&[]);
    let file = ground.dir.path().join("value");
    for (written, kept) in [("a\r\n", "a"), ("\u{e4}\n\n", "\u{e4}\n")] {
        ground.ok_with("secret set a", written.as_bytes());
        assert_eq!(ground.ok("secret show a --value"), kept);
        ground.ok_with("secret set a --file -", written.as_bytes());
        assert_eq!(ground.ok("secret show a --value"), written);
        std::fs::write(&file, written).unwrap();
        ground.ok(&format!("secret set a --file {}", file.display()));
        assert_eq!(ground.ok("secret show a --value"), written);
    }
    let no_text = ground.run("secret set a", b"\xff");
    assert!(String::from_utf8_lossy(&no_text.stderr).contains("the value is no text (UTF-8)"));
    assert_eq!(ground.run("secret set a b --file c", b"").status.code(), Some(2));
    let set = ground.json("secret set a b --expires 2040-01-01T00:00:00Z");
    assert_eq!((&set["attributes"]["exp"], set.get("value")), (&2_208_988_800_i64.into(), None));
}

#[test]
fn a_refusal_names_what_the_identity_lacks() {
    let ground = Ground::with_config(
        r#"{"identities": [{"name": "owner", "systemAssigned": true}, {"name": "reader"}],
            "vaults": [{"name": "shop", "accessPolicies": [
                {"identity": "owner", "permissions": {"keys": ["all"], "secrets": ["all"]}},
                {"identity": "reader", "permissions": {"secrets": ["list"], "keys": ["get"]}}],
              "keys": [{"name": "k", "kty": "EC"}],
              "secrets": [{"name": "s", "value": "hush"}]}]}"#,
    );
    assert_eq!(cells(&ground.ok("secret list --identity reader"), "s")[1], "yes");
    let said = ground.no("secret show s --identity reader", 1);
    assert!(said.contains("does not have secrets get permission on key vault 'shop;"), "the service's text: {said}");
    let grant = "missing: secrets/get: add \"get\" to \"secrets\" of identity 'reader' in the vault's accessPolicies";
    assert!(said.contains(grant), "{said}");
    let shown = ground.ok("key show k --identity reader");
    assert!(shown.contains("not shown: 403 Forbidden") && shown.contains("versions are not shown: 403"), "{shown}");
    assert_eq!(ground.ok("secret show s --value"), "hush", "the default identity");
    let unknown = ground.no("secret list --identity other", 2);
    assert!(unknown.contains("--identity other: no identity is called so; there are owner, reader"), "{unknown}");
}

#[test]
fn what_has_no_default_must_be_named() {
    let ground = Ground::with_config(
        r#"{"identities": [{"name": "one"}, {"name": "two"}], "vaults": [{"name": "shop"}, {"name": "till"}]}"#,
    );
    // Another machine has the address and the key of the admin API, and no ready file.
    let text = |name: &str| ground.served.ready[name].as_str().unwrap();
    let elsewhere = |more: &[&str]| {
        let mut command = keyhaven(&["secret", "list"]);
        command.args(more).env("HOME", ground.dir.path()).env_remove("XDG_DATA_HOME");
        command.env("KEYHAVEN_ADMIN_URL", format!("http://{}", text("admin")));
        let output = command.env("KEYHAVEN_ADMIN_KEY", text("adminKey")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(elsewhere(&[]), (Some(2), "keyhaven: which vault? Give its name (shop, till)\n".to_owned()));
    let said = "keyhaven: no identity is the default one: give --identity NAME (one, two)\n";
    assert_eq!(elsewhere(&["--vault", "shop"]), (Some(2), said.to_owned()));
}

#[test]
fn a_list_is_read_to_its_end() {
    let secrets: Vec<_> = (0..60).map(|n| format!(r#"{{"name": "s{n}", "value": "v"}}"#)).collect();
    let policy = r#"{"identity": "owner", "permissions": {"secrets": ["all"]}}"#;
    let ground = Ground::with_config(&format!(
        r#"{{"identities": [{{"name": "owner"}}],
            "vaults": [{{"name": "shop", "accessPolicies": [{policy}], "secrets": [{}]}}]}}"#,
        secrets.join(", ")
    ));
    assert_eq!(ground.json("secret list")["value"].as_array().unwrap().len(), 60);
    assert_eq!(ground.ok("secret list").lines().count(), 61);
}

#[test]
fn a_vault_is_named_as_programs_name_it_and_nothing_leaves_for_azure() {
    let ground = Ground::start(&[]);
    ground.ok("vault create other");
    ground.ok("secret set here 1");
    let port = ground.port().to_owned();
    for vault in ["local", "LOCAL", "https://local.vault.azure.net", &format!("https://local.vault.localhost:{port}/")]
    {
        assert!(ground.ok(&format!("secret list --vault {vault}")).contains("here"), "{vault}");
    }
    let empty = ground.run("secret list --vault other", b"");
    assert_eq!((empty.status.code(), empty.stdout.len()), (Some(0), 0));
    assert!(String::from_utf8(empty.stderr).unwrap().starts_with("keyhaven: no secret in vault other; "));
    let absent = ground.no("secret set a b --vault absent", 1);
    assert!(
        absent.contains("404 VaultNotFound: No vault answers on 'absent.vault.localhost'. Vaults here: local, other"),
        "{absent}"
    );
    let elsewhere = ground.no("secret list --vault https://local.vault.localhost:1", 2);
    assert!(elsewhere.contains(&format!("the server found answers at port {port}")), "{elsewhere}");
    for wrong in ["a/b", "http://local.vault.azure.net", "https://a/b"] {
        assert!(
            ground.no(&format!("secret list --vault {wrong}"), 2).contains(&format!("--vault {wrong}: ")),
            "{wrong}"
        );
    }
}

#[test]
fn without_a_server_it_is_said_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    for line in ["secret list", "key list", "secret list --vault https://contoso.vault.azure.net"] {
        let words: Vec<_> = line.split(' ').chain(["--data", dir.path().to_str().unwrap()]).collect();
        let said = refused(&words, 1);
        assert!(said.contains("no running server found") && said.contains("start one with `keyhaven serve`"), "{said}");
    }
}

#[test]
fn a_key_is_made_rotated_shown_deleted_recovered_and_purged() {
    let ground = Ground::start(&[]);
    assert!(ground.ok("key create app --kty ec --curve p-384 --ops sign,verify").ends_with(", EC P-384)\n"));
    assert!(ground.ok("key rotate app").starts_with("rotated app in vault local (version "));
    let shown = ground.ok("key show app");
    assert_eq!(cells(&shown, "type"), ["type", "EC", "P-384"]);
    assert_eq!(cells(&shown, "operations"), ["operations", "sign,", "verify"]);
    assert_eq!(cells(&shown, "rotation"), ["rotation", "notify", "P30D", "before", "expiry"]);
    assert_eq!(shown.lines().skip_while(|line| !line.is_empty()).count(), 4, "{shown}");
    let json = ground.json("key show app");
    assert_eq!((json["versions"].as_array().unwrap().len(), &json["key"]["crv"]), (2, &"P-384".into()));
    assert!(ground.ok("key create wide --kty oct-HSM --size 256").ends_with(", oct-HSM)\n"));
    assert_eq!(cells(&ground.ok("key show wide"), "type")[1], "oct-HSM");
    assert!(ground.ok("key create plain").ends_with(", RSA 2048)\n"));
    assert_eq!(ground.ok("key list").lines().count(), 4);
    assert_eq!(ground.run("key create x --kty AES", b"").status.code(), Some(2));

    assert!(ground.ok("key delete app").ends_with(": keyhaven key recover app\n"));
    assert_eq!(cells(&ground.ok("key list --deleted"), "app")[3], "90");
    assert_eq!(ground.ok("key recover app"), "recovered app in vault local\n");
    ground.ok("key delete app");
    assert_eq!(ground.ok("key purge app"), "purged app from vault local: it is gone for good\n");
}

#[test]
fn a_shell_with_a_vault_of_this_server_is_followed() {
    let ground = Ground::start(&["--create-vaults"]);
    let shell: BTreeMap<String, String> = serde_json::from_str(&ground.ok("env --format json --vault orders")).unwrap();
    let set = |name: &str, more: &[&str]| {
        let mut command = keyhaven(&["secret", "set", name, "1"]);
        let output = command.args(more).envs(&shell).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(set("one", &[]).starts_with("set one in vault orders (version "));
    assert!(set("one", &["--vault", "local"]).starts_with("set one in vault local (version "));
    let other = Ground::start(&[]);
    let file = other.data.join("ready.json");
    assert!(set("one", &["--ready-file", file.to_str().unwrap()]).starts_with("set one in vault local (version "));
}

#[test]
fn the_command_of_run_can_look_inside() {
    let bin = Path::new(env!("CARGO_BIN_EXE_keyhaven"));
    let script =
        r#""$0" secret set s v --vault shop && "$0" secret show s --value --vault "https://shop.vault.azure.net""#;
    let output = keyhaven(&["run", "--", "sh", "-c", script]).arg(bin).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(stdout.starts_with("set s in vault shop (version ") && stdout.ends_with(")\nv"), "{stdout}{stderr}");
}

/// Where there is a takeover, programs in the shell know the vault by Azure's name, and the ids are theirs to use.
#[test]
fn ids_have_the_name_that_programs_use() {
    let ground = Ground::start(&["--proxy-listen", ":0"]);
    ground.ok("secret set db https://local.vault.localhost/x");
    ground.ok("key create app --kty EC");
    for (line, id) in [("secret show db", "secrets/db"), ("key show app", "keys/app")] {
        let id = format!("https://local.vault.azure.net/{id}/");
        let (shown, json) = (ground.ok(line), ground.json(line));
        assert!(cells(&shown, "id")[1].starts_with(&id), "{shown}");
        assert!(json.to_string().contains(&id) && !json.to_string().contains("vault.localhost"), "{json}");
    }
    assert_eq!(ground.json("secret list")["value"][0]["id"], "https://local.vault.azure.net/secrets/db");
    assert_eq!(ground.ok("secret show db --value"), "https://local.vault.localhost/x");
}
