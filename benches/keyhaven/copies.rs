//! Copies of a vault: how long they take, and what each costs in memory, whatever the vault holds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use keyhaven::testing::ReadyFile;

use crate::client::{Answer, Target, request};
use crate::report::{Bound, Row};
use crate::server::{Keeping, Server, token};
use crate::statistics::{median, milliseconds, quantile};
use crate::{Outcome, tls};

/// Secrets in the vault that is copied.
const OBJECTS: usize = 1_000;
/// Copies that are made of it.
const COPIES: usize = 2_000;
/// Milliseconds that a copy may take.
const ONE: Bound = Bound::AtMost(1.0);
/// Milliseconds that all of them may take, one after the other.
const ALL: Bound = Bound::AtMost(1_000.0);
/// Kilobytes that a copy may cost.
const MEMORY: Bound = Bound::AtMost(20.0);

/// Time and memory of copies, on a server that keeps nothing.
pub(crate) async fn rows(binary: &Path) -> Outcome<Vec<Row>> {
    eprintln!("setting {OBJECTS} secrets and copying their vault {COPIES} times");
    let home = tempfile::tempdir()?;
    let mut server = Server::spawn(binary, home.path(), Keeping::Nothing)?;
    let ready = server.ready()?;
    fill(&Target { address: server.address, config: tls::trusting(&ready.ca)? }, &token(&ready)?).await?;
    let before = server.process().resident()?;
    let times = copy(&ready)?;
    let all: Duration = times.iter().sum();
    let bytes = server.process().resident()?.saturating_sub(before) / COPIES as u64;
    let times: Vec<_> = times.into_iter().map(milliseconds).collect();
    Ok(vec![
        Row::new("copy of a vault with 1,000 objects", median(&times), "ms")
            .bound(ONE)
            .besides("p99", quantile(&times, 0.99)),
        Row::new("2,000 copies of it", milliseconds(all), "ms").bound(ALL),
        Row::new("memory of a copy", bytes as f64 / 1e3, "KB").bound(MEMORY),
    ])
}

async fn fill(target: &Target, token: &str) -> Outcome<()> {
    let mut connection = target.connect().await?;
    for number in 0..OBJECTS {
        let path = format!("/secrets/s{number}?api-version=7.4");
        connection.ask(&request("PUT", &path, token, r#"{"value":"hush"}"#)).await?;
    }
    Ok(())
}

/// Makes the copies over one connection to the admin API; returns how long each took.
fn copy(ready: &ReadyFile) -> Outcome<Vec<Duration>> {
    let address = ready.admin.as_deref().ok_or("the admin API is off")?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let body = r#"{"copyOf":"local"}"#;
    (0..COPIES)
        .map(|number| {
            let asked = format!(
                "PUT /admin/vaults/copy-{number} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                ready.admin_key.as_str(),
                body.len()
            );
            let began = Instant::now();
            stream.write_all(asked.as_bytes())?;
            made(&mut stream)?;
            Ok(began.elapsed())
        })
        .collect()
}

/// Reads a whole answer: 201.
fn made(stream: &mut TcpStream) -> Outcome<()> {
    let (mut received, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut part)?;
        received.extend_from_slice(&part[..count]);
        match Answer::parse(&received) {
            Some(answer) if answer.status == 201 => return Ok(()),
            Some(answer) => return Err(format!("expected 201, got {answer}").into()),
            None if count == 0 => return Err("the connection broke off".into()),
            None => {}
        }
    }
}
