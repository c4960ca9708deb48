//! A data directory and the directory of certificates: one server at a time, and what is missing from them.

use super::*;

/// `serve` on free ports, with its data in `data`.
fn serve_in(data: &Path) -> Vec<&str> {
    [&["serve", "--data", data.to_str().unwrap()][..], &ON_FREE_PORTS].concat()
}

#[test]
fn a_data_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    let args = serve_in(&data);
    let printed = refused(&args, 1);
    assert!(
        printed.contains(&format!("the data directory {} is in use by another keyhaven", data.display())),
        "{printed}"
    );
}

#[test]
fn of_two_that_start_at_once_one_serves_and_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let start = || keyhaven(&serve_in(&data)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut both = [start(), start()];
    let loser = loop {
        if let Some(loser) = both.iter_mut().position(|child| child.try_wait().unwrap().is_some()) {
            break loser;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut printed = String::new();
    std::io::Read::read_to_string(both[loser].stderr.as_mut().unwrap(), &mut printed).unwrap();
    assert!(printed.contains("in use by another keyhaven"), "{printed}");
    let winner = &mut both[1 - loser];
    let mut first = String::new();
    BufReader::new(winner.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("is ready"));
    winner.kill().unwrap();
    winner.wait().unwrap();
}

#[test]
fn two_servers_that_share_their_certificates_make_one_ca() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    let args = ["--certs", certs.to_str().unwrap()];
    let served = std::thread::scope(|scope| {
        let starts = ["one", "other"].map(|name| {
            let data = dir.path().join(name);
            scope.spawn(move || Served::start(&data, &args))
        });
        starts.map(|start| start.join().unwrap())
    });
    assert_eq!(served[0].ready["ca"], served[1].ready["ca"]);
    let kept = std::fs::read_to_string(certs.join("ca.pem")).unwrap();
    for one in &served {
        let printed = http_get(one.ready["identity"].as_str().unwrap(), "/ca.pem");
        assert!(printed.ends_with(&kept), "{printed}");
    }
}

#[test]
fn a_wrong_or_lost_master_key_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Served::start(&data, &[]));
    let args = serve_in(&data);
    let key = data.join("master.key");
    std::fs::write(&key, "ab".repeat(32)).unwrap();
    let printed = refused(&args, 1);
    assert!(printed.contains("master key"), "{printed}");
    std::fs::remove_file(&key).unwrap();
    let printed = refused(&args, 1);
    assert!(printed.contains("master.key") && printed.contains("missing"), "{printed}");
}
