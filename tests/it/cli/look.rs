//! `keyhaven status`, `vault show` and `log`: a running server at a glance.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use super::ground::{Ground, cells};
use super::keyhaven;

#[test]
fn a_vault_is_shown_with_its_policies_by_name_and_what_it_holds() {
    let ground = Ground::with_config(
        r#"{"identities": [{"name": "owner", "systemAssigned": true}, {"name": "reader"}],
            "vaults": [{"name": "shop", "aliases": ["kv.internal"], "softDeleteRetentionInDays": 7, "accessPolicies": [
                {"identity": "owner", "permissions": {"keys": ["all"], "secrets": ["all"]}},
                {"identity": "reader", "permissions": {"secrets": ["get", "list"]}},
                {"objectId": "31313131-0000-4000-8000-000000000001", "permissions": {"keys": ["get"]}}],
              "keys": [{"name": "k", "kty": "EC"}],
              "secrets": [{"name": "s", "value": "hush"}, {"name": "t", "value": "hush"}]}]}"#,
    );
    let shown = ground.ok("vault show");
    assert_eq!(cells(&shown, "name"), ["name", "shop"]);
    assert_eq!(cells(&shown, "aliases"), ["aliases", "kv.internal"]);
    assert!(shown.contains("\nsoft delete       7 days\npurge protection  off\n"), "{shown}");
    assert!(shown.contains("\nnetwork           open\n"), "{shown}");
    assert_eq!((cells(&shown, "secrets")[1], cells(&shown, "keys")[1]), ("2", "1"));
    assert_eq!(cells(&shown, "reader"), ["reader", "-", "get,", "list", "-"]);
    assert_eq!(cells(&shown, "31313131-0000-4000-8000-000000000001")[1], "get");
    ground.ok("secret delete t");
    assert!(ground.ok("vault show SHOP").contains("\nsecrets           1, and 1 deleted\n"));
    let json = ground.json("vault show shop");
    assert_eq!((&json["objects"]["secrets"]["live"], &json["objects"]["keys"]["deleted"]), (&1.into(), &0.into()));
    assert_eq!(json["softDeleteRetentionInDays"], 7);

    ground.ok("vault copy shop second");
    ground.ok("secret delete s --vault second");
    ground.ok("secret set u v --vault second");
    let copied = &ground.json("vault show second")["objects"]["secrets"];
    assert_eq!((&copied["live"], &copied["deleted"]), (&1.into(), &2.into()), "a copy's layers are counted as one");
    assert_eq!(ground.json("vault show shop")["objects"]["secrets"]["live"], 1);
    assert_eq!(ground.no("vault show absent", 1), "keyhaven: no vault 'absent'; there are second, shop\n");
}

#[test]
fn the_status_has_addresses_clock_data_and_vaults() {
    let ground = Ground::start(&["--clock", "virtual=2030-01-01T00:00:00Z"]);
    ground.ok("clock freeze");
    ground.ok("secret set a 1");
    let shown = ground.ok("status");
    let ready = |name: &str| ground.served.ready[name].as_str().unwrap();
    for (name, value) in [
        ("version", env!("CARGO_PKG_VERSION")),
        ("vaults", ready("listen")),
        ("tokens", ready("identity")),
        ("admin", ready("admin")),
        ("CA", ready("ca")),
        ("data", ground.data.to_str().unwrap()),
        ("tenant", ready("tenant")),
    ] {
        assert_eq!(cells(&shown, name)[1], value, "{shown}");
    }
    assert!(shown.contains("  virtual, frozen at 2030-01-01T00:00:0"), "{shown}");
    assert_eq!(cells(&shown, "local"), ["local", "1", "0", "0"]);
    assert!(!shown.contains(ready("adminKey")), "no secret is printed");
    let json = ground.json("status");
    assert_eq!((&json["pid"], &json["vaultCount"]), (&ground.served.child.id().into(), &1.into()));
    assert_eq!((&json["store"], &json["clock"]["frozen"]), (&"redb".into(), &true.into()));
    assert!(json["memoryBytes"].as_u64().is_some() || !cfg!(target_os = "linux"), "{json}");
}

