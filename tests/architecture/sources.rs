//! Reading the sources below `src`.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether a file is a module of unit tests or fuzzing, or lies below one: the file above says `#[cfg(test)] mod NAME;`.
pub(crate) fn is_unit_tests(path: &Path) -> bool {
    path.ancestors().any(|module| {
        let (Some(name), Some(above)) = (module.file_stem().and_then(|name| name.to_str()), module.parent()) else {
            return false;
        };
        let for_tests = ["#[cfg(test)]", "#[cfg(any(test, fuzzing))]"];
        let declares = |text: String| {
            let lines: Vec<_> = text.lines().collect();
            let is_declared =
                |pair: &[&str]| pair[1].ends_with(&format!("mod {name};")) && for_tests.contains(&pair[0]);
            lines.windows(2).any(is_declared)
        };
        let says_so = |file: PathBuf| fs::read_to_string(file).is_ok_and(declares);
        says_so(above.join("mod.rs")) || says_so(above.with_extension("rs"))
    })
}

/// Every source file below `src`: its room, its path, its text.
pub(crate) fn sources() -> Vec<(String, PathBuf, String)> {
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
pub(crate) fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The path of a source file below `src`.
pub(crate) fn below_src(path: &Path) -> String {
    path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().to_str().unwrap().to_owned()
}
