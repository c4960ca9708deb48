//! The drills against the real binary: they pass, on a server of their own and on one that was started by hand, and each
//! fails when what it guards is broken.

mod begin;
mod choice;
mod data_loss;
mod hooks;
mod private_server;
mod proxy;
mod rights;
mod running_server;
mod stopped;
mod tampered;

use std::process::{Command, Output};

use serde_json::Value;

use crate::cli::{Served, keyhaven};

/// A server that was started by hand, and its directory.
struct Server {
    served: Served,
    dir: tempfile::TempDir,
}

impl Server {
    /// `serve` with a virtual clock.
    fn start() -> Self {
        Self::with(&["--clock", "virtual"])
    }

    /// `serve` with `more`, and this machine's address as a private endpoint's where that gives no configuration. Drills send more
    /// requests than a pipe has room for lines of the log.
    fn with(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("endpoints.json");
        std::fs::write(&config, r#"{"privateEndpoints": [{"name": "drill", "ranges": ["127.0.0.0/8"]}]}"#).unwrap();
        let own = ["--config", config.to_str().unwrap()];
        let own: &[&str] = if more.contains(&"--config") { &[] } else { &own };
        let served = Served::start(&dir.path().join("data"), &[more, own, &["--log-level", "warn"]].concat());
        Self { served, dir }
    }

    fn ready(&self) -> &Value {
        &self.served.ready
    }

    fn vault(&self) -> &str {
        self.ready()["vaults"]["local"].as_str().unwrap()
    }

    fn admin(&self) -> String {
        format!("http://{}", self.ready()["admin"].as_str().unwrap())
    }

    /// `drill` with the words of `args`, and where the server's data lies.
    fn drill(&self, args: &[&str]) -> Command {
        let mut command = keyhaven(&["drill"]);
        command.args(args).arg("--data").arg(self.dir.path().join("data"));
        command
    }

    /// What the admin API answers.
    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let key = self.ready()["adminKey"].as_str().unwrap();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.admin()))
            .header("authorization", format!("Bearer {key}"))
            .body(body.to_owned())
            .unwrap();
        let text = ureq::Agent::new_with_defaults().run(request).unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// All steps of a JSON report: `DRILL/STEP`, verdict, what was seen.
fn steps(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let drills = report["drills"].as_array().unwrap();
    let steps =
        drills.iter().flat_map(|drill| drill["steps"].as_array().unwrap().iter().map(move |step| (drill, step)));
    steps
        .map(|(drill, step)| {
            (format!("{}/{}", text(&drill["drill"]), text(&step["step"])), text(&step["verdict"]), text(&step["seen"]))
        })
        .collect()
}

/// What a program printed to stderr.
fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The name of the first step that failed.
fn first_failed(report: &Value) -> Option<String> {
    let failed = steps(report).into_iter().find(|(_, verdict, _)| verdict == "failed");
    failed.map(|(step, _, _)| step.split_once('/').unwrap().1.to_owned())
}
