//! The rights of who runs a drill without the admin API: the table of docs/drills.md, which suffices, and of which every one is used.

use std::process::Output;

use serde_json::{Value, json};

use super::{Server, first_failed, stderr};
use crate::cli::keyhaven;

/// Of a drill: permissions for keys, permissions for secrets, roles.
type Rights = (&'static str, Names, Names, Names);
type Names = &'static [&'static str];

const RIGHTS: &[Rights] = &[
    (
        "rotation",
        &[
            "create",
            "delete",
            "get",
            "getrotationpolicy",
            "list",
            "rotate",
            "setrotationpolicy",
            "unwrapKey",
            "update",
            "wrapKey",
        ],
        &[],
        &["Key Vault Crypto Officer"],
    ),
    ("revocation", &["create", "delete", "get", "unwrapKey", "update", "wrapKey"], &[], &["Key Vault Crypto Officer"]),
    (
        "recovery",
        &["create", "delete", "get", "list", "recover", "unwrapKey", "wrapKey"],
        &[],
        &["Key Vault Crypto Officer"],
    ),
    ("credentials", &[], &["delete", "get", "list", "recover", "set"], &["Key Vault Secrets Officer"]),
    (
        "system-key",
        &["create", "delete", "get", "unwrapKey", "wrapKey"],
        &["delete", "get", "set"],
        &["Key Vault Crypto Officer", "Key Vault Secrets Officer"],
    ),
];

fn drilled(server: &Server, drill: &str, vault: &str) -> Value {
    let env = server.ready()["env"].as_object().unwrap().iter();
    let mut command = server.drill(&[drill, "--vault", vault, "--report", "json"]);
    let output: Output = command.envs(env.map(|(name, value)| (name, value.as_str().unwrap()))).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
}

#[test]
fn the_rights_in_the_documents_suffice_and_each_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let audit = dir.path().join("audit");
    let server = Server::with(&["--clock", "virtual", "--audit", audit.to_str().unwrap()]);
    for (drill, keys, secrets, _) in RIGHTS {
        let policy = json!({"identity": "default", "permissions": {"keys": keys, "secrets": secrets}});
        let entry = json!({"sku": "premium", "enablePurgeProtection": true, "accessPolicies": [policy]});
        server.ask("PUT", &format!("/admin/vaults/{drill}"), &entry.to_string());
        let report = drilled(&server, drill, drill);
        assert_eq!((first_failed(&report), report["passed"] != 0), (None, true), "{report:#}");
        let note = report["notes"][0].as_str().unwrap();
        assert!(note.ends_with("until its time is over: it may not be purged"), "{note}");
    }
    let output = keyhaven(&["policy", "suggest"]).arg(&audit).output().unwrap();
    let used: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (drill, keys, secrets, _) in RIGHTS {
        let vault = used["vaults"].as_array().unwrap().iter().find(|vault| vault["name"] == *drill).unwrap();
        let mut expected = json!({"keys": keys, "secrets": secrets});
        expected.as_object_mut().unwrap().retain(|_, all| all != &json!([]));
        assert_eq!(vault["accessPolicies"][0]["permissions"], expected, "{drill}");
    }
}

#[test]
fn so_do_the_roles() {
    let server = Server::start();
    for (drill, .., roles) in RIGHTS {
        let roles: Vec<_> =
            roles.iter().map(|role| json!({"identity": "default", "role": role, "scope": ""})).collect();
        let mut entry = json!({"sku": "premium", "enablePurgeProtection": true, "enableRbacAuthorization": true});
        entry["roleAssignments"] = roles.into();
        server.ask("PUT", &format!("/admin/vaults/{drill}"), &entry.to_string());
        let report = drilled(&server, drill, drill);
        assert_eq!((first_failed(&report), report["passed"] != 0), (None, true), "{report:#}");
    }
}

#[test]
fn the_documents_have_this_table() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/drills.md")).unwrap();
    let quoted = |all: Names| match all {
        [] => "none".to_owned(),
        _ => all.iter().map(|right| format!("`{right}`")).collect::<Vec<_>>().join(", "),
    };
    for (drill, keys, secrets, roles) in RIGHTS {
        let row = format!("| `{drill}` | {} | {} | {} |\n", quoted(keys), quoted(secrets), roles.join(", "));
        assert!(page.contains(&row), "{row}");
    }
}
