//! `keyhaven init`: an example of a configuration that serves, and its schema.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{Served, keyhaven, refused};

fn init(dir: &Path, args: &[&str]) -> Output {
    keyhaven(&["init"]).args(args).current_dir(dir).output().unwrap()
}

fn said(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_writes_an_example_that_serves_and_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keyhaven.jsonc");
    let expected = "wrote keyhaven.jsonc\nwrote ./keyhaven.schema.json\nnext: keyhaven serve --config keyhaven.jsonc\n";
    assert_eq!(said(init(dir.path(), &[])), expected);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let schema = std::fs::read_to_string(dir.path().join("keyhaven.schema.json")).unwrap();
    assert_eq!(schema, said(init(dir.path(), &["--schema"])));
    assert!(serde_json::from_str::<Value>(&schema).unwrap()["properties"]["vaults"].is_object());
    let served = Served::start(&dir.path().join("data"), &["--config", file.to_str().unwrap()]);
    assert!(served.ready["vaults"]["shop-vault"].is_string());
    let mut beside = keyhaven(&["init", "live.jsonc"]);
    beside.current_dir(dir.path()).env("KEYHAVEN_DATA", dir.path().join("data"));
    assert!(said(beside.output().unwrap()).ends_with("\nnext: keyhaven apply live.jsonc --dry-run\n"));
    drop(served);

    std::fs::write(&file, "{}").unwrap();
    let refused = refused(&["init", file.to_str().unwrap()], 1);
    assert!(
        refused.ends_with("keyhaven.jsonc is there already and was left as it is; give another FILE\n"),
        "{refused}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
    let second = said(init(dir.path(), &["second.json"]));
    assert!(second.contains("\n./keyhaven.schema.json is there already\n"), "{second}");
    std::fs::write(dir.path().join("keyhaven.schema.json"), "{}").unwrap();
    let third = said(init(dir.path(), &["third.json"]));
    let left =
        "\nleft ./keyhaven.schema.json, which is another version's: keyhaven init --schema > ./keyhaven.schema.json\n";
    assert!(third.contains(left), "{third}");
}

#[test]
fn where_nothing_can_be_written_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().to_str().unwrap();
    assert_eq!(refused(&["init", here], 1), format!("keyhaven: {here} is a directory; give the file to write in it\n"));
    assert!(refused(&["init", &format!("{here}/no/file")], 1).contains("No such file or directory"));
    assert_eq!(init(dir.path(), &["--schema", "file"]).status.code(), Some(2));
}
