//! The rules of the architecture, checked on the sources: which room may import which, and what is never there. ARCHITECTURE.md has
//! the reasons.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imports::{imported_files, imports, module_of, reachable};
use sources::{below_src, code, is_unit_tests, sources};

/// A room, and the rooms it may import.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "access",
            "activity",
            "audit",
            "authorization",
            "clock",
            "config",
            "crypto",
            "directory",
            "doors",
            "events",
            "factory",
            "faults",
            "files",
            "http",
            "issuers",
            "management",
            "proxy",
            "random",
            "reconcile",
            "records",
            "remote",
            "snapshot",
            "store",
            "tasks",
            "operation",
            "trail",
            "usage",
            "vault",
        ],
    ),
    ("embedded", &["app", "clock", "directory", "tasks"]),
    (
        "testing",
        &[
            "app",
            "clock",
            "config",
            "crypto",
            "doors",
            "drills",
            "events",
            "http",
            "node",
            "operation",
            "remote",
            "store",
            "tasks",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "clock",
            "compliance",
            "config",
            "crypto",
            "directory",
            "drills",
            "factory",
            "random",
            "files",
            "node",
            "remote",
            "store",
            "tasks",
            "usage",
        ],
    ),
    (
        "config",
        &["access", "authorization", "clock", "directory", "events", "http", "management", "resource_id", "vault"],
    ),
    (
        "doors",
        &[
            "access",
            "audit",
            "authorization",
            "clock",
            "config",
            "crypto",
            "directory",
            "events",
            "factory",
            "faults",
            "files",
            "http",
            "management",
            "node_protocol",
            "operation",
            "random",
            "reconcile",
            "records",
            "resource_id",
            "tasks",
            "trail",
            "vault",
        ],
    ),
    ("reconcile", &["access", "authorization", "clock", "config", "directory", "management", "records", "vault"]),
    ("trail", &["clock", "directory", "http", "operation", "resource_id", "vault"]),
    ("usage", &["access", "operation", "resource_id"]),
    ("compliance", &["access", "clock", "junit"]),
    ("audit", &["clock", "files", "operation", "resource_id", "trail", "vault"]),
    ("drills", &["clock", "factory", "files", "junit", "random", "remote"]),
    ("factory", &["clock", "crypto", "files", "random", "remote", "secret_json"]),
    ("activity", &["factory", "http", "remote", "secret_json", "web_task"]),
    (
        "node",
        &[
            "activity",
            "addresses",
            "clock",
            "crypto",
            "factory",
            "files",
            "http",
            "node_protocol",
            "proxy",
            "remote",
            "web_task",
        ],
    ),
    ("faults", &["clock", "random"]),
    ("remote", &["crypto", "outgoing"]),
    ("issuers", &["clock", "directory", "outgoing"]),
    ("events", &["clock", "crypto", "outgoing", "random", "records", "resource_id", "store", "vault"]),
    ("snapshot", &["crypto", "records", "store"]),
    ("pipeline", &[]),
    ("proxy", &["addresses", "http"]),
    (
        "management",
        &[
            "access",
            "activity",
            "addresses",
            "authorization",
            "clock",
            "crypto",
            "directory",
            "factory",
            "node_protocol",
            "pipeline",
            "random",
            "records",
            "remote",
            "resource_id",
            "secret_json",
            "store",
            "vault",
            "web_task",
        ],
    ),
    ("http", &["clock", "files", "operation"]),
    ("directory", &["access", "clock", "crypto", "records", "resource_id", "store"]),
    ("vault", &["access", "clock", "crypto", "random", "records", "resource_id", "store"]),
    ("tasks", &["clock", "records", "store", "vault"]),
    ("records", &["random", "store"]),
    ("access", &["operation", "resource_id"]),
    ("authorization", &["access", "records", "store"]),
    ("crypto", &["random"]),
    ("store", &["files"]),
    ("fuzzing", &["directory", "doors", "factory", "http", "proxy", "snapshot", "vault"]),
    ("files", &[]),
    ("junit", &[]),
    ("node_protocol", &["web_task"]),
    ("web_task", &["secret_json"]),
    ("secret_json", &[]),
    ("addresses", &[]),
    ("operation", &[]),
    ("outgoing", &[]),
    ("clock", &[]),
    ("random", &[]),
    ("resource_id", &[]),
];

