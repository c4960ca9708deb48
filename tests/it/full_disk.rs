//! A disk that is full: what was there is served, writes say why not, and go on when there is room.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyhaven::remote::{Agent, TrustStore};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A small disk: a file system in memory, mounted for a process of its own and for those that join it.
struct Disk {
    dir: TempDir,
    holder: Child,
    join: Vec<String>,
}

impl Disk {
    fn new(size: &str) -> Self {
        let by_user =
            |flags: &[&str]| Command::new("unshare").args(flags).arg("true").status().is_ok_and(|s| s.success());
        let (flags, joined): (_, &[&str]) = match (by_user(&["-m"]), by_user(&["-rm"])) {
            (true, _) => ("-m", &["-m"]),
            (false, true) => ("-rm", &["-m", "-U", "--preserve-credentials"]),
            (false, false) => panic!(
                "no small disk can be mounted: install util-linux (unshare), and run as root or allow user namespaces to others"
            ),
        };
        let dir = tempfile::tempdir().unwrap();
        let script =
            format!("mount -t tmpfs -o size={size} tmpfs {} && echo mounted && exec sleep 600", dir.path().display());
        let mut holder =
            Command::new("unshare").args([flags, "sh", "-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "no small disk can be mounted: allow this user to mount, or run as root");
        let target = ["-t".to_owned(), holder.id().to_string()];
        let join = target.into_iter().chain(joined.iter().map(|flag| (*flag).to_owned())).collect();
        Self { dir, holder, join }
    }

    /// Where this process finds what lies on it.
    fn seen(&self, name: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.holder.id().to_string())
            .join("root")
            .join(self.dir.path().strip_prefix("/").unwrap())
            .join(name)
    }

    /// Leaves no room on it.
    fn fill(&self) {
        let mut file = fs::File::create(self.seen("filler")).unwrap();
        for size in [65_536, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.seen("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A server whose data lies on a disk.
struct Served {
    child: Child,
    ready: Value,
    agent: Agent,
}

/// A configuration of the vault `local` and one with as many large secrets.
fn config(dir: &Path, secrets: usize) -> PathBuf {
    let large = "x".repeat(20_000);
    let secrets: Vec<_> = (0..secrets).map(|at| json!({"name": format!("s-{at}"), "value": large})).collect();
    let all = json!([{"identity": "owner", "permissions": {"secrets": ["all"]}}]);
    let vault = |name: &str, secrets| json!({"name": name, "accessPolicies": all, "secrets": secrets});
    let more = (!secrets.is_empty()).then(|| vault("more", json!(secrets)));
    let vaults: Vec<_> = [vault("local", json!([]))].into_iter().chain(more).collect();
    let path = dir.join(format!("{}.json", secrets.len()));
    fs::write(&path, json!({"identities": [{"name": "owner"}], "vaults": vaults}).to_string()).unwrap();
    path
}

/// What was answered: status, `Retry-After`, body.
type Answer = (u16, String, Value);

impl Served {
    fn start(disk: &Disk) -> Self {
        Self::with(disk, &[])
    }

    fn with(disk: &Disk, more: &[&str]) -> Self {
        let elsewhere = tempfile::tempdir().unwrap();
        let ready_file = elsewhere.path().join("ready");
        let data = disk.dir.path().join("data");
        let mut command = Command::new("nsenter");
        command.args(&disk.join).arg("--").arg(env!("CARGO_BIN_EXE_keyhaven"));
        command
            .arg("serve")
            .args(crate::cli::ON_FREE_PORTS)
            .arg("--ready-file")
            .arg(&ready_file)
            .arg("--data")
            .arg(&data)
            .args(more);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYHAVEN_")) {
            command.env_remove(name);
        }
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let ready: Value = loop {
            if let Ok(text) = fs::read_to_string(&ready_file) {
                break serde_json::from_str(&text).unwrap();
            }
            assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "it does not start");
            std::thread::sleep(Duration::from_millis(10));
        };
        let ca = fs::read_to_string(disk.seen("data/certs/ca.pem")).unwrap();
        Self { child, ready, agent: TrustStore::default().with_pem(&ca).unwrap().agent() }
    }

    fn asked(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = ureq::http::Request::builder().method(method).uri(url);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = self.agent.configure_request(request.body(body.to_owned()).unwrap()).proxy(None).build();
        let mut answer = self.agent.run(request).unwrap();
        let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let text = answer.body_mut().read_to_string().unwrap();
        (
            answer.status().as_u16(),
            retry.unwrap_or_default(),
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    fn plain(&self, listener: &str, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.ready[listener].as_str().unwrap());
        self.asked("GET", &url, &[("metadata", "true")], "")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let resource = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
        let token = self.plain("identity", resource).2["access_token"].as_str().unwrap().to_owned();
        let url = format!("{}{path}?api-version=7.4", self.ready["vaults"]["local"].as_str().unwrap());
        let bearer = format!("Bearer {token}");
        self.asked(method, &url, &[("authorization", &bearer), ("content-type", "application/json")], body)
    }

    /// Writes until the disk refuses: some writes fit into pages that are free within the file.
    fn refused(&self) -> Answer {
        let value = format!(r#"{{"value":"{}"}}"#, "x".repeat(20_000));
        for at in 0..500 {
            let answer = self.ask("PUT", &format!("/secrets/large-{at}"), &value);
            if answer.0 != 200 {
                return answer;
            }
        }
        panic!("the disk takes everything");
    }

    fn stop(mut self) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FULL: &str = "the disk is full: nothing can be written until there is room again";

/// It reads, says that it cannot write and what to do, and stays alive.
fn assert_degraded(served: &Served, refused: &Answer) {
    assert_eq!((refused.0, refused.1.as_str()), (507, "10"), "{refused:?}");
    assert_eq!(refused.2["error"]["code"], "InsufficientStorage");
    let why = "The disk that holds this server's data is full, so nothing can be written. Free some space on it and send the \
               request again";
    assert!(refused.2["error"]["message"].as_str().unwrap().contains(why), "{refused:?}");
    assert_eq!(served.ask("GET", "/secrets/small", "").2["value"], "kept", "reads go on");
    let health = served.plain("identity", "/health");
    assert_eq!((health.0, &health.2["degraded"]), (200, &Value::from(FULL)));
    assert_eq!(served.plain("admin", "/admin/status").2["degraded"], FULL);
    let bearer = format!("Bearer {}", served.ready["adminKey"].as_str().unwrap());
    let url = format!("http://{}/admin/vaults/another", served.ready["admin"].as_str().unwrap());
    assert_eq!(served.ask("POST", "/secrets/small/backup", "").0, 507, "its key cannot be kept");
    let admin = served.asked("PUT", &url, &[("authorization", &bearer)], "{}");
    assert_eq!((admin.0, admin.1.as_str()), (507, "10"), "{admin:?}");
}

/// It writes again, and says nothing any more.
fn assert_well(served: &Served) {
    assert_eq!(served.ask("PUT", "/secrets/later", r#"{"value":"v"}"#).0, 200);
    assert_eq!(served.plain("identity", "/health").2, Value::from("ok\n"));
    assert_eq!(served.plain("admin", "/admin/status").2.get("degraded"), None);
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_on_a_full_disk_reads_says_so_and_writes_again_when_there_is_room() {
    let disk = Disk::new("16m");
    let served = Served::start(&disk);
    assert_eq!(served.ask("PUT", "/secrets/small", r#"{"value":"kept"}"#).0, 200);
    disk.fill();
    assert_degraded(&served, &served.refused());
    disk.free();
    assert_well(&served);

    disk.fill();
    assert_degraded(&served, &served.refused());
    served.stop();
    let served = Served::start(&disk);
    assert_eq!(served.ask("GET", "/secrets/small", "").2["value"], "kept", "it starts on the full disk");
    assert_degraded(&served, &served.refused());
    drop(served);
    let served = Served::start(&disk);
    assert_eq!(served.ask("GET", "/secrets/small", "").2["value"], "kept", "after a kill, too");
    disk.free();
    assert_well(&served);
    served.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn health_says_that_the_disk_is_full_until_it_is_not_without_a_write_of_anyone() {
    let disk = Disk::new("16m");
    let served = Served::start(&disk);
    // Once there is a token, the key that signs it is kept.
    assert_eq!(served.ask("PUT", "/secrets/small", r#"{"value":"kept"}"#).0, 200);
    disk.fill();
    assert_eq!(served.refused().0, 507);
    // Long enough that the commit is over which follows writes as soon as nothing waits.
    std::thread::sleep(Duration::from_secs(1));
    assert!(served.plain("identity", "/health").2["degraded"].is_string());
    disk.free();
    let deadline = Instant::now() + Duration::from_secs(20);
    while served.plain("identity", "/health").2 != "ok\n" {
        assert!(Instant::now() < deadline, "it tries by itself");
        std::thread::sleep(Duration::from_millis(100));
    }
    served.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_start_cannot_write_on_a_full_disk_is_left_out() {
    let disk = Disk::new("16m");
    let elsewhere = tempfile::tempdir().unwrap();
    let [small, large] = [0, 20].map(|secrets| config(elsewhere.path(), secrets).display().to_string());
    let served = Served::with(&disk, &["--config", &small]);
    assert_eq!(served.ask("PUT", "/secrets/small", r#"{"value":"kept"}"#).0, 200);
    disk.fill();
    assert_eq!(served.refused().0, 507);
    served.stop();
    let served = Served::with(&disk, &["--config", &large]);
    assert_eq!(served.ask("GET", "/secrets/small", "").2["value"], "kept");
    assert_eq!(served.plain("identity", "/health").2["degraded"], FULL);
    served.stop();
    disk.free();
    let served = Served::with(&disk, &["--config", &large]);
    assert_eq!(served.ready["vaults"].as_object().unwrap().len(), 2, "the next start makes up for it");
    assert_eq!(served.plain("identity", "/health").2, "ok\n");
    served.stop();
}
