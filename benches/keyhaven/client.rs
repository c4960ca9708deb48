//! A client that costs little: HTTP/1.1 written by hand, requests built once, connections kept.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Outcome, tls};

/// A request to the default vault.
pub(crate) fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let content = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{authorization}{content}\r\n{body}", tls::HOST)
}

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    /// The status.
    pub(crate) status: u16,
    /// The status line and the header lines.
    pub(crate) head: &'a str,
    /// The body.
    pub(crate) body: &'a str,
}

impl<'a> Answer<'a> {
    /// The answer in `received`, once all of it is there.
    pub(crate) fn parse(received: &'a [u8]) -> Option<Self> {
        let length = received.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&received[..length]).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = &received[length + 4..];
        if body.len() < content_length(head) {
            return None;
        }
        Some(Self { status, head, body: std::str::from_utf8(body).ok()? })
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.body)
    }
}

fn content_length(head: &str) -> usize {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The server's address.
    pub(crate) address: SocketAddr,
    /// Whom to trust.
    pub(crate) config: Arc<ClientConfig>,
}

impl Target {
    /// A new connection, after a whole handshake.
    pub(crate) async fn connect(&self) -> Outcome<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(self.config.clone()).connect(tls::server_name()?, stream).await?;
        Ok(Connection { stream, received: Vec::with_capacity(8192) })
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    /// Sends `request`, and gives the answer if it is a 200.
    pub(crate) async fn ask(&mut self, request: &str) -> Outcome<Answer<'_>> {
        self.stream.write_all(request.as_bytes()).await?;
        self.received.clear();
        while Answer::parse(&self.received).is_none() {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the connection broke off".into());
            }
        }
        match Answer::parse(&self.received) {
            Some(answer) if answer.status == 200 => Ok(answer),
            Some(answer) => Err(format!("expected 200, got {answer}").into()),
            None => Err("the answer cannot be understood".into()),
        }
    }
}

/// How long clients go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// Until each has asked so often.
    Requests(usize),
    /// Until this time has passed.
    Time(Duration),
}

/// Clients that each send one request over and over, at the same time.
#[derive(Debug)]
pub(crate) struct Crew(Vec<(Connection, Arc<str>)>);

/// What a crew has done.
#[derive(Debug)]
pub(crate) struct Done {
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// How long each answer took.
    pub(crate) answers: Vec<Duration>,
}

impl Done {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers.len() as f64 / self.elapsed.as_secs_f64()
    }
}

impl Crew {
    /// A client for each of `requests`.
    pub(crate) async fn connect(target: &Target, requests: impl IntoIterator<Item = String>) -> Outcome<Self> {
        let mut clients = Vec::new();
        for request in requests {
            clients.push((target.connect().await?, request.into()));
        }
        Ok(Self(clients))
    }

    /// Lets every client ask for the `amount`.
    pub(crate) async fn run(&mut self, amount: Amount) -> Outcome<Done> {
        let began = Instant::now();
        let mut at_work = JoinSet::new();
        for (connection, request) in self.0.drain(..) {
            at_work.spawn(repeat(connection, request, amount));
        }
        let mut answers = Vec::new();
        while let Some(done) = at_work.join_next().await {
            let (connection, request, times) = done??;
            self.0.push((connection, request));
            answers.extend(times);
        }
        Ok(Done { elapsed: began.elapsed(), answers })
    }
}

async fn repeat(
    mut connection: Connection,
    request: Arc<str>,
    amount: Amount,
) -> Outcome<(Connection, Arc<str>, Vec<Duration>)> {
    let began = Instant::now();
    let mut times = Vec::new();
    let goes_on = |done: usize| match amount {
        Amount::Requests(count) => done < count,
        Amount::Time(time) => began.elapsed() < time,
    };
    while goes_on(times.len()) {
        let asked = Instant::now();
        connection.ask(&request).await?;
        times.push(asked.elapsed());
    }
    Ok((connection, request, times))
}
