//! One request over a connection of its own.

use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::client::ResolvesClientCert;
use zeroize::Zeroizing;

use crate::http::byte_stream::ByteStream;

/// The largest answer of a call, in bytes. Ours: the service's own bound is about 4 MB, and a commit here takes less.
const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// What these requests call themselves where the activity does not say.
const AGENT: &str = concat!("keyhaven-datafactory/", env!("CARGO_PKG_VERSION"));
/// Fields of the connection and of the message's own length.
const RESERVED: [&str; 6] = ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te"];

/// A request. Deliberately no `Debug`: its headers may hold a credential.
pub(crate) struct Sending {
    /// Whether it has a token of the factory's own identity: then, and only then, the service's own runtime is trusted with it.
    pub is_own: bool,
    /// The method.
    pub method: String,
    /// The URL, `http` or `https`.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
    /// The certificate that is shown to a host that asks for one.
    pub certificate: Option<Arc<dyn ResolvesClientCert>>,
}

/// An answer. Deliberately no `Debug`: its body may be a secret.
pub(crate) struct Received {
    /// The status.
    pub status: u16,
    /// The headers, in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`MAX_ANSWER_BYTES`].
    pub body: Vec<u8>,
}

/// Sends `request` over `stream`, and reads the answer whole.
///
/// # Errors
/// A sentence without an end: it cannot be sent, or there is no whole answer.
pub(crate) async fn exchange(stream: Box<dyn ByteStream>, request: Sending) -> Result<Received, String> {
    let request = built(request)?;
    let broke = |error: &dyn std::fmt::Display| format!("the exchange broke off: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broke(&error))?;
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.map_err(|error| broke(&error))?.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let body = body
        .map_err(|error| format!("the answer was not read, of which at most {MAX_ANSWER_BYTES} bytes are: {error}"))?;
    Ok(Received { status: parts.status.as_u16(), headers: texts(&parts.headers), body: body.to_bytes().to_vec() })
}

fn built(sending: Sending) -> Result<Request<Full<Bytes>>, String> {
    let url: Uri = sending.url.parse().map_err(|_| "the url cannot be read".to_owned())?;
    let mut request = Request::new(Full::new(Bytes::from_owner(sending.body)));
    *request.method_mut() = sending.method.parse().map_err(|_| "the method cannot be sent".to_owned())?;
    *request.uri_mut() = url.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    let authority = url.authority().ok_or("the url names no host")?;
    // What a URL has before `@` is no part of the host.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    request.headers_mut().insert(HOST, HeaderValue::from_str(host).map_err(|_| "the url names no host".to_owned())?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in &sending.headers {
        let (field, value) = field(name, value)?;
        match field == USER_AGENT {
            true => drop(request.headers_mut().insert(field, value)),
            false => drop(request.headers_mut().append(field, value)),
        }
    }
    Ok(request)
}

/// Refuses headers that cannot be sent.
///
/// # Errors
/// A sentence without an end.
pub(super) fn check_headers(headers: &[(String, Zeroizing<String>)]) -> Result<(), String> {
    headers.iter().try_for_each(|(name, value)| field(name, value).map(drop))
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("the header '{name}' cannot be sent");
    let field = name.parse::<HeaderName>().map_err(|_| wrong())?;
    if RESERVED.contains(&field.as_str()) {
        return Err(format!("the header '{name}' cannot be sent: it is of the connection"));
    }
    Ok((field, HeaderValue::from_str(value).map_err(|_| wrong())?))
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(text).collect()
}
