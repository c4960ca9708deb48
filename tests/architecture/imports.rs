//! What the sources import: rooms and files.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::code;

/// The rooms named after `crate::`, alone or in braces.
pub(crate) fn imports(text: &str) -> BTreeSet<String> {
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

/// The module path of a file below `src`.
pub(crate) fn module_of(file: &str) -> Vec<String> {
    let file = file.trim_end_matches(".rs").trim_end_matches("/mod");
    file.split('/').map(str::to_owned).collect()
}

/// The files that `file` imports from. A module's own children are a part of it and do not count.
pub(crate) fn imported_files(file: &str, text: &str, modules: &BTreeMap<Vec<String>, String>) -> BTreeSet<String> {
    let own = module_of(file);
    let absolute = |path: Vec<String>| match path.first().map(String::as_str) {
        Some("crate") => Some(path[1..].to_vec()),
        Some("super") => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            Some([&own[..own.len() - ups], &path[ups..]].concat())
        }
        _ => None,
    };
    let targets = use_paths(text).into_iter().filter_map(absolute);
    let module = |path: Vec<String>| (1..=path.len()).rev().find_map(|length| modules.get_key_value(&path[..length]));
    targets.filter_map(module).filter(|(path, _)| !path.starts_with(&own)).map(|(_, file)| file.clone()).collect()
}

/// The paths that `use` declarations name, each in parts.
fn use_paths(text: &str) -> Vec<Vec<String>> {
    let declarations = text.split(';').filter_map(|statement| {
        let start = statement.rfind("\nuse ").map(|at| at + 5).or_else(|| statement.strip_prefix("use ").map(|_| 4));
        let public =
            statement.rfind(" use ").filter(|at| statement[..*at].rsplit('\n').next().unwrap().starts_with("pub"));
        start.or(public.map(|at| at + 5)).map(|at| statement[at..].split_whitespace().collect::<String>())
    });
    declarations.flat_map(|tree| expand(&tree)).collect()
}

/// The paths of a `use` tree without white space.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let Some((prefix, group)) = tree.split_once('{') else {
        return vec![tree.split("::").map(str::to_owned).collect()];
    };
    let (mut depth, mut names) = (0, vec![String::new()]);
    for c in group.strip_suffix('}').unwrap().chars() {
        match c {
            ',' if depth == 0 => names.push(String::new()),
            c => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                names.last_mut().unwrap().push(c);
            }
        }
    }
    names.iter().filter(|name| !name.is_empty()).flat_map(|name| expand(&format!("{prefix}{name}"))).collect()
}

/// Every file that `from` reaches, itself only when it lies on a circle.
pub(crate) fn reachable(from: &str, arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = next.pop() {
        if seen.insert(file.clone()) {
            next.extend(arrows.get(&file).into_iter().flatten().cloned());
        }
    }
    seen
}
