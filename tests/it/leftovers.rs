//! What a server leaves behind that was killed: the next start removes it, and nothing of one that runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyhaven::{Options, Storage};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{ON_FREE_PORTS, keyhaven};
use crate::world::World;

/// A server that keeps nothing.
fn serve() -> Command {
    let mut command = keyhaven(&["serve", "--ephemeral"]);
    command.args(ON_FREE_PORTS);
    command
}

/// A server whose temporary directory is `temporary`; killed when dropped.
struct Killed(Child);

impl Killed {
    fn start(temporary: &Path) -> Self {
        Self::started(serve(), temporary)
    }

    fn started(mut command: Command, temporary: &Path) -> Self {
        let mut child =
            command.env("TMPDIR", temporary).env("XDG_RUNTIME_DIR", temporary).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert!(line.contains("is ready"), "{line}");
        Self(child)
    }
}

impl Killed {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap(), signal).unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn private_dirs(temporary: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("keyhaven-"));
    found.sort();
    found
}

#[test]
fn the_private_directory_of_a_killed_server_goes_with_the_next_start() {
    let temporary = tempfile::tempdir().unwrap();
    let first = Killed::start(temporary.path());
    let of_first = private_dirs(temporary.path());
    assert_eq!(of_first.len(), 1);
    let second = Killed::start(temporary.path());
    let deadline = Instant::now() + Duration::from_secs(20);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(private_dirs(temporary.path()).len(), 2, "that of a server which runs stays");
    assert!(of_first[0].join("ca.pem").exists(), "with all that is in it");
    drop(first);
    assert!(of_first[0].exists(), "a kill leaves it");
    let _third = Killed::start(temporary.path());
    while of_first[0].exists() {
        assert!(Instant::now() < deadline, "the next start removes it");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(private_dirs(temporary.path()).len(), 2);
    drop(second);
}

#[tokio::test]
async fn temporary_files_of_a_killed_server_go_with_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || World::of(crate::world::CONFIG, Storage::Redb(dir.path().to_owned())).await;
    start().await.server.stop().await;
    fs::create_dir_all(dir.path().join("credentials")).unwrap();
    let temp_files =
        [".new-abc123", "certs/.new-ABCdef.ca.key", "credentials/.new-abcdef"].map(|name| dir.path().join(name));
    for file in &temp_files {
        fs::write(file, "half a key").unwrap();
    }
    fs::write(dir.path().join("notes.new"), "the user's").unwrap();
    start().await.server.stop().await;
    assert!(temp_files.iter().all(|file| !file.exists()));
    assert!(dir.path().join("notes.new").exists());
}

/// The directory of the CA is taken through before each CA is made, while the database and the keys are made beside it.
#[tokio::test]
async fn certificates_and_data_are_made_in_one_directory() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let (storage, certs) = (Storage::Redb(dir.path().to_owned()), Some(dir.path().to_owned()));
        let world = World::with(Options { storage, certs, ..Options::default() }).await;
        world.server.stop().await;
    }
}

#[tokio::test]
async fn what_a_server_holds_in_use_is_not_swept_by_another_that_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { storage: Storage::Redb(dir.path().to_owned()), ..Options::default() };
    let world = World::with(options()).await;
    let file = dir.path().join(".new-abc123");
    fs::write(&file, "being written").unwrap();
    assert!(keyhaven::testing::start(options()).await.is_err());
    assert!(file.exists(), "it is the running server's");
    world.server.stop().await;
}

#[test]
fn a_hang_up_stops_a_server_as_sigterm_does_and_nothing_is_left() {
    let temporary = tempfile::tempdir().unwrap();
    let mut served = Killed::start(temporary.path());
    served.signal(Signal::HUP);
    assert_eq!(served.0.wait().unwrap().code(), Some(0));
    assert_eq!(private_dirs(temporary.path()), Vec::<PathBuf>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_hang_up_that_nohup_ignores_stops_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let line =
        format!("trap '' HUP; exec {} serve --ephemeral {}", env!("CARGO_BIN_EXE_keyhaven"), ON_FREE_PORTS.join(" "));
    command.args(["-c", &line]);
    let mut served = Killed::started(command, temporary.path());
    served.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    assert!(served.0.try_wait().unwrap().is_none(), "it runs");
    served.signal(Signal::TERM);
    assert_eq!(served.0.wait().unwrap().code(), Some(0));
}