#[test]
fn a_vault_with_roles_is_shown_with_who_has_which_where() {
    let ground = Ground::with_config(
        r#"{"identities": [{"name": "owner", "systemAssigned": true}, {"name": "reader"}], "owners": ["owner"],
            "vaults": [{"name": "shop", "enableRbacAuthorization": true, "roleAssignments": [
                {"identity": "reader", "role": "Key Vault Reader"},
                {"identity": "owner", "role": "Key Vault Secrets User", "scope": "/secrets/db"}]},
              {"name": "other", "enableRbacAuthorization": true}]}"#,
    );
    let shown = ground.ok("vault show");
    assert!(shown.contains("\nreader    Key Vault Reader        the vault\n"), "{shown}");
    assert!(shown.contains("\nowner     Key Vault Secrets User  /secrets/db"), "{shown}");
    assert!(
        shown.contains("\nowner     Owner                   /subscriptions/"),
        "what lies above counts too: {shown}"
    );
    let other = ground.ok("vault show other");
    assert!(other.contains(" Owner ") && !other.contains(" Key Vault Reader "), "{other}");
    let id = ground.json("vault show shop")["id"].as_str().unwrap().to_owned();
    assert!(id.ends_with("/resourceGroups/keyhaven/providers/Microsoft.KeyVault/vaults/shop"), "{id}");
}

#[test]
fn the_log_shows_the_last_requests_whatever_the_level() {
    let ground = Ground::start(&["--log-level", "error"]);
    ground.ok("secret set db hush");
    ground.ok("secret show db --value");
    let log = ground.ok("log");
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" local/db 200 ")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("Z default SecretSet local/db 200 ") && lines[1].contains(" SecretGet "), "{log}");
    assert!(!log.contains("hush") && !log.contains("LogShow"), "neither a value nor the looks at the log: {log}");
    assert_eq!(ground.ok("log -n 1").lines().collect::<Vec<_>>(), [lines[1]]);
    assert_eq!(ground.ok("log -n 0"), "");
    assert!(!log.contains("admin-key"), "the commands' own: {log}");
    assert!(ground.ok("log --all -n 100").contains(" admin-key IdentityToken "), "when they are asked for");
    let json = ground.json("log -n 1");
    let text = |name: &str| json[name].as_str().unwrap();
    assert_eq!((text("operation"), text("vault"), text("object")), ("SecretGet", "local", "db"));
    assert_eq!((&json["status"], lines[1].ends_with(text("line"))), (&200.into(), true));
}

/// The command while it runs; killed when dropped.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_log_is_followed_until_the_server_stops() {
    let mut ground = Ground::start(&[]);
    ground.ok("secret set first 1");
    let mut command = keyhaven(&["log", "--follow", "-n", "1", "--data"]);
    let mut child = command.arg(&ground.data).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let mut follower = Follower { child, lines };
    assert!(follower.next().contains(" SecretSet local/first 200 "));
    ground.ok("secret set second 2");
    let next = follower.next();
    assert!(next.contains(" SecretSet local/second 200 "), "{next}");
    ground.served.child.kill().unwrap();
    ground.served.child.wait().unwrap();
    assert_eq!(follower.next(), "");
    assert_eq!(follower.child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(follower.child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(said, "keyhaven: the server has stopped\n");
}

#[test]
fn run_shows_the_log_of_its_server_when_asked() {
    let bin = env!("CARGO_BIN_EXE_keyhaven");
    let said = |more: &[&str]| {
        let mut command = keyhaven(&["run"]);
        let output = command.args(more).args(["--", bin, "secret", "set", "s", "hush"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    let shown = said(&["--show-log"]);
    assert!(shown.contains("  INFO default SecretSet local/s 200 ") && !shown.contains("hush"), "{shown}");
    assert!(!said(&[]).contains("SecretSet"));
}
