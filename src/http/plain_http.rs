//! Plain HTTP on a TLS port: such a request gets one answer that names the URL with `https`, and the connection ends. The
//! first byte, which the handshake reads anyway, tells the protocol.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode, body};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::authority::Authority;
use super::error::ApiError;
use super::limits::Limits;
use super::{ConnectionInfo, Response, incoming};

/// The longest URL, in bytes, that is named whole; of a longer one the host is.
const MAX_URL_BYTES: usize = 1024;

/// A stream that TLS is expected on. When a client sends plain HTTP instead, the first read fails; the bytes received by then
/// are read again after that.
pub(super) struct SniffedStream<S> {
    stream: S,
    protocol: Protocol,
}

/// The protocol that a client begins with.
enum Protocol {
    Unknown,
    /// Plain HTTP; these bytes were received and not read again yet.
    PlainHttp(Bytes),
    Other,
}

/// Any stream: so that the server for plain HTTP is compiled once.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl<S> SniffedStream<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, protocol: Protocol::Unknown }
    }

    /// Whether the client speaks plain HTTP.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.protocol, Protocol::PlainHttp(_))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SniffedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.protocol {
            Protocol::Other => return Pin::new(&mut self.stream).poll_read(cx, buffer),
            Protocol::PlainHttp(received) if !received.is_empty() => {
                buffer.put_slice(&received.split_to(received.len().min(buffer.remaining())));
                return Poll::Ready(Ok(()));
            }
            Protocol::PlainHttp(_) => return Pin::new(&mut self.stream).poll_read(cx, buffer),
            Protocol::Unknown => {}
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let received = &buffer.filled()[before..];
        // Methods begin with a capital letter (RFC 9110, 9.3), a TLS handshake with 0x16, an SSL 2 hello with 0x80 and above.
        if !received.first().is_some_and(u8::is_ascii_uppercase) {
            self.protocol = Protocol::Other;
            return Poll::Ready(Ok(()));
        }
        self.protocol = Protocol::PlainHttp(Bytes::copy_from_slice(received));
        buffer.set_filled(before);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks plain HTTP")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SniffedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Answers the one request of a client that speaks plain HTTP, and ends the connection. The caller bounds the time.
pub(super) async fn refuse<S>(stream: SniffedStream<S>, info: ConnectionInfo, limits: &Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream: Box<dyn Stream> = Box::new(stream);
    let (most, timeout) = (limits.body_bytes, limits.header_timeout);
    let service = service_fn(async |request: Request<body::Incoming>| {
        let answer = refusal(&request, info).into_response();
        incoming::drain(request.into_body(), most, timeout).await;
        Ok::<Response, Infallible>(answer)
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).header_read_timeout(None).max_headers(limits.headers);
    builder.max_buf_size(limits.header_bytes.max(8192));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, peer = %info.peer, "a client spoke neither TLS nor HTTP");
    }
}

/// In the form of all errors here: people read the sentence, and SDKs show it.
fn refusal<B>(request: &Request<B>, info: ConnectionInfo) -> ApiError {
    let text = match url(request, info) {
        Some(url) => format!("Plain HTTP was sent where HTTPS is spoken. Use {url} instead."),
        None => "Plain HTTP was sent where HTTPS is spoken. Use an https URL instead.".to_owned(),
    };
    ApiError::new(StatusCode::BAD_REQUEST, "HttpsRequired", text)
}

/// The URL that was asked, with `https`; the listener's address replaces a host that is missing or malformed.
fn url<B>(request: &Request<B>, info: ConnectionInfo) -> Option<String> {
    let port = if info.taken_over { 443 } else { info.local.port() };
    let host = Authority::of(request).map(|authority| authority.on_port(port).without_default_port().to_string());
    let origin = format!("https://{}", host.or_else(|| (!info.taken_over).then(|| info.local.to_string()))?);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let whole = if path.starts_with('/') { format!("{origin}{path}") } else { format!("{origin}/") };
    Some(if whole.len() > MAX_URL_BYTES { origin } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str, host: Option<&str>, taken_over: bool) -> Option<String> {
        let mut request = Request::get(line);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (peer, local) = (([127, 0, 0, 1], 50_000).into(), ([127, 0, 0, 1], 8443).into());
        url(&request.body(()).unwrap(), ConnectionInfo { peer, local, taken_over })
    }

    #[test]
    fn the_url_is_the_one_that_was_asked_with_https() {
        for (line, host, taken_over, expected) in [
            ("/secrets/a?x=1", Some("a.vault.localhost:8443"), false, "https://a.vault.localhost:8443/secrets/a?x=1"),
            ("/", Some("a.vault.localhost"), false, "https://a.vault.localhost:8443/"),
            ("http://b.localhost:9/keys", Some("a.localhost"), false, "https://b.localhost:9/keys"),
            ("/", Some("a b"), false, "https://127.0.0.1:8443/"),
            ("/keys", None, false, "https://127.0.0.1:8443/keys"),
            ("/keys", Some("a.vault.azure.net"), true, "https://a.vault.azure.net/keys"),
            ("*", Some("a.localhost:1"), false, "https://a.localhost:1/"),
        ] {
            assert_eq!(named(line, host, taken_over).as_deref(), Some(expected), "{line} {host:?}");
        }
        assert_eq!(named("/keys", None, true), None);
        let long = format!("/{}", "x".repeat(2000));
        assert_eq!(named(&long, Some("a.localhost:1"), false).as_deref(), Some("https://a.localhost:1"));
    }

    #[tokio::test]
    async fn only_what_begins_with_a_method_is_plain_and_none_of_it_is_lost() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for (received, plain) in
            [(&b"GET / HTTP/1.1\r\n\r\n"[..], true), (&[22, 3, 1, 0, 5], false), (&[128, 46, 1], false)]
        {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(received).await.unwrap();
            drop(client);
            let (mut sniffed, mut first) = (SniffedStream::new(server), [0; 64]);
            let read = sniffed.read(&mut first).await;
            assert_eq!((read.is_err(), sniffed.is_plain()), (plain, plain), "{received:?}");
            let mut rest = first[..read.unwrap_or_default()].to_vec();
            sniffed.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, received);
        }
    }
}
