//! What the documents say of the repository is true: links lead somewhere, files that are named exist, recordings that are
//! cited stand in their index, error texts to look up are the program's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Documents that name files of the source as `room/file.rs`.
const NAME_FILES: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions.md"];

/// Directories that tools fill: nothing in them is ours.
const MADE_BY_TOOLS: &[&str] = &["target", "node_modules"];

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in documents() {
        for link in links(&text_of(&page)) {
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let leads = target.exists() && (anchor.is_empty() || anchors(&text_of(&target)).contains(anchor));
            if !leads {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn files_that_are_named_exist() {
    let mut wrong = Vec::new();
    for page in NAME_FILES {
        for word in text_of(&root().join(page)).split('`').skip(1).step_by(2) {
            let is_path =
                word.contains('/') && !word.contains("NAME") && !word.contains([' ', '{', '*', '<', '…', ':']);
            let is_ours =
                word.ends_with(".rs") || ["src/", "tests/", "docs/", "scripts/"].iter().any(|d| word.starts_with(d));
            if is_path && is_ours && !root().join(word).exists() && !root().join("src").join(word).exists() {
                wrong.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "files that do not exist:\n{}", wrong.join("\n"));
}

#[test]
fn the_index_lists_every_page() {
    let listed: BTreeSet<String> = links(&text_of(&root().join("docs/README.md"))).into_iter().collect();
    let pages =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let missing: Vec<_> = pages.filter(|page| page != "README.md" && !listed.contains(page)).collect();
    assert!(missing.is_empty(), "docs/README.md does not link {missing:?}");
}

#[test]
fn programs_in_rust_are_run() {
    let lib = text_of(&root().join("src/lib.rs"));
    for page in documents().iter().filter(|page| text_of(page).contains("\n```rust\n")) {
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        assert!(
            lib.contains(&format!("include_str!(\"../{name}\")")),
            "src/lib.rs does not run the programs of {name}"
        );
    }
}

#[test]
fn recordings_that_are_cited_are_in_the_index() {
    let index = text_of(&root().join("tests/RECORDINGS.md"));
    let mut cited = 0;
    for file in sources() {
        let text = text_of(&file);
        let listed = if file.ends_with("tests/it/golden.rs") { lists_of_numbers(&text) } else { vec![] };
        for number in cited_after(&text, "golden ").into_iter().chain(listed) {
            cited += 1;
            assert!(index.contains(&format!("\n| {number} |")), "{}: golden {number}", file.display());
        }
    }
    assert!(cited > 100, "the citations were not found");
}

/// Texts to look up are the headings of the page; `…` replaces what differs. The program's sources have each text whole, and a test
/// asserts a piece of it, so the page fails here when the text changes, and the test fails when it is not said any more.
#[test]
fn error_texts_to_look_up_are_those_of_the_program() {
    let (program, tests) = (joined(&sources()), texts_of_tests());
    let page = text_of(&root().join("docs/troubleshooting.md"));
    let texts: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert!(texts.len() > 60, "the texts were not found");
    for text in texts {
        let parts: Vec<_> = text.split('…').map(str::trim).filter(|part| part.len() > 3).collect();
        for part in &parts {
            assert!(program.contains(part), "docs/troubleshooting.md: the program says nowhere '{part}'");
        }
        let is_asserted = parts.iter().any(|part| pieces(part).any(|piece| tests.contains(piece)));
        assert!(is_asserted, "docs/troubleshooting.md: no test asserts '{text}', or {PIECE} bytes of it");
    }
}

/// The texts of other programs are in the first column of a table. A test runs each program into its text and asserts it whole.
#[test]
fn error_texts_of_other_programs_are_asserted_by_a_test() {
    let tests = texts_of_tests();
    let page = text_of(&root().join("docs/troubleshooting.md"));
    let table = page.split("## Texts of clients").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let texts: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(texts.len() > 15, "the texts were not found");
    for text in texts.into_iter().filter(|text| !text.starts_with("NAME.")) {
        for part in text.split('…').map(str::trim).filter(|part| part.len() > 3) {
            assert!(tests.contains(part), "docs/troubleshooting.md: no test asserts '{part}'");
        }
    }
}

/// How much of a text a test must assert, in bytes.
const PIECE: usize = 24;

/// The pieces of `part` that suffice; all of it when it is short.
fn pieces(part: &str) -> impl Iterator<Item = &str> {
    let last = part.len().saturating_sub(PIECE);
    (0..=last).filter_map(move |start| part.get(start..(start + PIECE).min(part.len())))
}

/// The tests: exchanges, unit tests, the suites of the SDKs and of the kits.
fn texts_of_tests() -> String {
    let mut files = Vec::new();
    for dir in ["tests", "kits/pytest/tests", "kits/node/tests"] {
        for kind in ["rs", "py", "js", "go", "java"] {
            collect(&root().join(dir), kind, &mut files);
        }
    }
    files.retain(|file| !file.ends_with("documents.rs") && !file.components().any(|part| part.as_os_str() == ".venv"));
    let mut text = joined(&files);
    for file in sources().iter().filter(|file| file.starts_with(root().join("src"))) {
        let source = text_of(file);
        let unit_tests =
            if file.ends_with("tests.rs") { Some(source.as_str()) } else { source.split("\nmod tests {").nth(1) };
        text += &without_breaks(unit_tests.unwrap_or_default());
    }
    text
}

fn joined(files: &[PathBuf]) -> String {
    files.iter().map(|file| without_breaks(&text_of(file))).collect()
}

/// A source on one line, its escaped quotes as they are printed.
fn without_breaks(source: &str) -> String {
    on_one_line(source).replace("\\\"", "\"")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Every document of the project.
fn documents() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(root(), "md", &mut files);
    files.sort();
    assert!(files.len() > 15, "the documents were not found");
    files
}

/// Every file of Rust that the project is made and tested with.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&root().join("src"), "rs", &mut files);
    collect(&root().join("tests/it"), "rs", &mut files);
    files
}

fn collect(dir: &Path, kind: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !name.starts_with('.') && !MADE_BY_TOOLS.contains(&name.as_str()) {
            collect(&path, kind, files);
        } else if path.extension().is_some_and(|extension| extension == kind) {
            files.push(path);
        }
    }
}

/// Where a page's links point, without those in blocks of code.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("\n```").step_by(2).collect();
    prose.split("](").skip(1).filter_map(|after| Some(after.split_once(')')?.0.to_owned())).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
        })
        .collect()
}

/// The numbers of three digits that follow `word`, however a comment's lines are broken.
fn cited_after(text: &str, word: &str) -> Vec<String> {
    let text = on_one_line(text).to_lowercase();
    text.split(word)
        .skip(1)
        .flat_map(|after| {
            let words = after.split([' ', ',', ')', '.', ';', ':', '"']).filter(|word| !word.is_empty());
            let words = words.skip_while(|word| *word == "pairs").filter(|word| *word != "and");
            words.take_while(|word| is_number(word)).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// The numbers in string literals that hold nothing else: `"003, 005"`.
fn lists_of_numbers(text: &str) -> Vec<String> {
    let literals = text.split('"').filter(|literal| literal.split(", ").all(is_number));
    literals.flat_map(|literal| literal.split(", ")).map(str::to_owned).collect()
}

fn is_number(word: &str) -> bool {
    word.len() == 3 && word.chars().all(|c| c.is_ascii_digit())
}

/// A source with the continuation of string literals and of comments joined.
fn on_one_line(text: &str) -> String {
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim();
        let line = ["//!", "///", "//"].iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).trim_start();
        match line.strip_suffix('\\') {
            Some(continued) => joined.push_str(continued),
            None => joined.extend([line, " "]),
        }
    }
    joined
}
