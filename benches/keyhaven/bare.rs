//! The yardstick: hyper and rustls with Keyhaven's TLS settings, and nothing behind them but one recorded answer.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keyhaven::clock::{Clock, SystemClock};
use keyhaven::testing::{Ca, CertificateResolver, tls_config};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Outcome;
use crate::client::{Answer, Target};
use crate::process::Process;
use crate::subject::Subject;
use crate::tls;

/// A bare server in a process of its own; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Bare {
    child: Child,
    /// Where it answers.
    pub(crate) target: Target,
}

impl Bare {
    /// Starts a server whose every answer is the one that `subject` gives to `request`.
    pub(crate) async fn start(subject: &Subject, request: &str) -> Outcome<Self> {
        let (recorded, ca) = (subject.scratch("answer"), subject.scratch("bare-ca.pem"));
        let mut connection = subject.target.connect().await?;
        let answer = connection.ask(request).await?;
        std::fs::write(&recorded, format!("{}\r\n\r\n{}", answer.head, answer.body))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-server").args([&recorded, &ca]).env_clear();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| "the bare server does not start")?;
        Ok(Self { child, target: Target { address, config: tls::trusting(&ca)? } })
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the answer in the file `answer` until killed; writes its CA to the file `ca` and its address to stdout.
pub(crate) fn serve(answer: &Path, ca: &Path) -> Outcome<()> {
    let recorded = std::fs::read(answer)?;
    let answer = Answer::parse(&recorded).ok_or("the recorded answer is not whole")?;
    let given = Arc::new((headers(answer.head)?, Bytes::copy_from_slice(answer.body.as_bytes())));
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    runtime.block_on(async move {
        let acceptor = acceptor(ca)?;
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(converse(stream, acceptor.clone(), given.clone()));
        }
    })
}

fn acceptor(file: &Path) -> Outcome<TlsAcceptor> {
    let localhost = ["localhost".to_owned()];
    let ca = Ca::ephemeral("Keyhaven benchmark CA", &localhost, true, SystemClock.now())?;
    std::fs::write(file, ca.pem())?;
    let leaves = CertificateResolver::new(ca, Arc::new(|_| true), localhost.into(), 1, Arc::new(SystemClock))?;
    Ok(TlsAcceptor::from(tls_config(Arc::new(leaves), None)?))
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, given: Arc<(HeaderMap, Bytes)>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|_| {
        let (headers, body) = &*given;
        let mut response = Response::new(Full::new(body.clone()));
        *response.headers_mut() = headers.clone();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    // The client goes away at the end; that is no error.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The header lines of `head`, but for those that hyper writes itself.
fn headers(head: &str) -> Outcome<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    headers.remove(DATE);
    headers.remove(CONTENT_LENGTH);
    Ok(headers)
}