/// Words that a room must not know, and why.
const UNKNOWN_WORDS: &[(&str, &[&str], &str)] = &[
    ("vault", &["hyper", "StatusCode", "crate::http"], "the domain knows no HTTP"),
    ("store", &["Vault", "Secret", "KeyRecord"], "the store knows no vaults"),
    ("crypto", &["hyper", "Vault"], "cryptography knows neither HTTP nor vaults"),
    ("http", &["Vault", "vault.azure.net"], "the kit has no word of Key Vault in it"),
    ("access", &["hyper", "async fn"], "decisions are pure"),
    ("vault", &["crate::events", "Webhook"], "the domain does not know who listens"),
    (
        "vault",
        &["softDelete", "enableSoft", "enablePurge", "lifetimeActions", "expiryTime", "\"value", "\"data ", "x-ms-"],
        "the wire's texts belong to the doors",
    ),
];

/// Calls that only these files may make (paths below `src` begin so), and why.
const RESERVED_CALLS: &[(&[&str], &[&str], &str)] = &[
    (
        &["SystemTime::now", "now_utc", "Utc::now", "Zoned::now", "jiff::Timestamp::now"],
        &["clock/"],
        "only clock reads the wall clock",
    ),
    (
        &["Instant::now"],
        &["clock/", "http/", "proxy/", "events/", "store/redb/scrub.rs", "remote/", "drills/", "cli/serve.rs"],
        "elapsed time is measured for connections, retries, drills and the start; rules take the time as an argument",
    ),
    (
        &["rand::fill", "SystemRandom", "getrandom", "OsRng", "rand::rng(", "new_v4"],
        &["random.rs"],
        "only random draws from the system's generator",
    ),
    (
        &["env::var(", "env::var_os(", "env::vars(", "env::vars_os("],
        &["cli/variables.rs", "remote/credential.rs", "drills/private_server.rs"],
        "the server's environment is read in one file; a client reads its sign-in, a drill cleans that of its server",
    ),
    (&["verify_slices_are_equal"], &["crypto/credential.rs"], "credentials are compared in one file"),
    (
        &["fs::write(", "File::create(", "File::create_new("],
        &["files", "drills/private_server.rs"],
        "files writes whole files; a drill's log is no data",
    ),
    (&["process::exit", "process::abort"], &[], "only main ends the process"),
];

/// Files with statics that change: the moment at which the process began to measure.
const MUTABLE_STATICS: &[&str] = &["clock/mod.rs"];

/// Types that hold state which others of the process share.
const PROCESS_STATE_TYPES: &[&str] = &["Mutex<", "RwLock<", "Atomic", "OnceLock<", "OnceCell<", "Cache<"];

/// Rooms that are programs of their own or clients: they share nothing with another server.
const CLIENT_ROOMS: &[&str] = &["cli", "drills", "factory", "node", "remote"];

/// The files of the server that hold such state.
const PROCESS_STATE: &[&str] = &[
    "app/control.rs",
    "app/credentials/mod.rs",
    "app/config_file_state.rs",
    "app/host_names.rs",
    "app/listeners.rs",
    "app/outside.rs",
    "app/client_files.rs",
    "app/ready_files.rs",
    "app/running.rs",
    "app/usage.rs",
    "clock/steady.rs",
    "clock/virtual_clock.rs",
    "crypto/pool/mod.rs",
    "directory/issuer.rs",
    "directory/mod.rs",
    "directory/sign_in.rs",
    "doors/identity/arc.rs",
    "doors/vault/later_versions.rs",
    "events/courier.rs",
    "events/dead_letters.rs",
    "events/webhook_state.rs",
    "faults/mod.rs",
    "http/incoming.rs",
    "http/keep_alive.rs",
    "http/tls.rs",
    "issuers.rs",
    "management/factory/runtime/connected.rs",
    "management/factory/runs/mod.rs",
    "proxy/relay.rs",
    "proxy/tls_client.rs",
    "proxy/traffic.rs",
    "random.rs",
    "records/generation.rs",
    "records/high_water.rs",
    "records/mod.rs",
    "store/degraded.rs",
    "store/memory.rs",
    "store/redb/overlay.rs",
    "store/redb/owner.rs",
    "store/redb/scrub.rs",
    "store/redb/view.rs",
    "tasks/mod.rs",
    "tasks/timekeeper.rs",
    "trail/recent.rs",
    "vault/event.rs",
    "vault/locks.rs",
    "vault/write.rs",
];

