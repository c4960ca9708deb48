//! From nothing to the first answer, and the memory that takes.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tempfile::TempDir;

use crate::report::{Bound, Row};
use crate::server::{Keeping, Server, token};
use crate::statistics::{median, milliseconds, quantile};
use crate::{Effort, Outcome, client, tls};

/// The longest a start may take, in milliseconds.
const START: Bound = Bound::AtMost(10.0);
/// The most memory an idle server may occupy, in megabytes.
const MEMORY: Bound = Bound::AtMost(10.0);

/// How long starts of one sort took, in milliseconds.
#[derive(Debug, Default)]
struct Starts {
    connected: Vec<f64>,
    answered: Vec<f64>,
}

/// The time from starting the process until the first whole HTTPS answer is there.
pub(crate) fn rows(binary: &Path, effort: Effort) -> Outcome<Vec<Row>> {
    eprintln!("starting: {} times from nothing, on existing data, and keeping nothing", effort.starts);
    let config = tls::unchecked()?;
    let (mut first, mut again, mut ephemeral) = (Starts::default(), Starts::default(), Starts::default());
    let kept = prepared(binary)?;
    for _ in 0..effort.starts {
        first.time(binary, tempfile::tempdir()?.path(), Keeping::Data, &config)?;
        again.time(binary, kept.path(), Keeping::Data, &config)?;
        ephemeral.time(binary, tempfile::tempdir()?.path(), Keeping::Nothing, &config)?;
    }
    Ok(vec![
        first.row("start to first answer, from nothing"),
        again.row("start to first answer, existing data"),
        ephemeral.row("start to first answer, --ephemeral"),
    ])
}

/// The memory of a server that does nothing. Each server is a copy of the program: how many of a file's pages come along with
/// the one that is read depends on how the file lies in the page cache, by half a megabyte.
pub(crate) fn memory(binary: &Path, effort: Effort) -> Outcome<Vec<Row>> {
    eprintln!("reading the memory of {} idle servers", effort.servers);
    let (mut fresh, mut idle, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.servers {
        let home = tempfile::tempdir()?;
        let copy = home.path().join("keyhaven");
        std::fs::copy(binary, &copy)?;
        let mut server = Server::spawn(&copy, home.path(), Keeping::Data)?;
        server.ready()?;
        fresh.push(server.process().resident()? as f64 / 1e6);
        sleep(Duration::from_secs(1));
        idle.push(server.process().resident()? as f64 / 1e6);
        own.push(server.process().anonymous()? as f64 / 1e6);
    }
    Ok(vec![
        Row::new("memory after start", median(&fresh), "MB").bound(MEMORY),
        Row::new("memory after 1 s idle", median(&idle), "MB").bound(MEMORY),
        Row::new("of that, not the program's file", median(&own), "MB"),
    ])
}

/// A directory with the data of a server that has run and was stopped.
fn prepared(binary: &Path) -> Outcome<TempDir> {
    let home = tempfile::tempdir()?;
    let mut server = Server::spawn(binary, home.path(), Keeping::Data)?;
    token(&server.ready()?)?;
    server.stop()?;
    Ok(home)
}

/// How long it takes until a server on the data in `home` has answered, and the server.
pub(crate) fn answered(binary: &Path, home: &Path, config: &Arc<ClientConfig>) -> Outcome<(Duration, Server)> {
    let (_, answered, server) = timed(binary, home, Keeping::Data, config)?;
    Ok((answered, server))
}

/// How long it takes until a server can be connected to, and until it has answered.
fn timed(
    binary: &Path,
    home: &Path,
    keeping: Keeping,
    config: &Arc<ClientConfig>,
) -> Outcome<(Duration, Duration, Server)> {
    let began = Instant::now();
    let mut server = Server::spawn(binary, home, keeping)?;
    let stream = server.connect()?;
    let connected = began.elapsed();
    stream.set_nodelay(true)?;
    let connection = ClientConnection::new(config.clone(), tls::server_name()?)?;
    answer(&mut StreamOwned::new(connection, stream))?;
    Ok((connected, began.elapsed(), server))
}

impl Starts {
    fn time(&mut self, binary: &Path, home: &Path, keeping: Keeping, config: &Arc<ClientConfig>) -> Outcome<()> {
        let (connected, answered, server) = timed(binary, home, keeping, config)?;
        self.connected.push(milliseconds(connected));
        self.answered.push(milliseconds(answered));
        // What it still prepares for later must not slow down the next start, so it is waited for.
        server.stop()
    }

    fn row(&self, what: &'static str) -> Row {
        Row::new(what, median(&self.answered), "ms")
            .bound(START)
            .besides("p90", quantile(&self.answered, 0.9))
            .besides("connected after", median(&self.connected))
    }
}

/// Asks without a token, and reads the whole answer: 401.
fn answer(stream: &mut (impl Read + Write)) -> Outcome<()> {
    stream.write_all(client::request("GET", "/keys/any?api-version=7.4", "", "").as_bytes())?;
    let mut received = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part)?;
        received.extend_from_slice(&part[..count]);
        match client::Answer::parse(&received) {
            Some(answer) if answer.status == 401 => return Ok(()),
            Some(answer) => return Err(format!("expected 401, got {answer}").into()),
            None if count == 0 => return Err("the connection broke off".into()),
            None => {}
        }
    }
}
