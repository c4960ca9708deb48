//! The least access that suffices: with what is suggested everything passes again, and without any part of it something is refused.

use std::path::Path;

use keyhaven::{AuditTarget, Config, Options};
use serde_json::{Value, json};

use crate::cli::keyhaven;
use crate::world::{CONFIG, World};

/// What a program does.
const REQUESTS: [(&str, &str); 6] = [
    ("POST /keys/cmk/create", r#"{"kty":"RSA"}"#),
    ("POST /keys/cmk/wrapkey", r#"{"alg":"RSA-OAEP","value":"AA"}"#),
    ("GET /keys", ""),
    ("PUT /secrets/a", r#"{"value":"v"}"#),
    ("GET /secrets/a", ""),
    ("GET /secrets/absent", ""),
];

/// Whether a program with this access gets through.
async fn passes(config: &Value, audit: Option<AuditTarget>) -> bool {
    let config = Config::parse(&config.to_string()).unwrap();
    let world = World::with(Options { config, audit, ..Options::default() }).await;
    let mut passes = true;
    for (line, body) in REQUESTS {
        passes &= world.ask(line, body).await.status != 403;
    }
    world.server.stop().await;
    passes
}

fn suggested(file: &Path, format: &str) -> Value {
    let output = keyhaven(&["policy", "suggest", file.to_str().unwrap(), "--format", format]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each array at `pointer`, without one of its entries.
fn without_one(config: &Value, pointer: &str) -> Vec<Value> {
    let count = config.pointer(pointer).unwrap().as_array().unwrap().len();
    let without = |index| {
        let mut less = config.clone();
        less.pointer_mut(pointer).unwrap().as_array_mut().unwrap().remove(index);
        less
    };
    (0..count).map(without).collect()
}

#[tokio::test]
async fn what_is_suggested_suffices_and_every_part_of_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let mut config: Value = serde_json::from_str(CONFIG).unwrap();
    assert!(passes(&config, Some(AuditTarget::File(file.clone()))).await);

    let policies = suggested(&file, "policy");
    assert_eq!(
        policies["vaults"][0]["accessPolicies"][0]["permissions"],
        json!({
            "keys": ["create", "list", "wrapKey"], "secrets": ["get", "set"]
        })
    );
    config["vaults"][0]["accessPolicies"] = policies["vaults"][0]["accessPolicies"].clone();
    assert!(passes(&config, None).await);
    for collection in ["keys", "secrets"] {
        for less in without_one(&config, &format!("/vaults/0/accessPolicies/0/permissions/{collection}")) {
            assert!(!passes(&less, None).await, "{less}");
        }
    }

    let vault = json!({"name": "acme", "enableRbacAuthorization": true});
    for format in ["roles", "custom-role"] {
        let mut roles = suggested(&file, format);
        roles["identities"] = config["identities"].clone();
        roles["vaults"] = json!([vault]);
        assert!(passes(&roles, None).await, "{roles}");
        for less in without_one(&roles, "/roleAssignments") {
            assert!(!passes(&less, None).await, "{less}");
        }
    }
}

#[tokio::test]
async fn a_name_that_was_refused_is_never_printed_for_a_shell_or_a_template() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let mut config: Value = serde_json::from_str(CONFIG).unwrap();
    let roles = json!([{"identity": "owner", "role": "Key Vault Administrator"}]);
    config["vaults"][0] = json!({"name": "acme", "enableRbacAuthorization": true, "roleAssignments": roles});
    let config = Config::parse(&config.to_string()).unwrap();
    let audit = Some(AuditTarget::File(file.clone()));
    let world = World::with(Options { config, audit, ..Options::default() }).await;
    assert_eq!(world.ask("GET /secrets/x%27;id%3Epwned;%27", "").await.status, 400);
    assert_eq!(world.ask("GET /secrets/a", "").await.status, 404);
    world.server.stop().await;
    for format in ["policy", "roles", "custom-role", "az", "bicep", "terraform"] {
        let output = keyhaven(&["policy", "suggest", file.to_str().unwrap(), "--format", format]).output().unwrap();
        let (printed, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && !printed.is_empty() && !printed.contains("pwned"), "{format}: {printed}");
        assert!(said.contains("1 record is left out: \"x';id>pwned;'\" can be the name of no resource group, vault, object or identity"), "{said}");
    }
}

#[test]
fn nothing_is_suggested_from_nothing_and_what_is_no_audit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let suggest = |content: &str| {
        std::fs::write(&file, content).unwrap();
        let output = keyhaven(&["policy", "suggest", file.to_str().unwrap()]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(suggest("\n").contains("no request to a vault was permitted, so nothing is needed"));
    assert!(suggest("{}\nnothing\n").contains("line 2 is no JSON object; give a file of --audit"));
}

#[test]
fn a_run_writes_what_it_needed_and_fails_when_it_needs_more() {
    let dir = tempfile::tempdir().unwrap();
    let needed = dir.path().join("needed.json");
    let run = |option: &str, script: &str| {
        let script = script.replace("keyhaven", env!("CARGO_BIN_EXE_keyhaven"));
        let args = ["run", "--offline", option, needed.to_str().unwrap(), "--", "sh", "-c", &script];
        let output = keyhaven(&args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let set = "keyhaven secret set a v && keyhaven secret list >/dev/null";
    let (status, said) =
        run("--suggest-policy", &format!("{set} && ! keyhaven secret show a --identity nobody 2>/dev/null"));
    assert!(
        status == 0
            && said.contains("asked but refused: nobody SecretGet local/a (1 request), which takes secrets/get"),
        "{said}"
    );
    let written: Value = serde_json::from_slice(&std::fs::read(&needed).unwrap()).unwrap();
    assert_eq!(written["vaults"][0]["accessPolicies"][0]["permissions"], json!({"secrets": ["list", "set"]}));
    assert_eq!(run("--require-policy", set).0, 0);
    let (status, said) = run("--require-policy", &format!("{set} && keyhaven secret delete a"));
    assert!(said.contains("used and not in the required policy: default SecretDelete local/a"), "{said}");
    assert!(status == 1 && said.contains("the command used more than --require-policy grants"), "{said}");
    let (status, said) = run("--require-policy", &format!("{set} && keyhaven secret delete a; exit 7"));
    assert!(status == 7 && said.contains("the command used more than --require-policy grants"), "{said}");
    // Policies of a vault in which roles decide count for nothing, as for the server that reads the file.
    let mut by_roles = written;
    by_roles["vaults"][0]["enableRbacAuthorization"] = true.into();
    std::fs::write(&needed, by_roles.to_string()).unwrap();
    let (status, said) = run("--require-policy", set);
    assert!(status == 1 && said.contains("used and not in the required policy: default SecretSet local/a"), "{said}");
    std::fs::write(&needed, "nothing").unwrap();
    assert_eq!(run("--require-policy", set).0, 2);
    std::fs::remove_file(&needed).unwrap();
    std::fs::create_dir(&needed).unwrap();
    let (status, said) = run("--suggest-policy", &format!("{set}; exit 7"));
    assert!(
        status == 7 && said.contains("keyhaven: --suggest-policy "),
        "a command that failed keeps its status: {said}"
    );
}
