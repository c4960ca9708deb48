//! The example as its reader runs it: in the environment of `keyhaven run`, with nothing else set.

use std::path::Path;
use std::process::Command;

#[test]
fn the_quickstart() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = here.join("../../../examples/rust/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--locked", "--offline", "--manifest-path"]).arg(example);
    let done = cargo.env("CARGO_TARGET_DIR", here.join("target")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "secret     hVFkk965BuUv\nunwrapped  a data key\n");
}
