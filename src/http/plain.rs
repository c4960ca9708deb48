//! Plain HTTP where TLS is spoken: such a request gets one answer that names the URL with `https`, and the connection ends.
//! Whether it is one shows in the first byte that the handshake reads anyway.

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
use super::{Arrival, Response, incoming};

/// The longest URL, in bytes, that is named whole; of a longer one the host is.
const LONGEST: usize = 1024;

/// A stream that TLS is expected on. Reading fails once when a client begins with plain HTTP instead; what it has said by
/// then is read again after that.
pub(super) struct Sniffed<S> {
    stream: S,
    begun: Begun,
}

/// How a client begins.
enum Begun {
    NotYet,
    /// With plain HTTP; this much of it was read and not taken.
    Plainly(Bytes),
    Otherwise,
}

/// Any stream: so that the server for plain HTTP is compiled once.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl<S> Sniffed<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, begun: Begun::NotYet }
    }

    /// Whether the client speaks plain HTTP.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.begun, Begun::Plainly(_))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sniffed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.begun {
            Begun::Otherwise => return Pin::new(&mut self.stream).poll_read(cx, buffer),
            Begun::Plainly(said) if !said.is_empty() => {
                buffer.put_slice(&said.split_to(said.len().min(buffer.remaining())));
                return Poll::Ready(Ok(()));
            }
            Begun::Plainly(_) => return Pin::new(&mut self.stream).poll_read(cx, buffer),
            Begun::NotYet => {}
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let said = &buffer.filled()[before..];
        // Methods begin with a capital letter (RFC 9110, 9.3), a TLS handshake with 0x16, an SSL 2 hello with 0x80 and above.
        if !said.first().is_some_and(u8::is_ascii_uppercase) {
            self.begun = Begun::Otherwise;
            return Poll::Ready(Ok(()));
        }
        self.begun = Begun::Plainly(Bytes::copy_from_slice(said));
        buffer.set_filled(before);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks plain HTTP")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sniffed<S> {
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
pub(super) async fn refuse<S>(stream: Sniffed<S>, arrival: Arrival, limits: &Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream: Box<dyn Stream> = Box::new(stream);
    let (most, patience) = (limits.body_bytes, limits.header_timeout);
    let service = service_fn(async |request: Request<body::Incoming>| {
        let answer = refusal(&request, arrival).into_response();
        incoming::drain(request.into_body(), most, patience).await;
        Ok::<Response, Infallible>(answer)
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).header_read_timeout(None).max_headers(limits.headers);
    builder.max_buf_size(limits.header_bytes.max(8192));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, peer = %arrival.peer, "a client spoke neither TLS nor HTTP");
    }
}

/// In the form of all errors here: people read the sentence, and SDKs show it.
fn refusal<B>(request: &Request<B>, arrival: Arrival) -> ApiError {
    let text = match url(request, arrival) {
        Some(url) => format!("Plain HTTP was sent where HTTPS is spoken. Use {url} instead."),
        None => "Plain HTTP was sent where HTTPS is spoken. Use an https URL instead.".to_owned(),
    };
    ApiError::new(StatusCode::BAD_REQUEST, "HttpsRequired", text)
}

/// The URL that was asked, with `https`; the listener's address replaces a host that is missing or malformed.
fn url<B>(request: &Request<B>, arrival: Arrival) -> Option<String> {
    let port = if arrival.taken_over { 443 } else { arrival.local.port() };
    let host = Authority::of(request).map(|authority| authority.on_port(port).without_default_port().to_string());
    let origin = format!("https://{}", host.or_else(|| (!arrival.taken_over).then(|| arrival.local.to_string()))?);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let whole = if path.starts_with('/') { format!("{origin}{path}") } else { format!("{origin}/") };
    Some(if whole.len() > LONGEST { origin } else { whole })
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
        url(&request.body(()).unwrap(), Arrival { peer, local, taken_over })
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
        for (said, plain) in
            [(&b"GET / HTTP/1.1\r\n\r\n"[..], true), (&[22, 3, 1, 0, 5], false), (&[128, 46, 1], false)]
        {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(said).await.unwrap();
            drop(client);
            let (mut sniffed, mut first) = (Sniffed::new(server), [0; 64]);
            let read = sniffed.read(&mut first).await;
            assert_eq!((read.is_err(), sniffed.is_plain()), (plain, plain), "{said:?}");
            let mut rest = first[..read.unwrap_or_default()].to_vec();
            sniffed.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, said);
        }
    }
}
