//! A server and the commands that look into it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Served, config, keyhaven, refused};

/// A server whose data is in a directory of its own.
pub struct Ground {
    pub dir: TempDir,
    pub data: PathBuf,
    pub served: Served,
}

impl Ground {
    pub fn start(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        Self { served: Served::start(&data, more), dir, data }
    }

    pub fn with_config(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let file = config(dir.path(), text);
        Self { served: Served::start(&data, &["--config", file.to_str().unwrap()]), dir, data }
    }

    /// Runs `line` (words apart by blanks) with `input` on its standard input.
    pub fn run(&self, line: &str, input: &[u8]) -> Output {
        let mut command = keyhaven(&line.split(' ').collect::<Vec<_>>());
        command.arg("--data").arg(&self.data).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What `line` prints; it succeeds and says nothing else.
    pub fn ok(&self, line: &str) -> String {
        self.ok_with(line, b"")
    }

    pub fn ok_with(&self, line: &str, input: &[u8]) -> String {
        let output = self.run(line, input);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{line}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --json"))).unwrap()
    }

    /// The one line in which `line` says why it fails.
    pub fn no(&self, line: &str, status: i32) -> String {
        let words = format!("{line} --data {}", self.data.display());
        refused(&words.split(' ').collect::<Vec<_>>(), status)
    }

    pub fn port(&self) -> &str {
        self.served.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap()
    }
}

/// The cells of the line that begins with `name`.
pub fn cells<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).split_whitespace().collect()
}
