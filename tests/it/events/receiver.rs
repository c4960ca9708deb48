//! A receiver of events, that does what a test wants it to do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How long anything that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that was received.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// What it is answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    pub(super) after: Duration,
}

type Behaviour = Arc<dyn Fn(&Heard) -> Reply + Send + Sync>;

/// The receiver. It stops when it is dropped.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    behaviour: Arc<Mutex<Behaviour>>,
    tls: Option<TlsAcceptor>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn is_question(&self) -> bool {
        self.method == "OPTIONS" || self.header("aeg-event-type") == "SubscriptionValidation"
    }

    /// The event in it, in either schema.
    pub(super) fn event(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        if body.is_array() { body[0].clone() } else { body }
    }

    /// `SUBJECT TYPE`, without the beginning that all types share.
    pub(super) fn summary(&self) -> String {
        let event = self.event();
        let kind = event["eventType"].as_str().or(event["type"].as_str()).unwrap().to_owned();
        format!("{} {}", event["subject"].as_str().unwrap(), kind.replace("Microsoft.KeyVault.", ""))
    }

    /// The request, but for what every request has.
    pub(super) fn exactly(&self) -> String {
        let usual = ["host", "content-length", "accept", "user-agent", "accept-encoding"];
        let mut lines = vec![format!("{} {}", self.method, self.path)];
        let others = self.headers.iter().filter(|(name, _)| !usual.contains(&name.as_str()));
        lines.extend(others.map(|(name, value)| format!("{name}: {value}")));
        lines.push(self.body.clone());
        lines.join("\n")
    }
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// Wants events, and takes them.
pub(super) fn agreeable(heard: &Heard) -> Reply {
    match heard.method.as_str() {
        "OPTIONS" => {
            let origin = heard.header("webhook-request-origin").to_owned();
            Reply { headers: vec![("webhook-allowed-origin", origin)], ..Reply::status(200) }
        }
        _ if heard.is_question() => {
            let code = heard.event()["data"]["validationCode"].as_str().unwrap().to_owned();
            Reply { body: format!(r#"{{"validationResponse":"{code}"}}"#), ..Reply::status(200) }
        }
        _ => Reply::status(200),
    }
}

impl Receiver {
    /// One that wants events and takes them.
    pub(super) async fn new() -> Self {
        Self::that(agreeable).await
    }

    pub(super) async fn that(behaves: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        let mut receiver = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            heard: Arc::default(),
            behaviour: Arc::new(Mutex::new(Arc::new(behaves))),
            tls: None,
            serving: None,
        };
        receiver.comes_back().await;
        receiver
    }

    /// One that speaks TLS, with this certificate and key.
    pub(super) async fn over_tls(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
        behaves: impl Fn(&Heard) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let mut receiver = Self::that(behaves).await;
        receiver.dies().await;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        receiver.tls = Some(TlsAcceptor::from(Arc::new(config)));
        receiver.comes_back().await;
        receiver
    }

    /// From now on it does this.
    pub(super) fn behaves(&self, behaves: impl Fn(&Heard) -> Reply + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaves);
    }

    /// It takes nothing more, and what it was about to answer is never answered.
    pub(super) async fn dies(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// It is there again, at the same address.
    pub(super) async fn comes_back(&mut self) {
        let tcp = TcpListener::bind(self.address).await.unwrap();
        self.address = tcp.local_addr().unwrap();
        let (heard, behaviour, tls) = (self.heard.clone(), self.behaviour.clone(), self.tls.clone());
        self.serving = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = tcp.accept().await.unwrap();
                let (heard, behaviour) = (heard.clone(), behaviour.clone());
                let service = service_fn(move |request| answer(request, heard.clone(), behaviour.clone()));
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        }));
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All that was received.
    pub(super) fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The questions that were received whether events are wanted.
    pub(super) fn questions(&self) -> Vec<Heard> {
        self.all().into_iter().filter(Heard::is_question).collect()
    }

    /// The events that were received.
    pub(super) fn events(&self) -> Vec<Heard> {
        self.all().into_iter().filter(|heard| !heard.is_question()).collect()
    }

    /// The summaries of the events, in the order they came in.
    pub(super) fn summaries(&self) -> Vec<String> {
        self.events().iter().map(Heard::summary).collect()
    }

    /// The events, once there are `count`.
    pub(super) async fn hears(&self, count: usize) -> Vec<Heard> {
        until(&format!("{count} events"), || (self.events().len() >= count).then(|| self.events())).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    heard: Arc<Mutex<Vec<Heard>>>,
    behaviour: Arc<Mutex<Behaviour>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let one = Heard { method: parts.method.to_string(), path: parts.uri.to_string(), headers, body };
    heard.lock().unwrap().push(one.clone());
    let behaves = behaviour.lock().unwrap().clone();
    let reply = behaves(&one);
    tokio::time::sleep(reply.after).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(reply.body)).unwrap())
}

/// What `seen` comes to see, within bounds.
pub(super) async fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
