//! Which room may look into which. The rooms and the reasons stand in ARCHITECTURE.md; this test reads the sources.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms it may import.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "access",
            "clock",
            "config",
            "crypto",
            "directory",
            "doors",
            "events",
            "faults",
            "files",
            "http",
            "issuers",
            "proxy",
            "random",
            "records",
            "snapshot",
            "store",
            "tasks",
            "trail",
            "vault",
        ],
    ),
    ("embedded", &["app", "clock", "directory", "tasks"]),
    ("testing", &["app", "config", "crypto", "doors", "drills", "events", "http", "operation", "store", "tasks"]),
    ("cli", &["app", "clock", "config", "crypto", "directory", "drills", "files", "store", "tasks"]),
    ("config", &["access", "clock", "directory", "events", "http", "resource_id", "vault"]),
    (
        "doors",
        &[
            "access",
            "clock",
            "config",
            "crypto",
            "directory",
            "events",
            "faults",
            "files",
            "http",
            "operation",
            "random",
            "records",
            "tasks",
            "trail",
            "vault",
        ],
    ),
    ("trail", &["directory", "http", "operation", "vault"]),
    ("drills", &["clock", "factory", "files", "random", "remote"]),
    ("factory", &["clock", "crypto", "files", "random", "remote"]),
    ("faults", &["clock", "random"]),
    ("remote", &["crypto", "outgoing"]),
    ("issuers", &["clock", "directory", "outgoing"]),
    ("events", &["clock", "crypto", "outgoing", "random", "records", "resource_id", "store", "vault"]),
    ("snapshot", &["crypto", "records", "store"]),
    ("proxy", &["http"]),
    ("http", &["clock", "files", "operation"]),
    ("directory", &["access", "clock", "crypto", "records", "resource_id", "store"]),
    ("vault", &["access", "clock", "crypto", "random", "records", "resource_id", "store"]),
    ("tasks", &["clock", "records", "store", "vault"]),
    ("records", &["random", "store"]),
    ("access", &["operation"]),
    ("crypto", &["random"]),
    ("store", &["files"]),
    ("fuzzing", &["directory", "doors", "http", "proxy", "snapshot", "vault"]),
    ("files", &[]),
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

#[test]
fn rooms_import_only_what_stands_below_them() {
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
fn only_clock_and_random_ask_the_machine_for_time_and_chance() {
    for (room, path, text) in sources() {
        let text = code(&text);
        assert!(room == "clock" || !text.contains("SystemTime::now"), "{}", path.display());
        assert!(room == "clock" || !text.contains("now_utc"), "{}", path.display());
        assert!(room == "random" || !text.contains("rand::fill"), "{}", path.display());
    }
}

#[test]
fn credentials_are_compared_in_one_place() {
    for (_, path, text) in sources() {
        let is_the_place = path.ends_with("crypto/credential.rs");
        assert!(is_the_place || !code(&text).contains("verify_slices_are_equal"), "{}", path.display());
    }
}

#[test]
fn files_stay_small() {
    for (_, path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: divide the room", path.display());
    }
}

/// Whether a file is a module of unit tests, or lies below one: the file above says `#[cfg(test)] mod NAME;`.
fn is_unit_tests(path: &Path) -> bool {
    path.ancestors().any(|module| {
        let (Some(name), Some(above)) = (module.file_stem().and_then(|name| name.to_str()), module.parent()) else {
            return false;
        };
        let declared = format!("#[cfg(test)]\nmod {name};");
        let says_so = |file: PathBuf| fs::read_to_string(file).is_ok_and(|text| text.contains(&declared));
        says_so(above.join("mod.rs")) || says_so(above.with_extension("rs"))
    })
}

/// Every source file below `src`: its room, its path, its text.
fn sources() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    files.sort();
    let all: Vec<_> = files
        .into_iter()
        .filter(|path| !["lib.rs", "main.rs"].iter().any(|name| *path == src.join(name)))
        .map(|path| {
            let below = path.strip_prefix(&src).unwrap();
            let room = below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (room, path, text)
        })
        .collect();
    assert!(all.len() > 40, "the sources were not found");
    all
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
}

/// The text without comments and without unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms named after `crate::`, alone or in braces.
fn imports(text: &str) -> BTreeSet<String> {
    let text = code(text);
    let mut rooms = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let group = after.strip_prefix('{').and_then(|group| group.split('}').next());
        let names: Vec<&str> = group.map_or_else(|| vec![after], |group| group.split(',').collect());
        for name in names {
            let word: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            rooms.insert(word);
        }
    }
    rooms.retain(|word| !word.is_empty());
    rooms
}
