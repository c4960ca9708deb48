//! Data directories of formats before this build's: refused with one sentence, and left as they are.
//!
//! A fixture is a data directory as text: for each file a line `file PATH BYTES`, then the parts of it that are not zeros,
//! each as `OFFSET BASE64`. They were made by builds that wrote the format (`keyhaven serve --data DIR`, stopped at once).

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::check::{check, files, start_refused};

const FORMAT_1_REDB: &str = include_str!("format-1-redb.txt");
#[cfg(feature = "sled")]
const FORMAT_1_SLED: &str = include_str!("format-1-sled.txt");

/// Writes the data directory that `fixture` describes to `data`.
fn expand(fixture: &str, data: &Path) {
    let mut contents: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut current = "";
    for line in fixture.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["file", path, bytes] => {
                current = path;
                contents.insert(path, vec![0; bytes.parse().unwrap()]);
            }
            [offset, part] => {
                let (offset, part): (usize, _) = (offset.parse().unwrap(), STANDARD.decode(part).unwrap());
                contents.get_mut(current).unwrap()[offset..offset + part.len()].copy_from_slice(&part);
            }
            _ => panic!("{line}"),
        }
    }
    for (path, bytes) in contents {
        let path = data.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The sentence about data of format 1 in `data`.
fn sentence(data: &Path) -> String {
    format!(
        "{} was made by an unreleased build of Keyhaven (format 1); this build reads format 2: start with an empty --data \
         directory, or delete this one",
        data.display()
    )
}

/// A start and a check refuse `fixture` with the sentence, and change no file of it.
fn assert_refused(fixture: &str, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    expand(fixture, &data);
    let before = files(&data);
    let refusal = start_refused(&data, arguments);
    let expected = format!("keyhaven: {}\n", sentence(&data));
    assert_eq!(refusal, expected);
    assert_eq!(check(&data, &[]), (Some(1), String::new(), expected));
    let after = files(&data);
    let changed: Vec<_> = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes)).collect();
    assert!(changed.is_empty(), "{:?}", changed.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn data_of_format_1_in_redb_is_refused_and_left_as_it_is() {
    assert_refused(FORMAT_1_REDB, &[]);
}

#[cfg(feature = "sled")]
#[test]
fn data_of_format_1_in_sled_is_refused_and_left_as_it_is() {
    assert_refused(FORMAT_1_SLED, &["--store", "sled"]);
}