#[test]
fn rooms_import_only_what_lies_below_them() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ARROWS.iter().map(|(room, below)| (*room, below.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for (room, path, text) in sources().into_iter().filter(|(_, path, _)| !is_unit_tests(path)) {
        let below = allowed.get(room.as_str()).unwrap_or_else(|| panic!("the room '{room}' is not in ARROWS"));
        for import in imports(&text) {
            if import != room && !below.contains(import.as_str()) {
                wrong.push(format!("{}: {room} -> {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that ARCHITECTURE.md does not have:\n{}", wrong.join("\n"));
}

#[test]
fn the_diagram_has_every_room() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let diagram = text.split("```").nth(1).unwrap();
    let words: BTreeSet<_> = diagram.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    for (room, _) in ARROWS.iter().filter(|(room, _)| !["testing", "fuzzing"].contains(room)) {
        assert!(words.contains(room), "{room}");
    }
}

#[test]
fn rooms_do_not_know_what_is_not_theirs() {
    let mut wrong = Vec::new();
    for (room, path, text) in sources() {
        for (_, words, why) in UNKNOWN_WORDS.iter().filter(|(of, _, _)| *of == room) {
            for word in words.iter().filter(|word| code(&text).contains(**word)) {
                wrong.push(format!("{}: '{word}': {why}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_all_kinds_of_object_share_names_no_kind() {
    let kinds = [
        "keys::",
        "secrets::",
        "Keys",
        "Secrets",
        "KeyRecord",
        "SecretRecord",
        "RotationPolicy",
        "Kind::Key",
        "Kind::Secret",
    ];
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vault/object");
    let files: Vec<_> = sources().into_iter().filter(|(_, path, _)| path.starts_with(&shared)).collect();
    assert!(files.len() > 5, "the files were not found");
    for (_, path, text) in files {
        for kind in kinds {
            assert!(!code(&text).contains(kind), "{}: '{kind}'", path.display());
        }
    }
}

#[test]
fn doors_do_not_import_doors() {
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|(room, _, text)| room == "doors" && code(text).contains("crate::doors"))
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn some_calls_are_made_in_few_files() {
    let mut wrong = Vec::new();
    for (_, path, text) in sources().into_iter().filter(|(_, path, _)| !is_unit_tests(path)) {
        let (file, text) = (below_src(&path), code(&text));
        for (calls, files, why) in
            RESERVED_CALLS.iter().filter(|(_, files, _)| !files.iter().any(|one| file.starts_with(one)))
        {
            for call in calls.iter().filter(|call| text.contains(**call)) {
                wrong.push(format!("src/{file}: '{call}', but {why}; the files that may: {files:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `keyhaven check` names a damaged record in words; it reads the tables of all rooms, and only the vault's are an enum there.
#[test]
fn the_consistency_check_has_words_for_every_table() {
    let naming = sources().into_iter().find(|(_, path, _)| below_src(path) == "vault/consistency/naming.rs").unwrap().2;
    let mut tables = BTreeSet::new();
    for room in ["directory", "events", "management", "tasks"] {
        for (_, _, text) in sources().into_iter().filter(|(of, path, _)| of == room && !is_unit_tests(path)) {
            let text = code(&text);
            let keys = text.split("Key::from(").skip(1).map(|after| after.trim_start_matches("format!("));
            tables.extend(keys.filter_map(|key| key.strip_prefix('"')?.split(['/', '"']).next().map(str::to_owned)));
        }
    }
    assert!(tables.len() > 5, "the tables were not found: {tables:?}");
    let unnamed: Vec<_> = tables.iter().filter(|table| !naming.contains(&format!("\"{table}\""))).collect();
    assert!(unnamed.is_empty(), "add them to vault/consistency/naming.rs: {unnamed:?}");
}

#[test]
fn no_static_is_mutable() {
    for (_, path, text) in sources().into_iter().filter(|(_, path, _)| !is_unit_tests(path)) {
        let file = below_src(&path);
        let is_static = |line: &&str| line.trim_start().trim_start_matches("pub(crate) ").starts_with("static ");
        for line in code(&text).lines().filter(is_static) {
            let changes = ["Mutex", "RwLock", "Atomic", "OnceLock", "LazyLock", "OnceCell"];
            let is_known = MUTABLE_STATICS.contains(&file.as_str());
            assert!(is_known || !changes.iter().any(|cell| line.contains(cell)), "src/{file}: {line}");
        }
        assert!(!code(&text).contains("thread_local!"), "src/{file}");
    }
}

#[test]
fn state_of_the_process_is_held_in_known_files() {
    let holds = |text: &str| PROCESS_STATE_TYPES.iter().any(|kind| code(text).contains(kind));
    let files = sources()
        .into_iter()
        .filter(|(room, path, text)| !CLIENT_ROOMS.contains(&room.as_str()) && !is_unit_tests(path) && holds(text));
    let found: BTreeSet<String> = files.map(|(_, path, _)| below_src(&path)).collect();
    let known: BTreeSet<String> = PROCESS_STATE.iter().map(|file| (*file).to_owned()).collect();
    let why = "two processes on one store would disagree about it: ARCHITECTURE.md lists what would replace it";
    assert_eq!(found.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "new: {why}");
    assert_eq!(known.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "gone: take it from the list");
}

#[test]
fn bearer_credentials_have_no_debug() {
    let mut seen = 0;
    for (_, path, text) in sources() {
        let mut lines = text.lines().skip_while(|line| !line.contains("deliberately no `Debug`"));
        while let Some(_documented) = lines.next() {
            let attributes: Vec<_> =
                lines.by_ref().take_while(|line| line.trim_start().starts_with(['/', '#'])).collect();
            let derives = attributes.iter().any(|line| line.starts_with("#[derive") && line.contains("Debug"));
            assert!(!derives, "{}: {attributes:?}", path.display());
            seen += 1;
            lines.by_ref().take_while(|line| !line.contains("deliberately no `Debug`")).for_each(drop);
        }
    }
    assert!(seen > 0, "no credential is documented so");
}

#[test]
fn visibility_has_one_spelling() {
    for (_, path, text) in sources() {
        assert!(!code(&text).contains("pub(in "), "{}: pub, pub(crate) or pub(super)", path.display());
    }
}

#[test]
fn a_module_with_children_is_a_mod_file_in_its_folder() {
    for (_, path, _) in sources() {
        assert!(!path.with_extension("").is_dir(), "{}: move it into the folder, as mod.rs", path.display());
    }
}

#[test]
fn files_stay_small() {
    for (_, path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: divide the room", path.display());
    }
}

#[test]
fn no_circle_of_files() {
    let files: Vec<_> = sources().into_iter().filter(|(_, path, _)| !is_unit_tests(path)).collect();
    let modules: BTreeMap<Vec<String>, String> =
        files.iter().map(|(_, path, _)| (module_of(&below_src(path)), below_src(path))).collect();
    let mut arrows = BTreeMap::new();
    for (_, path, text) in &files {
        let file = below_src(path);
        arrows.insert(file.clone(), imported_files(&file, &code(text), &modules));
    }
    let closes = |from: &str, to: &String| reachable(to, &arrows).contains(from);
    let circles: Vec<_> = arrows
        .iter()
        .flat_map(|(from, all)| all.iter().filter(|to| closes(from, to)).map(move |to| format!("{from} -> {to}")))
        .collect();
    assert!(circles.is_empty(), "files that import each other in a circle:\n{}", circles.join("\n"));
}
