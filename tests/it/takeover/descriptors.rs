//! Many tunnels, and nothing left open: a process of its own is watched, because the tests of this one open files side by
//! side.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::cli::Served;

/// How many descriptors the process has open.
fn open(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Connects and asks; returns the stream once the proxy has begun to answer.
fn ask(proxy: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    stream
}

#[test]
fn two_hundred_tunnels_are_carried_at_once() {
    const TUNNELS: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&dir.path().join("data"), &["--proxy-listen", ":0"]);
    let proxy = served.ready["proxy"].as_str().unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = elsewhere.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let streams: Vec<_> = (0..TUNNELS).map(|_| elsewhere.accept().unwrap().0).collect();
        for mut stream in streams {
            let mut said = [0; 4];
            stream.read_exact(&mut said).unwrap();
            stream.write_all(&said).unwrap();
        }
    });
    let mut tunnels: Vec<_> = (0..TUNNELS).map(|_| ask(proxy, &format!("CONNECT {target}"))).collect();
    for (number, tunnel) in tunnels.iter_mut().enumerate() {
        write!(tunnel, "{number:04}").unwrap();
    }
    for (number, mut tunnel) in tunnels.into_iter().enumerate() {
        let mut answer = Vec::new();
        tunnel.read_to_end(&mut answer).unwrap();
        assert!(answer.ends_with(format!("{number:04}").as_bytes()), "{number}");
    }
    echo.join().unwrap();
}

#[test]
fn no_descriptor_is_left_over() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&dir.path().join("data"), &["--proxy-listen", ":0"]);
    let proxy = served.ready["proxy"].as_str().unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = elsewhere.local_addr().unwrap();
    let once = || (ask(proxy, &format!("CONNECT {target}")), elsewhere.accept().unwrap().0);
    drop(once());
    std::thread::sleep(Duration::from_millis(200));
    let before = open(served.child.id());

    for round in 0..50 {
        let (client, server) = once();
        let halved = once();
        halved.0.shutdown(Shutdown::Write).unwrap();
        let taken_over = ask(proxy, "CONNECT acme.vault.azure.net:443");
        let refused = ask(proxy, "CONNECT acme.blob.core.windows.net:443");
        // Ends in every order.
        if round % 2 == 0 {
            drop(client)
        } else {
            drop(server)
        }
        drop((halved, taken_over, refused));
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while open(served.child.id()) > before {
        assert!(Instant::now() < deadline, "{} more than before", open(served.child.id()) - before);
        std::thread::sleep(Duration::from_millis(20));
    }
}
